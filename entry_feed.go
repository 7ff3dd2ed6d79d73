package jetstream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// While initial entries are outstanding and nothing comes, the server is asked
// after this time whether there is still something to come, and again with growing
// pauses.
const (
	minLookPause = 500 * time.Millisecond
	maxLookPause = 4 * time.Second
)

// entrySink gets what an entry feed delivers. Its methods are called one at a
// time. They may block until the feed is gone.
type entrySink interface {
	// entry is called for each entry. The reply is good until it returns.
	entry(m *nats.Msg, reply *ackReply, op KeyValueOp)

	// initial is called once the initial entries are complete, unless only
	// updates are wanted.
	initial()

	// ended is called once and last. The feed knows the cause by then.
	ended()
}

// entryFeed delivers messages of a bucket to a sink: those that are there when it
// begins, and those that come. It ends with its context at the latest.
type entryFeed struct {
	stream   *stream
	consumer OrderedConsumerConfig
	window   int // bytes to request or buffer
	// startMsgs is how many of the initial entries to request at a time where
	// bytes cannot be the measure, and grownMsgs how far that may grow, see
	// [feedConfig].
	startMsgs, grownMsgs int

	opts watchOpts
	sink entrySink
	feed *feed // set before anything is delivered

	// ctxErr is the Err of the context.
	ctxErr func() error

	// The following are guarded by the turn of the feed.

	first initialEntries
	at    feedPosition

	// The following are those of look, which does not overlap itself.

	looked feedPosition // at the last look
	pause  time.Duration

	mu sync.Mutex

	open    bool // the feed runs and can be stopped
	stopped bool
	reason  error       // why it was stopped or has ended
	release func() bool // lets go of the context
	looking *time.Timer
}

// feedPosition tells whether a feed has moved.
type feedPosition struct {
	restarts    uint64
	consumerSeq uint64 // of the last message
}

// start makes f deliver.
func (f *entryFeed) start(ctx context.Context) error {
	if ctx == nil {
		return nats.ErrInvalidContext
	}
	f.ctxErr, f.pause = ctx.Err, minLookPause
	f.first.complete = f.opts.updatesOnly
	cfg := feedConfig{
		consumer:  f.consumer,
		maxBytes:  max(f.window, 2*int(f.stream.js.conn.MaxPayload())),
		deliver:   f.deliver,
		restarted: f.restarted,
		ended:     f.ended,
	}
	if cfg.consumer.DeliverPolicy == DeliverLastPerSubjectPolicy {
		cfg.repeat, cfg.startMsgs, cfg.grownMsgs = true, f.startMsgs, f.grownMsgs
	} else {
		f.first.trusted = true
	}
	var before chan uint64
	if f.first.exact && f.first.trusted {
		// Goes along with the request for the consumer. Ends with the answer.
		before = make(chan uint64, 1)
		go func() {
			var last uint64
			if info, err := f.stream.js.streamInfo(ctx, f.stream.name); err == nil {
				last = info.State.LastSeq
			}
			before <- last
		}()
	}
	outstanding := false
	_, err := f.stream.js.openFeed(ctx, f.stream.name, cfg, func(feed *feed, info *ConsumerInfo) {
		f.feed = feed
		if before != nil && info.NumPending > 0 {
			f.first.before = <-before
		}
		if f.first.restart(info.NumPending) {
			f.settle()
			f.feed.steady()
		}
		outstanding = !f.first.complete
	})
	if err != nil {
		return watchError(err)
	}
	f.mu.Lock()
	f.open = true
	stopped := f.stopped
	if !stopped {
		f.release = context.AfterFunc(ctx, func() { f.finish(ctx.Err()) })
		if outstanding {
			f.looking = time.AfterFunc(f.pause, f.look)
		}
	}
	f.mu.Unlock()
	if stopped {
		f.feed.stop()
	}
	return nil
}

// watchError makes an error of creating a watch match the sentinels of core, too,
// which the reference returns.
func watchError(err error) error {
	switch {
	case err == ErrStreamNotFound:
		return newSharedError(ErrStreamNotFound, nats.ErrStreamNotFound)
	case errors.Is(err, nats.ErrNoResponders):
		return newSharedError(ErrJetStreamNotEnabled, nats.ErrJetStreamNotEnabled, nats.ErrNoResponders)
	default:
		return err
	}
}

func (f *entryFeed) deliver(m *nats.Msg, reply *ackReply) {
	f.at.consumerSeq = reply.consumerSequence()
	step := f.first.take(reply.streamSequence(), reply.number(ackPending))
	if step.fresh {
		if op := kvOperation(m.Header); op == KeyValuePut || !f.opts.ignoreDeletes {
			f.sink.entry(m, reply, op)
		}
	}
	if step.enough {
		f.feed.steady()
	}
	if step.last {
		f.settle()
	}
	if step.ask {
		// Ends with its requests, and with the feed at the latest.
		go f.ask(f.at.restarts, f.first.seen)
	}
}

// ask asks the stream for what comes behind a message, until the answer leaves
// nothing to ask for the moment.
func (f *entryFeed) ask(restarts, seen uint64) {
	for again := true; again; {
		next, known := f.next(f.feed.context(), seen)
		again, seen = f.answered(restarts, next, known)
	}
}

// next returns the sequence of the next message behind the given one that the
// feed selects, zero if there is none.
func (f *entryFeed) next(ctx context.Context, seq uint64) (next uint64, known bool) {
	for _, filter := range f.consumer.FilterSubjects {
		msg, err := f.stream.GetMsg(ctx, seq+1, WithGetMsgSubject(filter))
		switch {
		case errors.Is(err, ErrMsgNotFound):
		case err != nil:
			return 0, false
		case next == 0 || msg.Sequence < next:
			next = msg.Sequence
		}
	}
	return next, true
}

func (f *entryFeed) answered(restarts, next uint64, known bool) (again bool, seen uint64) {
	f.feed.turn.Lock()
	defer f.feed.turn.Unlock()
	if f.feed.over || f.at.restarts != restarts {
		return false, 0
	}
	last, again := f.first.answer(next, known)
	if last {
		f.settle()
	}
	return again, f.first.seen
}

func (f *entryFeed) restarted(info *ConsumerInfo) {
	f.at = feedPosition{restarts: f.at.restarts + 1}
	if f.first.restart(info.NumPending) {
		f.settle()
	}
	if f.first.left == 0 {
		f.feed.steady()
	}
}

// settle is called in turn when the initial entries are complete.
func (f *entryFeed) settle() {
	f.mu.Lock()
	if f.looking != nil {
		f.looking.Stop()
	}
	f.mu.Unlock()
	f.feed.settle()
	f.sink.initial()
}

// look is run by a timer while initial entries are outstanding. If nothing has
// come since the last look, those may have vanished. The server can tell.
//
// Where it picks the last message of each subject, it (2.15) also stops at one
// that has vanished, until something else happens to the stream, and its numbers
// are not to be trusted. Then the next consumer begins with new ones.
func (f *entryFeed) look() {
	at, idle, complete := f.where()
	switch {
	case complete:
		return
	case idle && at != f.looked:
		f.looked, f.pause = at, minLookPause
	case idle && f.settledAt(at):
		return
	default:
		f.pause = min(2*f.pause, maxLookPause)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stopped {
		f.looking.Reset(f.pause)
	}
}

// settledAt reports whether the initial entries are complete, after a time in
// which nothing came.
func (f *entryFeed) settledAt(at feedPosition) bool {
	stalled, pending := f.feed.stalled(at.consumerSeq)
	switch {
	case !stalled:
		return false
	case !f.first.trusted:
		f.feed.restart()
		return false
	default:
		return pending == 0 && f.concede(at)
	}
}

// where returns where the feed is and whether the initial entries are complete.
// It is not idle if it is just delivering, maybe to a sink that blocks.
func (f *entryFeed) where() (at feedPosition, idle, complete bool) {
	if !f.feed.turn.TryLock() {
		return feedPosition{}, false, false
	}
	defer f.feed.turn.Unlock()
	return f.at, true, f.first.complete
}

// concede declares the initial entries complete if the feed is still where it
// was, and reports whether they are complete.
func (f *entryFeed) concede(at feedPosition) bool {
	if !f.feed.turn.TryLock() {
		return false
	}
	defer f.feed.turn.Unlock()
	if !f.first.complete && !f.feed.over && f.at == at {
		f.first.complete = true
		f.settle()
	}
	return f.first.complete
}

// finish stops the feed for a reason, nil if that is wanted. It reports whether the
// feed had neither ended nor been stopped before.
func (f *entryFeed) finish(reason error) bool {
	f.mu.Lock()
	if f.stopped {
		f.mu.Unlock()
		return false
	}
	f.stopped, f.reason = true, reason
	open := f.open
	f.quiesce()
	f.mu.Unlock()
	if open {
		f.feed.stop()
	}
	return true
}

// quiesce lets go of context and timer. Called with the lock held.
func (f *entryFeed) quiesce() {
	if f.release != nil {
		f.release()
	}
	if f.looking != nil {
		f.looking.Stop()
	}
}

func (f *entryFeed) ended(cause error) {
	f.mu.Lock()
	if !f.stopped {
		switch {
		case cause == nil:
			// Nobody stopped it, so the connection is being drained.
			cause = nats.ErrConnectionDraining
		case errors.Is(cause, ErrConnectionClosed):
			cause = newSharedError(nats.ErrConnectionClosed, ErrConnectionClosed)
		}
		f.stopped, f.reason = true, cause
		f.quiesce()
	}
	f.mu.Unlock()
	f.sink.ended()
}

// cause returns why the feed was stopped or has ended, nil if that was wanted.
func (f *entryFeed) cause() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reason
}

// stop is Stop of watchers and listers.
func (f *entryFeed) stop() error {
	reason := f.ctxErr()
	first := f.finish(reason)
	switch {
	case f.stream.js.conn.IsClosed():
		return nats.ErrConnectionClosed
	case !first || reason != nil:
		return nats.ErrBadSubscription
	default:
		return nil
	}
}

// handOver is for sinks whose entries go to a channel. It blocks until there is
// room, or the feed is gone.
func handOver[T any](f *entryFeed, to chan<- T, entry T) {
	select {
	case to <- entry: // far cheaper than with a second case
		return
	default:
	}
	select {
	case to <- entry:
	case <-f.feed.gone:
	}
}

// collector is an [entrySink] that hands initial entries to a function, which
// must not block.
type collector struct {
	each     func(m *nats.Msg, reply *ackReply, op KeyValueOp)
	complete bool
	// done is closed when the entries are complete or the feed has ended; then
	// complete does not change any more.
	done chan struct{}
}

var _ entrySink = (*collector)(nil)

func (c *collector) entry(m *nats.Msg, reply *ackReply, op KeyValueOp) {
	if !c.complete {
		c.each(m, reply, op)
	}
}

func (c *collector) initial() {
	c.complete = true
	close(c.done)
}

func (c *collector) ended() {
	if !c.complete {
		close(c.done)
	}
}
