package torture

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/kvcheck"
)

const (
	// keysAtOnce are raced for at a time. Each is left alone after so many
	// operations that its history is still complete.
	keysAtOnce  = 3
	opsPerKey   = 30
	racersCount = 4
)

// race does one operation on a key after the other until ctx ends. The clients
// of a site share turn, so that they are at the same keys.
func (w *worker) race(ctx context.Context, turn *atomic.Int64, client *kvcheck.Client) {
	kv := w.bucket(ctx)
	if kv == nil {
		return
	}
	client.KV, client.Rand = kv, w.rnd
	for ctx.Err() == nil {
		n := turn.Add(1)
		key := fmt.Sprintf("round%d.key%d", n/(keysAtOnce*opsPerKey), w.rnd.IntN(keysAtOnce))
		var result kvcheck.Result
		// Not bound by ctx, so that the last operation has an outcome too.
		_ = w.op(context.Background(), "bucket operation", calmWait, func(ctx context.Context) error {
			result = client.Do(ctx, key, fmt.Sprintf("%d/%d", client.ID, n))
			return nil
		})
		w.report.count(w.site.name+" bucket operation: "+client.Ops[len(client.Ops)-1].Input.(kvcheck.Op).Kind+" "+result.Err, 1)
		if result.Err == "" {
			raise(&w.listings.acked, result.Revision)
		}
		w.pause(ctx, 50*time.Millisecond)
	}
}

// bucket returns a handle of the site's bucket, or nil when ctx ends first.
func (w *worker) bucket(ctx context.Context) jetstream.KeyValue {
	for ctx.Err() == nil {
		var kv jetstream.KeyValue
		err := w.op(ctx, "bind bucket", 5*time.Second, func(ctx context.Context) (err error) {
			kv, err = w.js.KeyValue(ctx, bucket)
			return err
		})
		if err == nil {
			return kv
		}
		w.pause(ctx, 100*time.Millisecond)
	}
	return nil
}

// watch sees all that happens to some keys.
func (w *worker) watch(ctx context.Context, filter string, book *watchBook, opts ...jetstream.WatchOpt) {
	kv := w.bucket(ctx)
	var watcher jetstream.KeyWatcher
	for watcher == nil {
		if ctx.Err() != nil {
			return
		}
		// The watch's context is its lifetime, so it is not that of the call.
		var err error
		if watcher, err = kv.Watch(context.Background(), filter, opts...); err != nil {
			w.told("watch", err)
			w.pause(ctx, 100*time.Millisecond)
		}
	}
	for {
		select {
		case e, ok := <-watcher.Updates():
			switch {
			case !ok:
				w.report.fail("watches go on", "%s %s: the watch ended by itself", w.site.name, w.name)
				return
			case e == nil:
				book.mark()
			default:
				book.add(revision{
					rev: e.Revision(), key: e.Key(), value: string(e.Value()), deleted: e.Operation() != jetstream.KeyValuePut,
				})
			}
		case <-ctx.Done():
			if err := watcher.Stop(); err != nil {
				w.report.fail("watches go on", "%s %s: stop: %v", w.site.name, w.name, err)
			}
			return
		}
	}
}

// list takes one listing of the bucket after the other, by short watches and
// otherwise.
func (w *worker) list(ctx context.Context) {
	kv := w.bucket(ctx)
	if kv == nil {
		return
	}
	for ctx.Err() == nil && !w.calm.Load() {
		var err error
		switch w.rnd.IntN(3) {
		case 0:
			err = w.op(ctx, "list keys", 10*time.Second, func(ctx context.Context) error {
				_, err := kv.Keys(ctx)
				return err
			})
		case 1:
			err = w.op(ctx, "history", 10*time.Second, func(ctx context.Context) error {
				_, err := kv.History(ctx, "round0.key0")
				return err
			})
		default:
			err = w.op(ctx, "short watch", 10*time.Second, func(ctx context.Context) error { return w.glance(ctx, kv) })
		}
		if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) && !errors.Is(err, jetstream.ErrKeyNotFound) {
			w.told("listing", err)
		}
		w.pause(ctx, 200*time.Millisecond)
	}
}

// glance reads the initial entries of a watch.
func (w *worker) glance(ctx context.Context, kv jetstream.KeyValue) error {
	s := snapshot{since: w.listings.acked.Load(), found: make(map[string]uint64)}
	watcher, err := kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer func() {
		// It ends with ctx, too.
		if err := watcher.Stop(); err != nil && !errors.Is(err, nats.ErrBadSubscription) {
			w.told("listing", err)
		}
	}()
	for e := range watcher.Updates() {
		if e == nil {
			w.listings.mu.Lock()
			w.listings.all = append(w.listings.all, s)
			w.listings.mu.Unlock()
			return nil
		}
		s.found[e.Key()] = e.Revision()
	}
	return ctx.Err()
}
