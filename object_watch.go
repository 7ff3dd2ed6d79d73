package jetstream

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// objectsBuffered is how many descriptions the channel of a watch holds.
	objectsBuffered = 32

	// objectWatchWindow is how many bytes of descriptions a watch requests or
	// buffers in addition.
	objectWatchWindow = 4 << 20

	// objectsAtOnce is how many of the descriptions that are there at the
	// beginning of a watch are requested at a time.
	objectsAtOnce = 256
)

// ObjectWatcher is a running watch of an object store, see [ObjectStore.Watch].
type ObjectWatcher interface {
	// Updates returns the channel on which descriptions arrive, the same each
	// time. After those of the objects that are there at the beginning it delivers
	// nil once, unless [UpdatesOnly] was given. It is closed when the watch has
	// ended; what is buffered can still be read.
	Updates() <-chan *ObjectInfo

	// Stop ends the watch. It does not wait for anything, whether the channel is
	// read or not. On a watch that has ended, it returns exactly
	// nats.ErrBadSubscription, or nats.ErrConnectionClosed if the connection is
	// closed.
	Stop() error
}

// objectWatcher implements [ObjectWatcher].
type objectWatcher struct {
	entries *entryFeed
	updates chan *ObjectInfo
}

var (
	_ ObjectWatcher = (*objectWatcher)(nil)
	_ entrySink     = (*objectWatcher)(nil)
)

func (o *objectStore) Watch(ctx context.Context, opts ...WatchOpt) (ObjectWatcher, error) {
	options, err := collectWatchOpts(opts)
	if err != nil {
		return nil, err
	}
	w := &objectWatcher{updates: make(chan *ObjectInfo, objectsBuffered)}
	w.entries = o.descriptions(options, w)
	if err := w.entries.start(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// descriptions returns a feed of the descriptions of objects.
func (o *objectStore) descriptions(opts watchOpts, sink entrySink) *entryFeed {
	return &entryFeed{
		stream: o.stream,
		consumer: OrderedConsumerConfig{
			FilterSubjects: []string{o.metas + ">"},
			DeliverPolicy:  opts.deliverPolicy(),
		},
		window:    objectWatchWindow,
		startMsgs: objectsAtOnce,
		grownMsgs: grownWindow,
		opts:      opts,
		sink:      sink,
		// There is one message for each object.
		first: initialEntries{trusted: true},
	}
}

// deliveredInfo returns the description that a delivered message holds, or nil if
// it is none that is wanted.
func deliveredInfo(m *nats.Msg, reply *ackReply, ignoreDeletes bool) *ObjectInfo {
	info, err := parseObjectInfo(m.Data)
	if err != nil || (info.Deleted && ignoreDeletes) {
		return nil
	}
	info.ModTime = time.Unix(0, int64(reply.number(ackTimestamp))) //nolint:gosec // a date within the range
	return info
}

func (w *objectWatcher) Updates() <-chan *ObjectInfo { return w.updates }

func (w *objectWatcher) Stop() error { return w.entries.stop() }

func (w *objectWatcher) entry(m *nats.Msg, reply *ackReply, _ KeyValueOp) {
	if info := deliveredInfo(m, reply, w.entries.opts.ignoreDeletes); info != nil {
		handOver(w.entries, w.updates, info)
	}
}

func (w *objectWatcher) initial() { handOver(w.entries, w.updates, nil) }

func (w *objectWatcher) ended() { close(w.updates) }

func (o *objectStore) List(ctx context.Context, opts ...ListObjectsOpt) ([]*ObjectInfo, error) {
	options, err := collectObjectOpts[listObjectOpts](opts)
	if err != nil {
		return nil, err
	}
	var (
		infos   []*ObjectInfo
		arrived atomic.Uint64
	)
	c := &collector{done: make(chan struct{})}
	c.each = func(m *nats.Msg, reply *ackReply, _ KeyValueOp) {
		arrived.Add(1)
		if info := deliveredInfo(m, reply, !options.showDeleted); info != nil {
			infos = append(infos, info)
		}
	}
	f := o.descriptions(watchOpts{}, c)
	f.first.exact = true
	if err := f.start(ctx); err != nil {
		return nil, err
	}
	o.awaitProgress(ctx, c.done, &arrived, func() { f.finish(context.DeadlineExceeded) })
	f.finish(nil)
	switch {
	case !c.complete:
		return nil, f.cause()
	case len(infos) == 0:
		return nil, ErrNoObjectsFound
	default:
		return infos, nil
	}
}

// awaitProgress waits until done is closed. If ctx has no deadline and the number
// that has arrived does not change for the default timeout, it calls giveUp, which
// must lead to that.
func (o *objectStore) awaitProgress(ctx context.Context, done <-chan struct{}, arrived *atomic.Uint64, giveUp func()) {
	if _, ok := ctx.Deadline(); ok {
		<-done
		return
	}
	tick := time.NewTicker(o.js.opts.DefaultTimeout)
	defer tick.Stop()
	for before := uint64(0); ; {
		select {
		case <-done:
			return
		case <-tick.C:
			now := arrived.Load()
			if now == before {
				giveUp()
				<-done
				return
			}
			before = now
		}
	}
}
