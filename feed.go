package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

const (
	// feedNoBytes is more than messages can have, for requests that are not to be
	// limited by bytes.
	feedNoBytes = 1 << 30

	// Where a request is answered once, so many are in flight while there is much
	// to come, and each waits so long.
	feedSinglePulls   = 32
	feedSingleExpires = 10 * time.Second

	// feedInactivity is how long a consumer is left on the server whose deletion
	// got lost. A feed that is read has a request waiting. One that nobody reads
	// for longer gets another consumer later.
	feedInactivity = 10 * time.Second
)

// feedConfig says what a feed delivers and to whom. The functions are called one
// at a time and may block, as long as they end when the feed is stopped.
type feedConfig struct {
	// consumer is the configuration of the ordered consumer behind the feed.
	consumer OrderedConsumerConfig

	// repeat: until settle is called, a consumer that takes the place of a lost
	// one starts with the deliver policy again and not behind the last message.
	// Messages come again then; their stream sequence tells.
	repeat bool

	// maxBytes makes bytes the measure of what is requested or buffered; zero
	// leaves the default number of messages. It grows for a message that does not
	// fit.
	maxBytes int

	// startMsgs makes messages, so many, the measure until steady is called. A
	// consumer that delivers the last message of each subject needs that: such a
	// message that does not fit the bytes of a request is skipped by the server
	// (2.15), and is never delivered. While they are consumed faster than the link
	// delivers them, it grows to grownMsgs.
	startMsgs, grownMsgs int

	// deliver is called with each message, in order. The reply is that of the
	// message, split, and is good until deliver returns.
	deliver func(m *nats.Msg, reply *ackReply)

	// restarted is called when another consumer has taken the place of a lost
	// one, before it delivers anything, with the consumer's state at its
	// creation. It may be nil.
	restarted func(info *ConsumerInfo)

	// ended is called once, after the last call of the others, with the reason:
	// nil after stop, [ErrConnectionClosed], [ErrStreamNotFound] or what else the
	// feed could not go on after.
	ended func(err error)
}

// feed delivers the messages of a stream in strict order to functions of this
// package. It is an ordered consumer with a Consume that is made for one purpose
// and goes with it; key-value watchers and object reads are built on it.
type feed struct {
	oc  *orderedConsumer
	run *orderedRun
	cc  *consumeContext

	// turn is held by whoever calls the functions of the configuration: the
	// subscription's goroutine, or the one that replaces a consumer.
	turn sync.Mutex

	over bool // ended was called; guarded by turn

	// The following are guarded by the mutex of cc.

	settled bool       // settle was called
	byBytes bool       // steady was called
	window  pullConfig // of the engine from then on

	// gone is closed when the feed stops, to release a function that blocks.
	gone <-chan struct{}
}

// openFeed makes the consumer on the server, within the limits of ctx, and
// begins to deliver. The info is the state of the consumer at its creation: its
// NumPending is how many messages are there to begin with. prepare is called
// with it before anything is delivered.
func (js *jetStream) openFeed(ctx context.Context, stream string, cfg feedConfig, prepare func(*feed, *ConsumerInfo)) (*feed, error) {
	if cfg.consumer.NamePrefix == "" {
		cfg.consumer.NamePrefix = nuid.Next()
	}
	cfg.consumer.InactiveThreshold = feedInactivity
	oc, err := js.newOrderedConsumer(ctx, stream, cfg.consumer)
	if err != nil {
		return nil, err
	}
	f, err := oc.startFeed(cfg, prepare)
	if err != nil {
		oc.discard(oc.current.Load().name)
		return nil, err
	}
	return f, nil
}

func (oc *orderedConsumer) startFeed(cfg feedConfig, prepare func(*feed, *ConsumerInfo)) (*feed, error) {
	// With the usual threshold, half of the window, a fast reader over a long link
	// would get little more than half of it per round trip.
	opts := consumeOpts{ordered: true, maxBytes: cfg.maxBytes, thresholdBytes: cfg.maxBytes / 4 * 3}
	// An API that is imported from another account may answer a request just
	// once, as services do unless exported otherwise. Then every message needs a
	// request of its own, and a heartbeat would take the message's place.
	single := oc.js.opts.APIPrefix != "" && oc.js.prefix != DefaultAPIPrefix
	if single {
		opts.maxBytes, opts.thresholdBytes = 0, 0
		opts.heartbeat, opts.expires = feedSingleExpires, 2*feedSingleExpires
	}
	if err := opts.resolve(); err != nil {
		return nil, err
	}
	if err := oc.acquire(orderedConsuming); err != nil {
		return nil, err
	}
	f := &feed{oc: oc}
	current := oc.current.Load()
	cc := newConsumeContext(current, nil, &opts)
	cc.raw = func(m *nats.Msg, reply *ackReply) {
		f.turn.Lock()
		defer f.turn.Unlock()
		cfg.deliver(m, reply)
	}
	run := oc.startOrdered(&cc.pullSubscription)
	run.cursor.repeat = cfg.repeat
	if cfg.restarted != nil {
		run.restarted = func(info *ConsumerInfo, repeated bool) bool {
			f.turn.Lock()
			defer f.turn.Unlock()
			// The message that settled the feed may have been in delivery while
			// the consumer was made.
			if repeated && !f.repeats() {
				return false
			}
			if !f.over {
				cfg.restarted(info)
			}
			return true
		}
	}
	f.run, f.cc = run, cc
	cc.onEnd = sync.OnceFunc(func() {
		run.end()
		oc.discard(oc.current.Load().name)
		// A replacement under way may still be at it.
		f.turn.Lock()
		defer f.turn.Unlock()
		f.over = true
		cfg.ended(cc.cause())
	})
	cc.mu.Lock()
	f.gone = cc.background().Done()
	cc.mu.Unlock()
	prepare(f, current.CachedInfo())
	if err := cc.start(&opts, cc.deliver, cc.subscriptionClosed); err != nil {
		run.end()
		return nil, err
	}
	f.tune(&cfg, single)
	run.begin()
	return f, nil
}

// tune adapts what the engine requests, to begin with and for later.
func (f *feed) tune(cfg *feedConfig, single bool) {
	f.cc.mu.Lock()
	defer f.cc.mu.Unlock()
	pulls := &f.cc.engine.cfg
	pulls.ownBudget = true
	if single {
		pulls.limitBatch = 1
		pulls.heartbeat, pulls.expires = 0, feedSingleExpires
	}
	f.window = *pulls
	if single && !f.settled {
		pulls.clampedPulls = feedSinglePulls
	}
	if cfg.startMsgs > 0 && !f.byBytes {
		pulls.byteWindow, pulls.maxBytes, pulls.leastBytes = false, feedNoBytes, feedNoBytes
		pulls.maxMessages, pulls.thresholdMessages = cfg.startMsgs, threshold(0, cfg.startMsgs)
		if !single {
			pulls.topUp, pulls.growTo = true, cfg.grownMsgs
		}
	}
}

// settle ends the repetition that feedConfig.repeat asks for. From then on,
// messages are expected now and then.
func (f *feed) settle() {
	f.cc.mu.Lock()
	f.run.cursor.repeat = false
	f.settled = true
	f.cc.engine.cfg.clampedPulls = 0
	f.cc.mu.Unlock()
}

// steady ends the measure by messages that feedConfig.startMsgs asks for.
func (f *feed) steady() {
	f.cc.mu.Lock()
	defer f.cc.mu.Unlock()
	if !f.byBytes && f.window.maxBytes > 0 {
		clamped := f.cc.engine.cfg.clampedPulls
		f.cc.engine.cfg = f.window
		f.cc.engine.cfg.clampedPulls = clamped
	}
	f.byBytes = true
}

func (f *feed) repeats() bool {
	f.cc.mu.Lock()
	defer f.cc.mu.Unlock()
	return f.run.cursor.repeat
}

// context returns a context that ends with the feed.
func (f *feed) context() context.Context {
	f.cc.mu.Lock()
	defer f.cc.mu.Unlock()
	return f.cc.background()
}

// stalled asks the server whether the consumer has delivered nothing beyond the
// message with the given consumer sequence, and how many are pending. It reports
// false if the answer is no or none, or if the consumer is being replaced.
func (f *feed) stalled(consumerSeq uint64) (stalled bool, pending uint64) {
	f.cc.mu.Lock()
	name, recovering := f.run.name, f.run.recovering
	f.cc.mu.Unlock()
	if recovering {
		return false, 0
	}
	info, err := f.oc.js.consumerInfo(f.context(), f.oc.stream, name)
	if err != nil {
		return false, 0
	}
	return info.Delivered.Consumer == consumerSeq, info.NumPending
}

// restart replaces the consumer.
func (f *feed) restart() {
	f.cc.mu.Lock()
	f.run.recover(false)
	f.cc.mu.Unlock()
}

// stop ends the feed without waiting for anything. Stopping it again does
// nothing.
func (f *feed) stop() { f.cc.Stop() }
