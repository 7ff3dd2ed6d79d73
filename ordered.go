package jetstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

const (
	// orderedRequestTimeout bounds each request that creates a consumer of the
	// server.
	orderedRequestTimeout = 10 * time.Second

	// orderedFirstTimeout bounds the first attempt to make a consumer, if there
	// may be more; the bound doubles from one to the next. While a cluster elects
	// leaders, requests are lost.
	orderedFirstTimeout = 2 * time.Second

	// Pauses between attempts to create a consumer; the first one is immediate.
	orderedRetryMin = time.Second
	orderedRetryMax = 10 * time.Second

	// orderedFreeTries is how many consumers may come to nothing in a row before
	// the next one has to wait.
	orderedFreeTries = 3

	// orderedSkip is the range of serial numbers left out at random after a gap.
	orderedSkip = 1000
)

// orderedMode is what an ordered consumer is used for; the first use decides.
type orderedMode uint8

const (
	orderedUnused orderedMode = iota
	orderedConsuming
	orderedFetching
)

// orderedConsumer implements [Consumer] on top of a series of consumers of the
// server, each of which takes up where the last one ended. One of them exists at
// any time, from the first, which is made with the ordered consumer, on.
//
// One consuming or one fetch runs at a time and has the cursor while it does.
//
// Lock order: pullSubscription.mu or fetchInbox.mu, orderedConsumer.mu.
type orderedConsumer struct {
	js     *jetStream
	stream string
	cfg    OrderedConsumerConfig
	prefix string

	// current is the handle of the consumer of the server that is in use.
	current atomic.Pointer[pullConsumer]

	mu sync.Mutex

	mode   orderedMode
	busy   bool
	cursor orderedCursor
	// fresh: the current consumer stands right behind the cursor and owes
	// nothing, so it can be used as it is.
	fresh bool
	// recovering is closed when the consumer that is being made exists or was
	// given up; nil when none is.
	recovering chan struct{}
}

var _ Consumer = (*orderedConsumer)(nil)

func (js *jetStream) OrderedConsumer(ctx context.Context, stream string, cfg OrderedConsumerConfig) (Consumer, error) {
	if err := validateStreamName(stream); err != nil {
		return nil, err
	}
	oc, err := js.newOrderedConsumer(ctx, stream, cfg)
	if err != nil {
		return nil, err
	}
	return oc, nil
}

func (s *stream) OrderedConsumer(ctx context.Context, cfg OrderedConsumerConfig) (Consumer, error) {
	return s.js.OrderedConsumer(ctx, s.name, cfg)
}

func (js *jetStream) newOrderedConsumer(ctx context.Context, stream string, cfg OrderedConsumerConfig) (*orderedConsumer, error) {
	oc := &orderedConsumer{js: js, stream: stream, cfg: cloneOrderedConfig(cfg), prefix: cfg.NamePrefix, fresh: true}
	if oc.prefix == "" {
		oc.prefix = nuid.Next()
	}
	oc.cursor.renew(0)
	info, err := js.putConsumer(ctx, stream, oc.cursor.config(&oc.cfg, oc.prefix), actionCreateOrUpdate)
	if err != nil {
		return nil, err
	}
	oc.cursor.drop(cfg.DeliverPolicy, info)
	oc.current.Store(newPullConsumer(js, stream, info))
	return oc, nil
}

// Info asks for the consumer of the server in use. While a new one is being
// made, it waits for that as long as the context allows.
func (oc *orderedConsumer) Info(ctx context.Context) (*ConsumerInfo, error) {
	ctx, cancel, err := oc.js.withDefaultTimeout(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	oc.mu.Lock()
	recovering := oc.recovering
	oc.mu.Unlock()
	if recovering != nil {
		select {
		case <-recovering:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	current := oc.current.Load()
	if current == nil {
		return nil, ErrOrderedConsumerNotCreated
	}
	return current.Info(ctx)
}

func (oc *orderedConsumer) CachedInfo() *ConsumerInfo {
	if current := oc.current.Load(); current != nil {
		return current.CachedInfo()
	}
	return nil
}

// acquire claims the ordered consumer for one consuming or one fetch.
func (oc *orderedConsumer) acquire(mode orderedMode) error {
	oc.mu.Lock()
	defer oc.mu.Unlock()
	switch {
	case oc.mode == orderedFetching && mode == orderedConsuming:
		return ErrOrderConsumerUsedAsFetch
	case oc.mode == orderedConsuming && mode == orderedFetching:
		return ErrOrderConsumerUsedAsConsume
	case oc.busy:
		return ErrOrderedConsumerConcurrentRequests
	}
	oc.mode, oc.busy = mode, true
	return nil
}

// yield ends a claim. cursor is where the next one starts, and fresh whether the
// current consumer stands there.
func (oc *orderedConsumer) yield(cursor orderedCursor, fresh bool) {
	oc.mu.Lock()
	oc.busy = false
	oc.cursor, oc.fresh = cursor, fresh
	oc.mu.Unlock()
}

// beginRecovery marks that a new consumer is being made. The caller hands what
// it returns to endRecovery.
func (oc *orderedConsumer) beginRecovery() chan struct{} {
	recovering := make(chan struct{})
	oc.mu.Lock()
	oc.recovering = recovering
	oc.mu.Unlock()
	return recovering
}

// endRecovery releases those who wait for the new consumer. The next recovery
// may have begun by now, because the new consumer has failed at once.
func (oc *orderedConsumer) endRecovery(recovering chan struct{}) {
	oc.mu.Lock()
	if oc.recovering == recovering {
		oc.recovering = nil
	}
	oc.mu.Unlock()
	close(recovering)
}

// discard asks for the deletion of a consumer of the server, without waiting for
// an answer and, since it has no reply subject, without getting one. If it does
// not come about, the server deletes the consumer after the inactivity threshold.
func (oc *orderedConsumer) discard(name string) {
	_ = oc.js.conn.Publish(oc.js.prefix+"CONSUMER.DELETE."+oc.stream+"."+name, nil)
}

// attemptGate lets attempts to create a consumer through and limits each.
type attemptGate interface {
	// enter waits until an attempt makes sense and returns its context.
	enter(ctx context.Context) (context.Context, context.CancelFunc, error)

	// pause waits before the next attempt.
	pause(ctx context.Context, d time.Duration) error

	// aborted reports whether the last attempt was cut off and does not count.
	aborted() bool
}

// recreate makes the next consumer of the server behind the cursor and moves the
// cursor to it. The first attempt is immediate, the pauses between further ones
// double. It ends when ctx does, when the attempts allowed are used up, or when
// the stream turns out to be gone.
func (oc *orderedConsumer) recreate(ctx context.Context, cursor *orderedCursor, skip uint64, gate attemptGate) (*pullConsumer, error) {
	var last error
	pause := orderedRetryMin
	timeout := orderedRequestTimeout
	if oc.cfg.MaxResetAttempts <= 0 {
		timeout = orderedFirstTimeout
	}
	for attempts := 0; ; {
		attempt, cancel, err := gate.enter(ctx)
		if err != nil {
			return nil, firstError(last, err)
		}
		cursor.renew(skip)
		skip = 0
		bounded, release := context.WithTimeout(attempt, timeout)
		info, err := oc.create(ctx, bounded, func() { release(); cancel() }, cursor.config(&oc.cfg, oc.prefix))
		timeout = min(2*timeout, orderedRequestTimeout)
		if err == nil {
			return newPullConsumer(oc.js, oc.stream, info), nil
		}
		if ctx.Err() != nil {
			return nil, firstError(last, ctx.Err())
		}
		if gate.aborted() {
			continue
		}
		attempts++
		gone := errors.Is(err, ErrStreamNotFound) && errors.Is(last, ErrStreamNotFound)
		if gone || attempts == oc.cfg.MaxResetAttempts {
			return nil, err
		}
		last = err
		if err := gate.pause(ctx, pause); err != nil {
			return nil, firstError(last, err)
		}
		pause = min(2*pause, orderedRetryMax)
	}
}

// create makes a consumer of the server and waits for it as long as ctx allows.
// The request itself has a context of its own: the server handles requests in
// parallel, so that of deleting a consumer nobody waits for any more can only be
// sent once the consumer is known to exist, or can no longer come to be.
func (oc *orderedConsumer) create(ctx, attempt context.Context, cancel context.CancelFunc, cfg *ConsumerConfig) (*ConsumerInfo, error) {
	type outcome struct {
		info *ConsumerInfo
		err  error
	}
	made := make(chan outcome)
	// Ends with the attempt at the latest.
	go func() {
		defer cancel()
		info, err := oc.js.putConsumer(attempt, oc.stream, cfg, actionCreateOrUpdate)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			oc.discard(cfg.Name)
		}
		select {
		case made <- outcome{info, err}:
		case <-ctx.Done():
			if err == nil {
				oc.discard(cfg.Name)
			}
		}
	}()
	select {
	case o := <-made:
		return o.info, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// orderedRun keeps a running Consume or Messages of an ordered consumer in
// order. It looks at each message before the user gets it, and replaces the
// consumer of the server when one is missing, when the consumer has gone or may
// have, and after each reconnect. The subscription stays the same throughout, so
// messages come on one goroutine and the user's options keep their effect.
//
// While a new consumer is being made, nothing is requested, and what arrives is
// of the old one and dropped.
type orderedRun struct {
	oc  *orderedConsumer
	sub *pullSubscription

	// reply is that of the message at hand, taken apart. It belongs to whoever
	// delivers: the subscription's goroutine of a Consume, and the caller of Next
	// that has the mutex of sub.
	reply ackReply

	// The following are guarded by the mutex of sub.

	cursor     orderedCursor
	name       string // of the consumer of the server in use
	behind     bool   // the last message said that more is left for it to deliver
	recovering bool
	fruitless  int                // replacements in a row without a sign of life
	cutOff     bool               // the connection broke during an attempt
	abort      context.CancelFunc // ends the attempt that is running

	// replacing counts the goroutines of replace. None is started after the
	// subscription has ended.
	replacing sync.WaitGroup

	// up has a token when the connection has come up.
	up chan struct{}

	// restarted is told about each new consumer before it delivers, and whether
	// that starts over with the deliver policy. It reports false when the consumer
	// cannot be used because it should not have. It may be nil.
	restarted func(info *ConsumerInfo, repeated bool) bool
}

var _ attemptGate = (*orderedRun)(nil)

// startOrdered makes a subscription an ordered one. It is called before the
// subscription starts.
func (oc *orderedConsumer) startOrdered(sub *pullSubscription) *orderedRun {
	oc.mu.Lock()
	defer oc.mu.Unlock()
	run := &orderedRun{
		oc:     oc,
		sub:    sub,
		cursor: oc.cursor,
		name:   oc.current.Load().name,
		up:     make(chan struct{}, 1),
	}
	sub.order = run
	return run
}

// end gives the ordered consumer back, once nothing is under way that could
// still change it. The subscription has ended, which cuts attempts short.
func (r *orderedRun) end() {
	r.replacing.Wait()
	r.sub.mu.Lock()
	cursor := r.cursor
	r.sub.mu.Unlock()
	r.oc.yield(cursor, false)
}

// admit reports whether a message is the next one for the user, and takes note
// of it. Called with the lock held.
func (r *orderedRun) admit(reply *ackReply) bool {
	if r.recovering || reply.token(ackConsumer) != r.name {
		return false
	}
	seq := reply.consumerSequence()
	if !r.cursor.accepts(seq) {
		r.recover(true)
		return false
	}
	stream := reply.streamSequence()
	if stream > r.cursor.stream {
		// A consumer that begins with old messages, only to be replaced, is no
		// better than one that delivers nothing.
		r.fruitless = 0
	}
	r.cursor.advance(stream, seq)
	r.behind = reply.number(ackPending) > 0
	return true
}

// more reports whether the consumer had more to deliver when it sent the last
// message. Called with the lock held.
func (r *orderedRun) more() bool { return r.behind }

// judge turns what follows from a status for consumers in general into what
// follows for an ordered one. Called with the lock held.
func (r *orderedRun) judge(v verdict) verdict {
	switch {
	case errors.Is(v.fatal, ErrConsumerDeleted):
		r.recover(false)
		return verdict{report: v.fatal}
	case errors.Is(v.report, nats.ErrNoResponders):
		r.recover(false)
	}
	return v
}

// disconnected ends an attempt in flight, whose answer is lost. Called with the
// lock held.
func (r *orderedRun) disconnected() {
	if r.abort != nil {
		r.cutOff = true
		r.abort()
	}
}

// reconnected replaces the consumer, or hastens that. Called with the lock held.
func (r *orderedRun) reconnected() {
	r.fruitless = 0
	if !r.recovering {
		r.recover(false)
		return
	}
	select {
	case r.up <- struct{}{}:
	default:
	}
}

// recover starts to replace the consumer of the server, unless that is under way
// or the subscription has ended. Called with the lock held.
func (r *orderedRun) recover(gap bool) {
	if r.recovering || r.sub.ended {
		return
	}
	r.recovering = true
	r.sub.engine.pause()
	recovering := r.oc.beginRecovery()
	select {
	case <-r.up: // of an earlier time
	default:
	}
	var skip uint64
	if gap && r.oc.cfg.NamePrefix != "" {
		// Maybe another client uses the same prefix and we have been sharing
		// its consumer. Then we should not meet again.
		skip = rand.Uint64N(orderedSkip)
	}
	var delay time.Duration
	if r.fruitless >= orderedFreeTries {
		delay = min(retryBackoffMin<<min(r.fruitless, 10), retryBackoffMax)
	}
	r.fruitless++
	ctx := r.sub.background()
	// Ends with the subscription at the latest.
	r.replacing.Go(func() {
		defer r.oc.endRecovery(recovering)
		r.replace(ctx, delay, skip)
	})
}

// replace makes a new consumer of the server and lets the subscription use it.
func (r *orderedRun) replace(ctx context.Context, delay time.Duration, skip uint64) {
	r.sub.mu.Lock()
	old, cursor := r.name, r.cursor
	r.sub.mu.Unlock()
	if delay > 0 && r.pause(ctx, delay) != nil {
		return
	}
	for {
		r.oc.discard(old)
		consumer, err := r.oc.recreate(ctx, &cursor, skip, r)
		if err != nil {
			r.giveUp(cursor)
			if ctx.Err() == nil {
				r.sub.owner.fail(err)
			}
			return
		}
		if r.restarted != nil && !r.restarted(consumer.CachedInfo(), cursor.repeat) {
			// It starts over, which is not wanted any more.
			cursor.repeat = false
			old = consumer.name
			continue
		}
		if r.adopt(consumer, cursor) {
			// The first request goes out before the consumer can be seen.
			r.sub.owner.wake()
			r.publish(consumer)
			return
		}
		old = consumer.name
		if ctx.Err() != nil {
			r.oc.discard(old)
			r.giveUp(cursor)
			return
		}
	}
}

// giveUp notes the serial numbers that were used in vain: their deletion is on
// its way and must not hit a later consumer.
func (r *orderedRun) giveUp(cursor orderedCursor) {
	r.sub.mu.Lock()
	r.cursor.serial = cursor.serial
	r.sub.mu.Unlock()
}

// publish makes a consumer the current one for all to see, unless it has been
// replaced in the meantime.
func (r *orderedRun) publish(consumer *pullConsumer) {
	r.sub.mu.Lock()
	defer r.sub.mu.Unlock()
	if r.name == consumer.name {
		r.oc.current.Store(consumer)
	}
}

// adopt lets the subscription use a new consumer. It reports false when that is
// of no use, because the subscription has ended or the connection broke.
func (r *orderedRun) adopt(consumer *pullConsumer, cursor orderedCursor) bool {
	r.sub.mu.Lock()
	defer r.sub.mu.Unlock()
	r.abort = nil
	if r.sub.ended || r.cutOff {
		return false
	}
	r.recovering = false
	cursor.repeat = r.cursor.repeat
	r.name, r.cursor = consumer.name, cursor
	r.sub.subject = consumer.nextSubject
	r.sub.engine.restart(r.sub.owner.inHand(), time.Now())
	return true
}

// enter implements [attemptGate]: attempts are made while connected.
func (r *orderedRun) enter(ctx context.Context) (context.Context, context.CancelFunc, error) {
	for {
		r.sub.mu.Lock()
		if r.sub.engine.connected {
			attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), orderedRequestTimeout)
			r.abort, r.cutOff = cancel, false
			r.sub.mu.Unlock()
			return attempt, cancel, nil
		}
		r.sub.mu.Unlock()
		select {
		case <-r.up:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// pause implements [attemptGate]: a new connection is worth a try at once.
func (r *orderedRun) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.up:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// aborted implements [attemptGate].
func (r *orderedRun) aborted() bool {
	r.sub.mu.Lock()
	defer r.sub.mu.Unlock()
	return r.cutOff
}

func (oc *orderedConsumer) Consume(handler MessageHandler, opts ...PullConsumeOpt) (ConsumeContext, error) {
	if handler == nil {
		return nil, ErrHandlerRequired
	}
	o, err := parseConsumeOpts(opts, true)
	if err != nil {
		return nil, err
	}
	current := oc.current.Load()
	if err := current.checkConsumable(o.group); err != nil {
		return nil, err
	}
	if err := oc.acquire(orderedConsuming); err != nil {
		return nil, err
	}
	cc := newConsumeContext(current, handler, &o)
	run := oc.startOrdered(&cc.pullSubscription)
	cc.onEnd = run.onEnd()
	if err := cc.start(&o, cc.deliver, cc.subscriptionClosed); err != nil {
		run.end()
		return nil, err
	}
	run.begin()
	return cc, nil
}

func (oc *orderedConsumer) Messages(opts ...PullMessagesOpt) (MessagesContext, error) {
	o, err := parseMessagesOpts(opts, true)
	if err != nil {
		return nil, err
	}
	current := oc.current.Load()
	if err := current.checkConsumable(o.group); err != nil {
		return nil, err
	}
	if err := oc.acquire(orderedConsuming); err != nil {
		return nil, err
	}
	it := newPullIterator(current, &o)
	run := oc.startOrdered(&it.pullSubscription)
	it.onEnd = run.onEnd()
	if err := it.start(&o, it.deliver, it.subscriptionClosed); err != nil {
		run.end()
		return nil, err
	}
	run.begin()
	return it, nil
}

// onEnd returns what is to be done once when core has let go of the
// subscription.
func (r *orderedRun) onEnd() func() { return sync.OnceFunc(r.end) }

// begin sends the first request, or makes a new consumer first if the current
// one does not stand where the cursor is.
func (r *orderedRun) begin() {
	r.oc.mu.Lock()
	fresh := r.oc.fresh
	r.oc.mu.Unlock()
	if !fresh {
		r.sub.mu.Lock()
		r.recover(false)
		r.sub.mu.Unlock()
		return
	}
	r.sub.owner.wake()
}
