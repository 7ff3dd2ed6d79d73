package jetstream

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// kvWindow is how many bytes of entries a watch requests or buffers.
	kvWindow = 4 << 20

	// kvBuffered is how many entries the channel of a watch holds in addition.
	kvBuffered = 256

	// The initial entries requested or buffered begin with as many as have that
	// size together, within these numbers. They grow to the last one while it is
	// the link that holds things up, see [pullGrowth].
	kvStartBytes = 8 << 20
	kvStartMin   = 64
	kvStartMax   = 32 << 10
	kvStartGrown = 64 << 10
)

// KeyWatcher is a running watch of a bucket, see [KeyValue.Watch].
type KeyWatcher interface {
	// Updates returns the channel on which entries arrive, the same each time.
	// After the initial entries it delivers nil once, unless [UpdatesOnly] was
	// given. It is closed when the watch has ended; what is buffered can still
	// be read.
	Updates() <-chan KeyValueEntry

	// Stop ends the watch. It does not wait for anything, whether the channel is
	// read or not. On a watch that has ended, it returns exactly
	// nats.ErrBadSubscription, or nats.ErrConnectionClosed if the connection is
	// closed.
	Stop() error
}

// entries returns a feed of the entries that match one of the filters, which are
// valid, or of all without any.
func (k *keyValue) entries(filters []string, opts watchOpts, sink entrySink) *entryFeed {
	return &entryFeed{
		stream:    k.stream,
		consumer:  k.watchConsumer(filters, &opts),
		window:    kvWindow,
		startMsgs: k.startMsgs(opts.metaOnly),
		grownMsgs: kvStartGrown,
		opts:      opts,
		sink:      sink,
		first:     initialEntries{trusted: k.single()},
	}
}

// startMsgs returns how many of the initial entries to request at a time: as many
// as are of the size of a window if they are average, as far as that is known.
func (k *keyValue) startMsgs(metaOnly bool) int {
	average, known := k.averageSize()
	switch {
	case metaOnly:
		return kvStartMax
	case !known:
		return DefaultMaxMessages
	default:
		return int(min(max(kvStartBytes/average, kvStartMin), kvStartMax))
	}
}

// watchConsumer returns the configuration of the ordered consumer of a watch.
func (k *keyValue) watchConsumer(filters []string, o *watchOpts) OrderedConsumerConfig {
	cfg := OrderedConsumerConfig{HeadersOnly: o.metaOnly}
	for _, filter := range filters {
		cfg.FilterSubjects = append(cfg.FilterSubjects, k.prefixes.read+filter)
	}
	if len(filters) == 0 {
		cfg.FilterSubjects = []string{k.prefixes.read + AllKeys}
	}
	if o.resumeFrom > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq = DeliverByStartSequencePolicy, o.resumeFrom
	} else {
		cfg.DeliverPolicy = o.deliverPolicy()
	}
	return cfg
}

// keyWatcher implements [KeyWatcher].
type keyWatcher struct {
	kv      *keyValue
	entries *entryFeed
	updates chan KeyValueEntry
	slab    slab[kvEntry] // guarded by the turn of the feed
}

var (
	_ KeyWatcher = (*keyWatcher)(nil)
	_ entrySink  = (*keyWatcher)(nil)
)

func (k *keyValue) Watch(ctx context.Context, keys string, opts ...WatchOpt) (KeyWatcher, error) {
	return k.WatchFiltered(ctx, []string{keys}, opts...)
}

func (k *keyValue) WatchAll(ctx context.Context, opts ...WatchOpt) (KeyWatcher, error) {
	return k.WatchFiltered(ctx, nil, opts...)
}

func (k *keyValue) WatchFiltered(ctx context.Context, keys []string, opts ...WatchOpt) (KeyWatcher, error) {
	if err := validFilters(keys); err != nil {
		return nil, err
	}
	o, err := collectWatchOpts(opts)
	if err != nil {
		return nil, err
	}
	w := &keyWatcher{kv: k, updates: make(chan KeyValueEntry, kvBuffered)}
	w.entries = k.entries(keys, o, w)
	if err := w.entries.start(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

func validFilters(filters []string) error {
	for _, filter := range filters {
		if !validFilter(filter) {
			return errInvalidFilter
		}
	}
	return nil
}

func (w *keyWatcher) Updates() <-chan KeyValueEntry { return w.updates }

func (w *keyWatcher) Stop() error { return w.entries.stop() }

func (w *keyWatcher) entry(m *nats.Msg, reply *ackReply, op KeyValueOp) {
	e := w.slab.next(len(m.Data))
	w.kv.fill(e, m, reply, op)
	handOver[KeyValueEntry](w.entries, w.updates, e)
}

func (w *keyWatcher) initial() { handOver(w.entries, w.updates, nil) }

func (w *keyWatcher) ended() { close(w.updates) }

// fill makes e the entry that a delivered message is.
func (k *keyValue) fill(e *kvEntry, m *nats.Msg, reply *ackReply, op KeyValueOp) {
	// Not all at once, which the garbage collector takes for a copy of pointers.
	e.kv, e.key, e.value = k, k.key(m.Subject), m.Data
	e.revision, e.delta = reply.streamSequence(), reply.number(ackPending)
	e.created = time.Unix(0, int64(reply.number(ackTimestamp)))
	e.op = op
}
