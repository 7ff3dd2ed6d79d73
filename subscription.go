package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// heartbeatChecks is how often per heartbeat interval it is looked whether one
// is overdue. The looks make a timer per message unnecessary.
const heartbeatChecks = 4

// heartbeatClock tells when a server that promised a sign of life per interval
// has been silent for twice as long.
//
// A look that comes late counts as one that is a little late. If this process was
// stopped or starved for a while, timers fire first when it goes on, and what the
// server has sent meanwhile is not read yet: the time until then is no silence of
// the server.
type heartbeatClock struct {
	interval time.Duration
	lastLook time.Time
	silence  time.Duration // of the server, up to the last look
}

// start begins to count anew.
func (c *heartbeatClock) start(now time.Time) { c.lastLook, c.silence = now, 0 }

// overdue reports whether a heartbeat is missing, and then starts over. active
// says that there was a sign of life since the last look, or that the silence is
// none of the server's.
func (c *heartbeatClock) overdue(active bool, now time.Time) bool {
	c.silence += min(now.Sub(c.lastLook), c.interval*2/heartbeatChecks)
	c.lastLook = now
	if active {
		c.silence = 0
		return false
	}
	if c.silence < 2*c.interval {
		return false
	}
	c.silence = 0
	return true
}

// coreSubscription is a core subscription with what consuming needs around it:
// a timer, the state of the connection and a context for work in the
// background. It owns no goroutine; core runs one for the subscription.
type coreSubscription struct {
	conn *nats.Conn
	sub  *nats.Subscription

	mu    sync.Mutex
	timer *time.Timer
	// active: something has arrived since the last look at the heartbeat.
	active bool
	// connSeen: a connection event has been acted on, which is newer than what
	// was found when the subscription started.
	connSeen bool
	// probing: it is being looked up whether the consumer is still there.
	probing bool
	// ended: stopped, draining or closed; the timer does not run any more.
	ended bool
	// work is what runs in the background, see background.
	work *backgroundWork
}

// backgroundWork is the context of a subscription's work in the background.
type backgroundWork struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// pendingLimits is how much of what has arrived core may keep for a subscription,
// in messages and bytes; the zero value leaves that to core. It protects the
// memory: beyond, messages are dropped, which core reports to the error handler of
// the connection.
type pendingLimits struct{ msgs, bytes int }

// noPendingLimits is for what can only arrive because it was asked for, as
// dropping would only lose it until it is redelivered.
var noPendingLimits = pendingLimits{-1, -1}

// open subscribes. deliver is called on one goroutine with all that arrives,
// onClosed at least once after the last call, for whatever reason.
func (s *coreSubscription) open(subject, queue string, limits pendingLimits, deliver nats.MsgHandler, onClosed func(string)) error {
	sub, err := s.conn.QueueSubscribe(subject, queue, deliver)
	if err == nil && limits != (pendingLimits{}) {
		err = sub.SetPendingLimits(limits.msgs, limits.bytes)
	}
	if err != nil {
		return err
	}
	sub.SetClosedHandler(onClosed)
	s.mu.Lock()
	s.sub = sub
	ended := s.ended
	s.mu.Unlock()
	if ended {
		// The end came before there was anything to leave.
		_ = sub.Unsubscribe()
	}
	if !sub.IsValid() {
		// Closed in between, maybe before the handler was in place.
		onClosed("")
	}
	return nil
}

// watch registers l for connection events and passes the current state of the
// connection to init, with the lock held, unless an event came first.
func (s *coreSubscription) watch(l connListener, init func(up bool)) {
	up := watchConn(s.conn, l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.connSeen {
		init(up)
	}
}

// startTimer makes tick run after d, and then whenever the timer is reset.
func (s *coreSubscription) startTimer(d time.Duration, tick func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.timer = time.AfterFunc(d, tick)
	}
}

// background returns a context that ends with the subscription. Called with the
// lock held.
func (s *coreSubscription) background() context.Context {
	if s.work == nil {
		ctx, cancel := context.WithCancel(context.Background())
		s.work = &backgroundWork{ctx, cancel}
		if s.ended {
			cancel()
		}
	}
	return s.work.ctx
}

// quiesce ends timer and background work, and reports whether they had not
// ended before. Called with the lock held.
func (s *coreSubscription) quiesce() bool {
	if s.ended {
		return false
	}
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.work != nil {
		s.work.cancel()
	}
	return true
}

// leave drops the interest in messages, at once or once all that has arrived is
// delivered. Core fails to do so only when the connection is closed; the
// subscription's goroutine then ends as well and calls the closed handler.
//
// While disconnected nothing more can arrive, and core would spend ten seconds on
// trying to tell the server. If nothing is queued either, there is nothing to
// drain.
func (s *coreSubscription) leave(drain bool) {
	s.mu.Lock()
	sub := s.sub
	s.mu.Unlock()
	if sub != nil && drain && !s.conn.IsConnected() {
		queued, _, err := sub.Pending()
		drain = err == nil && queued > 0
	}
	switch {
	case sub == nil: // open sees to it
	case drain:
		_ = sub.Drain()
	default:
		_ = sub.Unsubscribe()
	}
}

// ConsumeContext controls a running Consume. Its methods may be called from
// anywhere, the message handler and the error handler included, any number of
// times.
type ConsumeContext interface {
	// Stop ends consuming: no handler call starts any more; one that is running
	// completes. Messages that are buffered stay unacknowledged and are delivered
	// again by the server after the consumer's AckWait.
	Stop()

	// Drain ends consuming once all messages that have arrived are handled.
	Drain()

	// Closed returns a channel that is closed when consuming has ended and the
	// last call of the message handler has returned. Waiting for it inside a
	// handler blocks for ever.
	Closed() <-chan struct{}
}

// consumeRun implements [ConsumeContext] for pull and push consumers alike: it
// takes a subscription whose messages go to a handler through its end.
type consumeRun struct {
	core     *coreSubscription
	listener connListener // as registered for connection events
	errs     errQueue
	onEnd    func() // called when core has let go of the subscription

	// The following are guarded by the mutex of core.

	stopped bool          // no further call of the handler may start
	lost    bool          // the end of the connection was reported
	over    bool          // consuming has ended and no call of a handler runs
	done    chan struct{} // closed when it is over; made when somebody asks for it
	reason  error         // why consuming ended, nil if that was wanted
}

var _ ConsumeContext = (*consumeRun)(nil)

func (r *consumeRun) Stop()  { r.end(false, nil) }
func (r *consumeRun) Drain() { r.end(true, nil) }

func (r *consumeRun) Closed() <-chan struct{} {
	r.core.mu.Lock()
	defer r.core.mu.Unlock()
	if r.done == nil {
		r.done = make(chan struct{})
		if r.over {
			close(r.done)
		}
	}
	return r.done
}

// finish makes Closed close; further calls do nothing.
func (r *consumeRun) finish() {
	r.core.mu.Lock()
	defer r.core.mu.Unlock()
	if r.over {
		return
	}
	r.over = true
	if r.done != nil {
		close(r.done)
	}
}

// fail ends consuming because of err, which is reported unless it has ended
// already.
func (r *consumeRun) fail(err error) { r.end(false, err) }

// report passes an error on to the error handler, unless consuming has been stopped
// or has failed: the reason for that is the last error to be heard of.
func (r *consumeRun) report(err error) {
	r.core.mu.Lock()
	defer r.core.mu.Unlock()
	if !r.stopped {
		r.errs.report(err)
	}
}

// cause returns why consuming ended, or nil if it was stopped or drained.
func (r *consumeRun) cause() error {
	r.core.mu.Lock()
	defer r.core.mu.Unlock()
	return r.reason
}

// end stops requests and then either stops or drains the subscription. Only the
// first call has an effect. Its error, if any, is reported before Closed can
// close.
func (r *consumeRun) end(drain bool, err error) {
	r.core.mu.Lock()
	if !r.core.quiesce() {
		r.core.mu.Unlock()
		return
	}
	r.stopped, r.reason = !drain, err
	if err != nil {
		r.errs.report(err)
	}
	r.core.mu.Unlock()
	unwatchConn(r.core.conn, r.listener)
	r.core.leave(drain)
}

// abandon undoes what was begun before a subscription that failed, in silence.
func (r *consumeRun) abandon() {
	r.core.mu.Lock()
	r.core.quiesce()
	r.core.mu.Unlock()
	unwatchConn(r.core.conn, r.listener)
}

// closed is called when the connection is closed for good.
func (r *consumeRun) closed() {
	unwatchConn(r.core.conn, r.listener)
	r.core.mu.Lock()
	defer r.core.mu.Unlock()
	if r.lost || (r.core.ended && r.stopped) {
		return
	}
	r.lost = true
	if r.core.quiesce() || r.reason == nil {
		r.reason = ErrConnectionClosed
	}
	r.stopped = true
	r.errs.report(ErrConnectionClosed)
}

// subscriptionClosed is called by core on the subscription's goroutine after the
// last callback: after Stop, when drained, and when the connection was closed
// or drained. A connection that was drained is about to be closed, so its events
// are still watched.
func (r *consumeRun) subscriptionClosed(string) {
	r.core.mu.Lock()
	foreign := r.core.quiesce()
	r.core.mu.Unlock()
	if foreign && r.core.conn.IsClosed() {
		r.closed()
	}
	r.onEnd()
	r.errs.whenIdle(r.finish)
}
