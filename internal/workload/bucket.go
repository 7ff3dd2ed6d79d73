package workload

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// bucketPrefix starts the name of the stream of a bucket.
const bucketPrefix = "KV_"

// bucket is what workloads use of a key-value bucket.
type bucket interface {
	put(ctx context.Context, key string, value []byte) error
	get(ctx context.Context, key string) ([]byte, error)
	keys(ctx context.Context) ([]string, error)
	// listKeys calls each with all keys.
	listKeys(ctx context.Context, each func(key string)) error
	// watch calls each with the last value of all keys.
	watch(ctx context.Context, each func(key string, value []byte)) error
}

// The interfaces below describe the implementations' own types, as those for
// consumers do.
type (
	jsBucket[Entry jsEntry, Watcher jsWatcher[Entry], Lister jsKeyLister, Opt any] interface {
		Put(ctx context.Context, key string, value []byte) (uint64, error)
		Get(ctx context.Context, key string) (Entry, error)
		Keys(ctx context.Context, opts ...Opt) ([]string, error)
		ListKeys(ctx context.Context, opts ...Opt) (Lister, error)
		WatchAll(ctx context.Context, opts ...Opt) (Watcher, error)
	}

	jsEntry interface {
		Key() string
		Value() []byte
	}

	jsWatcher[Entry jsEntry] interface {
		Updates() <-chan Entry
		Stop() error
	}

	jsKeyLister interface {
		Keys() <-chan string
	}
)

type bucketOf[Entry jsEntry, Watcher jsWatcher[Entry], Lister jsKeyLister, Opt any] struct {
	kv jsBucket[Entry, Watcher, Lister, Opt]
}

func adaptBucket[Entry jsEntry, Watcher jsWatcher[Entry], Lister jsKeyLister, Opt any](kv jsBucket[Entry, Watcher, Lister, Opt]) bucket {
	return bucketOf[Entry, Watcher, Lister, Opt]{kv}
}

func (b bucketOf[Entry, Watcher, Lister, Opt]) put(ctx context.Context, key string, value []byte) error {
	_, err := b.kv.Put(ctx, key, value)
	return err
}

func (b bucketOf[Entry, Watcher, Lister, Opt]) get(ctx context.Context, key string) ([]byte, error) {
	e, err := b.kv.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return e.Value(), nil
}

func (b bucketOf[Entry, Watcher, Lister, Opt]) keys(ctx context.Context) ([]string, error) {
	return b.kv.Keys(ctx)
}

func (b bucketOf[Entry, Watcher, Lister, Opt]) listKeys(ctx context.Context, each func(string)) error {
	l, err := b.kv.ListKeys(ctx)
	if err != nil {
		return err
	}
	for key := range l.Keys() {
		each(key)
	}
	return nil
}

func (b bucketOf[Entry, Watcher, Lister, Opt]) watch(ctx context.Context, each func(string, []byte)) error {
	w, err := b.kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	for e := range w.Updates() {
		if any(e) == nil {
			return w.Stop()
		}
		each(e.Key(), e.Value())
	}
	return errors.New("the watch ended before its initial values did")
}

// configureBucket makes the stream of the run that of a bucket.
func (r *Run) configureBucket(config map[string]any) {
	name := strings.TrimPrefix(r.stream, "BENCH-")
	r.stream = bucketPrefix + name
	config["subjects"] = []string{"$KV." + name + ".>"}
	config["max_msgs_per_subject"] = 1
	config["discard"] = "new"
	config["allow_direct"] = true
	config["allow_rollup_hdrs"] = true
	config["deny_delete"] = true
}

// openBucket fills the bucket if it is read, one key an operation.
func (r *Run) openBucket(ctx context.Context, impl Impl) error {
	name := strings.TrimPrefix(r.stream, bucketPrefix)
	r.keys = make([]string, r.n)
	for i := range r.keys {
		r.keys[i] = fmt.Sprintf("key.%d", i)
		if !r.reads {
			continue
		}
		if err := r.nc.Publish("$KV."+name+"."+r.keys[i], payload(uint64(i))); err != nil {
			return err
		}
	}
	if r.reads {
		if err := r.nc.FlushWithContext(ctx); err != nil {
			return err
		}
		if err := r.waitStored(); err != nil {
			return err
		}
	}
	var err error
	r.kv, err = impl.bucket(ctx, r.nc, name)
	return err
}

// takeValue checks that value is that of the next key.
func (r *Run) takeValue(value []byte) error {
	if len(value) != payloadSize || binary.BigEndian.Uint64(value) != uint64(r.seen) {
		return fmt.Errorf("the value of %s is wrong", r.keys[r.seen])
	}
	r.seen++
	return nil
}

func kvPut(ctx context.Context, r *Run) error {
	value := payload(0)
	for _, key := range r.keys {
		if err := r.kv.put(ctx, key, value); err != nil {
			return err
		}
	}
	return nil
}

func kvGet(ctx context.Context, r *Run) error {
	for _, key := range r.keys {
		value, err := r.kv.get(ctx, key)
		if err != nil {
			return err
		}
		if err := r.takeValue(value); err != nil {
			return err
		}
	}
	return nil
}

func kvKeys(ctx context.Context, r *Run) error {
	keys, err := r.kv.keys(ctx)
	r.seen = len(keys)
	return err
}

func kvListKeys(ctx context.Context, r *Run) error {
	return r.kv.listKeys(ctx, func(string) { r.seen++ })
}

func kvWatch(ctx context.Context, r *Run) error {
	var failed error
	err := r.kv.watch(ctx, func(_ string, value []byte) {
		if failed == nil {
			failed = r.takeValue(value)
		}
	})
	return errors.Join(err, failed)
}
