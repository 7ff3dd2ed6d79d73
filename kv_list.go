package jetstream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// defaultMarkerAge is the age from which the markers of deleted keys go.
	defaultMarkerAge = 30 * time.Minute

	// smallEntry is the stored size, in bytes, up to which an entry is small.
	smallEntry = 256

	// maxKeysExpected is for how many keys room is made because the server says
	// that so many are to come.
	maxKeysExpected = 1 << 18

	// maxPurges is how many purges of keys are in flight at once.
	maxPurges = 32
)

// KeyLister is a running listing of keys, see [KeyValue.ListKeys].
type KeyLister interface {
	// Keys returns the channel on which the keys arrive. It is closed at the end
	// of the listing, complete or not.
	Keys() <-chan string

	// Stop ends the listing. It does not wait for anything, whether the channel
	// is read or not. On a listing that has ended it returns
	// nats.ErrBadSubscription: exactly that if the listing is complete or was
	// stopped, and otherwise wrapped with what cut it short. If the connection is
	// closed, it returns nats.ErrConnectionClosed.
	Stop() error
}

// collect calls each with the initial entries of a watch, and returns when it was
// called with all of them or with an error. See [initialEntries] for exact.
func (k *keyValue) collect(ctx context.Context, filters []string, opts watchOpts, exact bool, each func(m *nats.Msg, reply *ackReply, op KeyValueOp)) error {
	c := &collector{each: each, done: make(chan struct{})}
	f := k.entries(filters, opts, c)
	f.first.exact = exact
	if err := f.start(ctx); err != nil {
		return err
	}
	<-c.done
	f.finish(nil)
	if c.complete {
		return nil
	}
	return f.cause()
}

// collectOpts returns the options of a watch whose initial entries are collected:
// those of the user.
func collectOpts(opts []WatchOpt) (watchOpts, error) {
	o, err := collectWatchOpts(opts)
	if err != nil {
		return o, err
	}
	if o.updatesOnly {
		return o, invalidOption("updates only cannot be used where updates are not waited for")
	}
	return o, nil
}

// keysOnly returns o for a watch of which only the keys are of interest. Values
// are left out, unless most are so small that they cost less than the header that
// the server puts in their place.
func (k *keyValue) keysOnly(o watchOpts) watchOpts {
	average, known := k.averageSize()
	o.ignoreDeletes, o.metaOnly = true, !known || average > smallEntry
	return o
}

func (k *keyValue) Keys(ctx context.Context, opts ...WatchOpt) ([]string, error) {
	o, err := collectOpts(opts)
	if err != nil {
		return nil, err
	}
	var keys []string
	err = k.collect(ctx, nil, k.keysOnly(o), true, func(m *nats.Msg, reply *ackReply, _ KeyValueOp) {
		if keys == nil {
			keys = make([]string, 0, 1+min(reply.number(ackPending), maxKeysExpected))
		}
		keys = append(keys, k.key(m.Subject))
	})
	switch {
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return nil, ErrNoKeysFound
	}
	// A key that was written meanwhile may have come twice.
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

func (k *keyValue) History(ctx context.Context, key string, opts ...WatchOpt) ([]KeyValueEntry, error) {
	if !validFilter(key) {
		return nil, errInvalidFilter
	}
	o, err := collectOpts(opts)
	if err != nil {
		return nil, err
	}
	o.includeHistory = true
	var (
		entries []KeyValueEntry
		made    slab[kvEntry]
	)
	err = k.collect(ctx, []string{key}, o, false, func(m *nats.Msg, reply *ackReply, op KeyValueOp) {
		e := made.next(len(m.Data))
		k.fill(e, m, reply, op)
		entries = append(entries, e)
	})
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, ErrKeyNotFound
	}
	return entries, nil
}

// keyLister implements [KeyLister].
type keyLister struct {
	kv       *keyValue
	entries  *entryFeed
	keys     chan string
	complete atomic.Bool
}

var (
	_ KeyLister = (*keyLister)(nil)
	_ entrySink = (*keyLister)(nil)
)

func (k *keyValue) ListKeys(ctx context.Context, opts ...WatchOpt) (KeyLister, error) {
	o, err := collectOpts(opts)
	if err != nil {
		return nil, err
	}
	return k.listKeys(ctx, nil, k.keysOnly(o))
}

func (k *keyValue) ListKeysFiltered(ctx context.Context, filters ...string) (KeyLister, error) {
	if err := validFilters(filters); err != nil {
		return nil, err
	}
	return k.listKeys(ctx, filters, k.keysOnly(watchOpts{}))
}

func (k *keyValue) listKeys(ctx context.Context, filters []string, o watchOpts) (KeyLister, error) {
	l := &keyLister{kv: k, keys: make(chan string, kvBuffered)}
	l.entries = k.entries(filters, o, l)
	l.entries.first.exact = true
	if err := l.entries.start(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *keyLister) Keys() <-chan string { return l.keys }

func (l *keyLister) Stop() error {
	err := l.entries.stop()
	if err != nats.ErrBadSubscription || l.complete.Load() {
		return err
	}
	if cause := l.entries.cause(); cause != nil {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

func (l *keyLister) entry(m *nats.Msg, _ *ackReply, _ KeyValueOp) {
	if !l.complete.Load() {
		handOver(l.entries, l.keys, l.kv.key(m.Subject))
	}
}

func (l *keyLister) initial() {
	l.complete.Store(true)
	l.entries.finish(nil)
}

func (l *keyLister) ended() { close(l.keys) }

// deletedKey is a key that ends in a marker.
type deletedKey struct {
	key    string
	marker uint64 // revision
	keep   bool   // the marker stays
}

func (k *keyValue) PurgeDeletes(ctx context.Context, opts ...KVPurgeOpt) error {
	var o kvPurge
	for _, opt := range opts {
		if opt != nil {
			opt.applyPurge(&o)
		}
	}
	if o.olderThan == 0 {
		o.olderThan = defaultMarkerAge
	}
	oldest := time.Now().Add(-o.olderThan).UnixNano()
	alone := k.single()

	var keys []deletedKey
	err := k.collect(ctx, nil, watchOpts{metaOnly: true}, false, func(m *nats.Msg, reply *ackReply, op KeyValueOp) {
		if op == KeyValuePut {
			return
		}
		keep := o.olderThan > 0 && int64(reply.number(ackTimestamp)) > oldest
		if keep && (alone || op == KeyValuePurge) {
			return // there is nothing but the marker
		}
		keys = append(keys, deletedKey{key: k.key(m.Subject), marker: reply.streamSequence(), keep: keep})
	})
	if err != nil {
		return err
	}
	return eachInParallel(ctx, maxPurges, keys, k.purgeDeleted)
}

// purgeDeleted removes a deleted key up to its marker, and nothing that came
// after.
func (k *keyValue) purgeDeleted(ctx context.Context, d deletedKey) error {
	end := d.marker + 1
	if d.keep {
		end = d.marker
	}
	if end < 2 {
		// Nothing is before the first message, but the server takes this end
		// for none at all.
		return nil
	}
	return k.stream.purge(ctx, &StreamPurgeRequest{Subject: k.prefixes.read + d.key, Sequence: end})
}

// eachInParallel calls do with each of the items, at most limit at a time. The
// first error ends it, is returned, and cancels the context of the others.
func eachInParallel[T any](ctx context.Context, limit int, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg    sync.WaitGroup
		next  atomic.Int64
		once  sync.Once
		first error
	)
	for range min(limit, len(items)) {
		// Ends with the items or the first error, and is waited for below.
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(items) {
					return
				}
				if err := do(ctx, items[i]); err != nil {
					once.Do(func() { first = err })
					cancel()
				}
			}
		})
	}
	wg.Wait()
	if first == nil && int(next.Load()) < len(items) {
		return ctx.Err()
	}
	return first
}
