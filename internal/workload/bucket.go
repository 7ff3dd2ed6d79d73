package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// A bucket's stream is that of its name with a prefix.
const bucketPrefix = "KV_"

var (
	newBucket    = ground{prefix: bucketPrefix, config: bucketStream, stored: all}
	singleKey    = ground{prefix: bucketPrefix, config: bucketStream, stored: single}
	emptyBucket  = ground{prefix: bucketPrefix, config: bucketStream, stored: none}
	filledBucket = ground{prefix: bucketPrefix, config: bucketStream, stored: all, fill: fillBucket}
)

func bucketStream(name string) map[string]any {
	return map[string]any{
		"subjects":             []string{keySubject(name, ">")},
		"max_msgs_per_subject": 1,
		"discard":              "new",
		"allow_direct":         true,
		"allow_rollup_hdrs":    true,
		"deny_delete":          true,
	}
}

func keySubject(bucket, key string) string { return "$KV." + bucket + "." + key }

func key(i int) string { return string(appendKey(nil, i)) }

func appendKey(b []byte, i int) []byte { return strconv.AppendInt(append(b, "key."...), int64(i), 10) }

// fillBucket writes one key for each operation, its number the value.
func fillBucket(ctx context.Context, f *Fixture) error {
	return f.fill(ctx, func(i int) string { return keySubject(f.name, key(i)) })
}

// openKeys is openBucket for workloads that name the keys.
func openKeys(ctx context.Context, r *Run) error {
	r.makeKeys()
	return openBucket(ctx, r)
}

func (r *Run) makeKeys() {
	r.keys = make([]string, r.n)
	for i := range r.keys {
		r.keys[i] = key(i)
	}
}

// openBucket makes no keys. The collector would have to look through them while those
// of the bucket are read, on account of what is measured.
func openBucket(ctx context.Context, r *Run) error {
	// Room for what will be listed is not to be measured.
	r.listed = make([]string, 0, r.n)
	var err error
	r.kv, err = r.client.bucket(ctx, r.name)
	return err
}

func kvPut(_ context.Context, r *Run) error {
	return r.each(func(i int) error {
		revision, err := r.kv.put(context.Background(), r.keys[i], r.data)
		return r.nextRevision(revision, err)
	})
}

func kvUpdate(_ context.Context, r *Run) error {
	return r.each(func(i int) error {
		revision, err := r.kv.update(context.Background(), r.keys[0], r.data, uint64(i))
		return r.nextRevision(revision, err)
	})
}

// nextRevision counts a write and checks its revision.
func (r *Run) nextRevision(revision uint64, err error) error {
	if err != nil {
		return err
	}
	if r.done++; revision != uint64(r.done) {
		return fmt.Errorf("write %d has revision %d", r.done, revision)
	}
	return nil
}

func kvGet(_ context.Context, r *Run) error {
	return r.each(func(i int) error {
		value, err := r.kv.get(context.Background(), r.keys[i])
		if err != nil {
			return err
		}
		r.done++
		return checkPayload(value, i, r.payloadSize())
	})
}

func kvKeys(ctx context.Context, r *Run) error {
	var err error
	r.listed, err = r.kv.keys(ctx)
	r.done = len(r.listed)
	return err
}

func kvListKeys(ctx context.Context, r *Run) error {
	err := r.kv.listKeys(ctx, func(key string) { r.listed = append(r.listed, key) })
	r.done = len(r.listed)
	return err
}

// checkListed checks that what was listed are all keys there are. It takes long
// enough to be left for the time after the work.
func (r *Run) checkListed() error {
	r.makeKeys()
	slices.Sort(r.listed)
	if want := slices.Sorted(slices.Values(r.keys)); !slices.Equal(r.listed, want) {
		return fmt.Errorf("the %d keys listed are not the %d of the bucket", len(r.listed), len(want))
	}
	return nil
}

func kvWatch(ctx context.Context, r *Run) error {
	stop, err := r.watchAll(ctx)
	if err != nil {
		return err
	}
	r.done = r.n
	return stop()
}

// watchAll starts a watch and checks its initial values.
func (r *Run) watchAll(ctx context.Context) (stop func() error, err error) {
	var wrong error
	var want []byte
	seen := 0
	stop, err = r.kv.watch(ctx, func(key string, value []byte) {
		if wrong == nil {
			want = appendKey(want[:0], seen)
			if wrong = checkPayload(value, seen, r.payloadSize()); key != string(want) {
				wrong = fmt.Errorf("key %q came instead of %q", key, want)
			}
		}
		seen++
	})
	if err != nil {
		return nil, err
	}
	if wrong == nil && seen != r.n {
		wrong = fmt.Errorf("%d values came instead of %d", seen, r.n)
	}
	if wrong != nil {
		return nil, errors.Join(wrong, stop())
	}
	return stop, nil
}

func kvKeysCalls(ctx context.Context, r *Run) error {
	return r.each(func(int) error {
		var err error
		if r.listed, err = r.kv.keys(ctx); err != nil {
			return err
		}
		r.done++
		return r.checkListed()
	})
}

func kvWatchCalls(ctx context.Context, r *Run) error {
	return r.each(func(int) error {
		stop, err := r.watchAll(ctx)
		if err != nil {
			return err
		}
		r.done++
		return stop()
	})
}

func createBuckets(_ context.Context, r *Run) error {
	return r.each(func(i int) error {
		name := fmt.Sprintf("%s-%d", r.name, i)
		r.atEnd(func() error { return r.api("STREAM.DELETE."+bucketPrefix+name, nil, nil) })
		r.done++
		return r.client.createBucket(context.Background(), name)
	})
}
