package torture

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"example.com/jetstream"
)

const (
	objectNames   = 3 // of each writer
	objectWriters = 2
	maxObject     = 600_000
	objectTimeout = 10 * time.Second
	contentKey    = "content" // metadata: the seed and the size
)

// content returns the content with the given seed.
func content(seed uint64, size int) []byte {
	data := make([]byte, size+8)
	rnd := rand.New(rand.NewPCG(seed, seed))
	for i := 0; i < size; i += 8 {
		binary.LittleEndian.PutUint64(data[i:], rnd.Uint64())
	}
	return data[:size]
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// store returns a handle of the site's object store, or nil when ctx ends first.
func (w *worker) store(ctx context.Context) jetstream.ObjectStore {
	for ctx.Err() == nil {
		var store jetstream.ObjectStore
		err := w.op(ctx, "bind object store", 5*time.Second, func(ctx context.Context) (err error) {
			store, err = w.js.ObjectStore(ctx, objects)
			return err
		})
		if err == nil {
			return store
		}
		w.pause(ctx, 100*time.Millisecond)
	}
	return nil
}

// putObjects writes the objects of one writer until ctx ends.
func (w *worker) putObjects(ctx context.Context, writer int) {
	store := w.store(ctx)
	if store == nil {
		return
	}
	for ctx.Err() == nil {
		p := put{name: objectName(writer, w.rnd.IntN(objectNames)), outcome: unknown}
		w.puts.begin(p.name)
		var err error
		if w.chance(10) {
			// Not bound by ctx, so that the last write has an outcome too.
			err = w.op(context.Background(), "delete object", objectTimeout, func(ctx context.Context) error {
				return store.Delete(ctx, p.name)
			})
			if errors.Is(err, jetstream.ErrObjectNotFound) {
				err = nil
			}
		} else {
			seed, size := w.rnd.Uint64(), w.rnd.IntN(maxObject)
			data := content(seed, size)
			p.content = digest(data)
			meta := jetstream.ObjectMeta{Name: p.name, Metadata: map[string]string{contentKey: fmt.Sprintf("%d %d", seed, size)}}
			err = w.op(context.Background(), "put object", objectTimeout, func(ctx context.Context) error {
				_, err := store.Put(ctx, meta, bytes.NewReader(data))
				return err
			})
		}
		if err == nil {
			p.outcome = acked
		} else {
			w.told("object write", err)
		}
		w.puts.add(p)
		w.pause(ctx, 300*time.Millisecond)
	}
}

func objectName(writer, n int) string { return fmt.Sprintf("writer %d/object %d", writer, n) }

// begin takes down that a write of an object is under way.
func (b *putBook) begin(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun[name]++
}

// add takes down how it ended.
func (b *putBook) add(p put) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[p.name] = append(b.all[p.name], p)
}

// settled returns how many writes of an object there were, and whether they are
// over. One whose outcome is unknown may never be.
func (b *putBook) settled(name string) (writes int, over bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.all[name]
	return b.begun[name], len(all) == b.begun[name] && (len(all) == 0 || all[len(all)-1].outcome == acked)
}

// getObjects reads one object after the other until the calm times.
func (w *worker) getObjects(ctx context.Context) {
	store := w.store(ctx)
	if store == nil {
		return
	}
	for ctx.Err() == nil && !w.calm.Load() {
		name := objectName(w.rnd.IntN(objectWriters), w.rnd.IntN(objectNames))
		writes, over := w.puts.settled(name)
		err := w.op(ctx, "get object", objectTimeout, func(ctx context.Context) error {
			_, err := readObject(ctx, store, name)
			return err
		})
		now, _ := w.puts.settled(name)
		switch {
		case err == nil, errors.Is(err, jetstream.ErrObjectNotFound):
		case errors.Is(err, jetstream.ErrDigestMismatch):
			// A write under way takes the content away, and a replica may tell of
			// the old description after that.
			if over && now == writes && w.replicas == 1 {
				w.report.fail("objects are whole", "%s %s: %s: %v", w.site.name, w.name, name, err)
			}
			w.report.count(w.site.name+" get object while it was written", 1)
		default:
			w.told("get object", err)
		}
		w.pause(ctx, 150*time.Millisecond)
	}
}

var errForeign = errors.New("the content is not that of the description")

// readObject reads an object and compares it with what its description says. It
// returns the digest.
func readObject(ctx context.Context, store jetstream.ObjectStore, name string) (string, error) {
	result, err := store.Get(ctx, name)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(result)
	if err := errors.Join(err, result.Close()); err != nil {
		return "", err
	}
	info, err := result.Info()
	if err != nil {
		return "", err
	}
	var seed uint64
	var size int
	if _, err := fmt.Sscan(info.Metadata[contentKey], &seed, &size); err != nil {
		return "", fmt.Errorf("%w: %w", errForeign, err)
	}
	if !bytes.Equal(data, content(seed, size)) {
		return "", fmt.Errorf("%w: %d bytes", errForeign, len(data))
	}
	return digest(data), nil
}

// watchObjects keeps the last description of each object until ctx ends.
func (w *worker) watchObjects(ctx context.Context, book *watchBook) {
	store := w.store(ctx)
	var watcher jetstream.ObjectWatcher
	for watcher == nil {
		if ctx.Err() != nil {
			return
		}
		var err error
		if watcher, err = store.Watch(context.Background()); err != nil {
			w.told("watch", err)
			w.pause(ctx, 100*time.Millisecond)
		}
	}
	for {
		select {
		case info, ok := <-watcher.Updates():
			switch {
			case !ok:
				w.report.fail("watches go on", "%s %s: the watch ended by itself", w.site.name, w.name)
				return
			case info != nil:
				book.add(revision{key: info.Name, value: info.NUID, deleted: info.Deleted})
			}
		case <-ctx.Done():
			if err := watcher.Stop(); err != nil {
				w.report.fail("watches go on", "%s %s: stop: %v", w.site.name, w.name, err)
			}
			return
		}
	}
}

// lastDescriptions returns the last description of each object that was seen.
func lastDescriptions(seen []revision) map[string]string {
	last := make(map[string]string)
	for _, r := range seen {
		last[r.key] = r.value + " " + strconv.FormatBool(r.deleted)
	}
	return last
}
