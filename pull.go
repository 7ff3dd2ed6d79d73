package jetstream

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Consumer reads messages of a stream through a consumer of the server. It is
// made by the methods of [JetStream] and [Stream] and is safe for concurrent
// use: any number of its methods may run at once, the server then splits the
// messages among them.
//
// Choose [Consumer.Consume] to have a function called with each message,
// [Consumer.Messages] to ask for them one by one, both with requests running
// ahead in the background, and [Consumer.Fetch] or [Consumer.Next] to ask for a
// few messages now and then.
type Consumer interface {
	// Fetch asks for up to batch messages and returns at once. The messages
	// come through the returned [MessageBatch] as they arrive, until there are
	// as many as asked for, the waiting time is over (30 seconds, or
	// [FetchMaxWait]), or the server ends the request. That fewer messages came
	// in time is no error.
	//
	// A batch below 1 is refused with [nats.ErrInvalidArg], an invalid option
	// with [ErrInvalidOption]. While the connection is down, the request is sent
	// as soon as it is up again, if that is within the waiting time.
	//
	// Requests of 10 seconds and more carry a heartbeat of 5 seconds, so that a
	// request lost on the way ends with [ErrNoHeartbeat].
	Fetch(batch int, opts ...FetchOpt) (MessageBatch, error)

	// FetchBytes is Fetch with a limit on the total size of the messages instead
	// of their number; the size includes subject, reply subject and headers. A
	// message that exceeds what is left of the limit ends the batch and stays
	// with the server. Zero means no limit; less is refused with
	// [nats.ErrInvalidArg].
	FetchBytes(maxBytes int, opts ...FetchOpt) (MessageBatch, error)

	// FetchNoWait is Fetch of what is there right now: it ends as soon as the
	// server has nothing more to deliver.
	FetchNoWait(batch int) (MessageBatch, error)

	// Consume calls handler with each message until it is stopped. Calls do not
	// overlap and are in the order of delivery. It keeps up to
	// [DefaultMaxMessages] messages requested or buffered, see
	// [PullMaxMessages] and [PullMaxBytes], and asks for more when half of them
	// are handled.
	//
	// It goes on after reconnects, missing heartbeats, changes of the consumer's
	// leader and restarts of the server; see [ConsumeErrHandler] for what it
	// reports and which errors end it. A nil handler is refused with
	// [ErrHandlerRequired], an invalid option with [ErrInvalidOption].
	Consume(handler MessageHandler, opts ...PullConsumeOpt) (ConsumeContext, error)

	// Messages returns an iterator over the messages. It buffers as Consume does
	// and asks the server for messages only while [MessagesContext.Next] is
	// called.
	Messages(opts ...PullMessagesOpt) (MessagesContext, error)

	// Next fetches one message and waits for it: 30 seconds, or as long as
	// [FetchMaxWait] or [FetchContext] say. It returns [nats.ErrTimeout] when
	// there is none. For a series of messages, Messages is faster.
	Next(opts ...FetchOpt) (Msg, error)

	// Info asks the server for the state of the consumer, and returns
	// [ErrConsumerNotFound] when it no longer exists. The result is also what
	// CachedInfo returns from then on.
	Info(context.Context) (*ConsumerInfo, error)

	// CachedInfo returns the state of the consumer as of the last call of Info
	// on this handle, or of its creation, without asking the server.
	CachedInfo() *ConsumerInfo
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

// pullSubscription is what Consume and Messages have in common: a core
// subscription to an inbox, a pull engine that decides what to request, and the
// timer and connection events that drive it. It owns no goroutine.
//
// Each pull request gets a reply subject of its own below the inbox. Messages
// of the stream arrive under their stream subject, but a status arrives under
// the reply subject of its request, which tells which one it is about.
type pullSubscription struct {
	owner    pullOwner
	consumer *pullConsumer
	conn     *nats.Conn
	subject  string // of pull requests
	inbox    string // with a final dot
	sub      *nats.Subscription

	mu     sync.Mutex
	engine pullEngine
	timer  *time.Timer
	// active: something has arrived since the last look at the heartbeat.
	active bool
	// connSeen: a connection event has set engine.connected.
	connSeen bool
	// ended: no more requests, because stopped, draining or closed.
	ended       bool
	cancelProbe context.CancelFunc
}

// pullOwner is the half of a pull subscription that differs between Consume
// and Messages.
type pullOwner interface {
	// buffered returns what has arrived and was not consumed, and false when it
	// cannot be told at this instant. Called with the lock held.
	buffered() (msgs, bytes int, ok bool)

	// busy reports whether silence of the server would be of our own making.
	// Called with the lock held.
	busy() bool

	// missed is told about a missing heartbeat.
	missed()

	// wake is told that there may be a request to send.
	wake()

	// fail ends the subscription because of err.
	fail(err error)

	// closed is told that the connection is closed for good.
	closed()
}

// start subscribes and begins to follow the connection.
func (s *pullSubscription) start(opts *consumeOpts, deliver nats.MsgHandler, onClosed func(string)) error {
	js := s.consumer.js
	s.conn = js.conn
	s.subject = js.prefix + "CONSUMER.MSG.NEXT." + s.consumer.stream + "." + s.consumer.name
	s.inbox = s.conn.NewInbox() + "."
	s.engine.cfg = newPullConfig(opts, s.consumer.CachedInfo(), s.conn.MaxPayload())
	s.engine.pinID = s.consumer.pins.take(opts.group)

	sub, err := s.conn.Subscribe(s.inbox+"*", deliver)
	if err == nil {
		// The engine bounds what can arrive; core dropping messages would only
		// lose them until they are redelivered.
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		s.consumer.pins.give(opts.group, s.engine.pinID)
		return err
	}
	s.mu.Lock()
	s.sub = sub
	s.timer = time.AfterFunc(s.engine.cfg.heartbeat/heartbeatChecks, s.tick)
	s.mu.Unlock()
	sub.SetClosedHandler(onClosed)
	if !sub.IsValid() {
		// Closed in between, maybe before the handler was in place.
		onClosed("")
	}

	up := watchConn(s.conn, s)
	now := time.Now()
	s.mu.Lock()
	if !s.connSeen {
		s.engine.connected = up
	}
	s.engine.lastSeen = now
	s.mu.Unlock()
	return nil
}

// connChanged implements [connListener].
func (s *pullSubscription) connChanged(ev connEvent) {
	switch ev {
	case connDown:
		s.mu.Lock()
		s.connSeen = true
		s.engine.disconnected()
		s.mu.Unlock()
	case connUp:
		if s.reconnected() {
			s.owner.wake()
		}
	case connClosed:
		s.mu.Lock()
		s.connSeen = true
		s.engine.disconnected()
		s.mu.Unlock()
		s.owner.closed()
	}
}

// reconnected starts the engine over with what is buffered, and reports whether
// it still runs.
func (s *pullSubscription) reconnected() bool {
	for {
		s.mu.Lock()
		s.connSeen = true
		if s.ended {
			s.mu.Unlock()
			return false
		}
		msgs, bytes, ok := s.owner.buffered()
		if ok {
			s.engine.reconnected(msgs, bytes, time.Now())
			s.mu.Unlock()
			return true
		}
		s.mu.Unlock()
		runtime.Gosched()
	}
}

// tick is run by the timer: several times per heartbeat interval, and when a
// postponed request is due.
func (s *pullSubscription) tick() {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	now := time.Now()
	missed := s.engine.missedHeartbeat(s.active || s.owner.busy(), now)
	s.active = false
	var probe context.Context
	if missed && s.engine.doubtful() && s.cancelProbe == nil {
		probe, s.cancelProbe = context.WithTimeout(context.Background(), s.consumer.js.opts.DefaultTimeout)
	}
	due := s.engine.due() && !s.engine.retryAt.After(now)
	s.timer.Reset(s.engine.wait(now))
	s.mu.Unlock()

	if missed {
		s.owner.missed()
	}
	if due {
		s.owner.wake()
	}
	if probe != nil {
		s.probe(probe)
	}
}

// probe looks the consumer up after a long silence. It runs on the timer's
// goroutine and ends with the subscription at the latest. Only a clear answer
// has a consequence.
func (s *pullSubscription) probe(ctx context.Context) {
	err := s.consumer.exists(ctx)
	s.mu.Lock()
	s.cancelProbe()
	s.cancelProbe = nil
	s.mu.Unlock()
	if errors.Is(err, ErrConsumerNotFound) || errors.Is(err, ErrStreamNotFound) {
		s.owner.fail(err)
	}
}

// pump sends all requests that are due.
func (s *pullSubscription) pump() error {
	for {
		s.mu.Lock()
		if s.ended {
			s.mu.Unlock()
			return nil
		}
		now := time.Now()
		id, req, ok := s.engine.refill(now)
		s.mu.Unlock()
		if !ok {
			return nil
		}
		if err := s.send(id, &req); err != nil {
			return err
		}
	}
}

// send publishes a request whose credit has been taken.
func (s *pullSubscription) send(id uint64, req *pullRequest) error {
	body := req.appendBody(make([]byte, 0, 160))
	err := s.conn.PublishRequest(s.subject, s.inbox+strconv.FormatUint(id, 10), body)
	if err == nil {
		return nil
	}
	now := time.Now()
	s.mu.Lock()
	s.engine.unsent(id, now)
	s.rearm(now)
	s.mu.Unlock()
	if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrConnectionDraining) {
		// The end of the connection is reported as such.
		return nil
	}
	return err
}

// settle feeds a status to the engine and returns what follows from it. size is
// the size of the message that carried it. Called with the lock held.
func (s *pullSubscription) settle(id uint64, status pullStatus, size int) verdict {
	now := time.Now()
	s.engine.control(size)
	verdict := s.engine.ended(id, status, now)
	if !errors.Is(status.err, nats.ErrNoResponders) {
		// That nobody answers is not a sign of life.
		s.active = true
	}
	s.rearm(now)
	return verdict
}

// rearm makes sure that the timer runs when the engine needs it to. Called with
// the lock held.
func (s *pullSubscription) rearm(now time.Time) {
	if !s.ended && s.engine.retryAt.After(now) {
		s.timer.Reset(s.engine.wait(now))
	}
}

// pullID returns the number of the request whose reply subject is given, and 0
// for any other subject.
func (s *pullSubscription) pullID(subject string) uint64 {
	token, ok := strings.CutPrefix(subject, s.inbox)
	if !ok {
		return 0
	}
	id, err := strconv.ParseUint(token, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// pinned notes the pin id a message carries. Called with the lock held.
func (s *pullSubscription) pinned(m *nats.Msg) {
	if s.engine.cfg.group == "" || m.Header == nil {
		return
	}
	if id := m.Header[pinIDHeader]; len(id) > 0 && id[0] != "" {
		s.engine.pinID = id[0]
	}
}

// quiesce ends requests and the timer, and reports whether they had not ended
// before. Called with the lock held.
func (s *pullSubscription) quiesce() bool {
	if s.ended {
		return false
	}
	s.ended = true
	s.timer.Stop()
	if s.cancelProbe != nil {
		s.cancelProbe()
	}
	return true
}

// leave drops the interest in messages, at once or once all that has arrived
// is delivered. Core fails to do so only when the connection is closed; the
// subscription's goroutine then ends as well and calls the closed handler.
func (s *pullSubscription) leave(drain bool) {
	if drain {
		_ = s.sub.Drain()
		return
	}
	_ = s.sub.Unsubscribe()
}

// release gives back what the subscription holds of the consumer and the
// connection once core has let go of it.
func (s *pullSubscription) release() {
	s.mu.Lock()
	group, pinID := s.engine.cfg.group, s.engine.pinID
	s.engine.pinID = ""
	s.mu.Unlock()
	s.consumer.pins.give(group, pinID)
}

// consumeContext is a running Consume. Messages are handled on the goroutine of
// the core subscription, whose queue is the buffer.
type consumeContext struct {
	pullSubscription
	handler MessageHandler
	errs    errQueue

	// The following are guarded by pullSubscription.mu.

	handling bool // a call of handler is running
	stopped  bool // no further call of handler may start
	finished uint64
	lost     bool // the end of the connection was reported

	done     chan struct{}
	doneOnce sync.Once
}

var (
	_ ConsumeContext = (*consumeContext)(nil)
	_ pullOwner      = (*consumeContext)(nil)
	_ connListener   = (*consumeContext)(nil)
)

func (c *pullConsumer) Consume(handler MessageHandler, opts ...PullConsumeOpt) (ConsumeContext, error) {
	if handler == nil {
		return nil, ErrHandlerRequired
	}
	o, err := parseConsumeOpts(opts, false)
	if err != nil {
		return nil, err
	}
	if err := c.checkConsumable(o.group); err != nil {
		return nil, err
	}
	cc := &consumeContext{handler: handler, done: make(chan struct{})}
	cc.owner, cc.consumer = cc, c
	if o.errHandler != nil {
		cc.errs.handle = func(err error) { o.errHandler(cc, err) }
	}
	if err := cc.start(o, cc.deliver, cc.subscriptionClosed); err != nil {
		return nil, err
	}
	cc.wake()
	return cc, nil
}

// deliver runs on the subscription's goroutine for all that arrives.
func (c *consumeContext) deliver(m *nats.Msg) {
	if isControl(m) {
		c.control(m)
		return
	}
	size := m.Size()
	c.mu.Lock()
	if c.stopped {
		c.finished++
		c.mu.Unlock()
		return
	}
	c.handling = true
	c.pinned(m)
	c.mu.Unlock()

	c.handler(&jetStreamMsg{js: c.consumer.js, msg: m})

	c.mu.Lock()
	c.handling = false
	c.finished++
	c.active = true
	c.engine.consumed(size)
	enough := c.engine.drained()
	due := !c.ended && c.engine.due()
	c.mu.Unlock()
	switch {
	case enough:
		c.Stop()
	case due:
		c.wake()
	}
}

func (c *consumeContext) control(m *nats.Msg) {
	status := parsePullStatus(m)
	c.mu.Lock()
	c.finished++
	verdict := c.settle(c.pullID(m.Subject), status, m.Size())
	c.mu.Unlock()
	if verdict.fatal != nil {
		c.fail(verdict.fatal)
		return
	}
	if verdict.report != nil {
		c.errs.report(verdict.report)
	}
	c.wake()
}

// buffered implements [pullOwner] by comparing how many messages core has taken
// from the subscription's queue with how many are finished here. Core counts a
// message as pending until its callback has returned, so the two agree except
// at the instants in which a message is between core and this type; then the
// caller asks again.
func (c *consumeContext) buffered() (msgs, bytes int, ok bool) {
	before, err := c.sub.Delivered()
	if err != nil {
		return 0, 0, true // unsubscribed
	}
	msgs, bytes, err = c.sub.Pending()
	if err != nil {
		return 0, 0, true
	}
	if after, err := c.sub.Delivered(); err != nil || after != before {
		return 0, 0, false
	}
	inCallback := uint64(before) > c.finished
	return msgs, bytes, inCallback || msgs == 0
}

func (c *consumeContext) busy() bool { return c.handling }

func (c *consumeContext) missed() { c.errs.report(ErrNoHeartbeat) }

func (c *consumeContext) wake() {
	if err := c.pump(); err != nil {
		c.errs.report(err)
	}
}

func (c *consumeContext) Stop()                   { c.end(false, nil) }
func (c *consumeContext) Drain()                  { c.end(true, nil) }
func (c *consumeContext) Closed() <-chan struct{} { return c.done }
func (c *consumeContext) fail(err error)          { c.end(false, err) }

// end stops requests and then either stops or drains the subscription. Only the
// first call has an effect. Its error, if any, is reported before Closed can
// close.
func (c *consumeContext) end(drain bool, err error) {
	c.mu.Lock()
	if !c.quiesce() {
		c.mu.Unlock()
		return
	}
	c.stopped = !drain
	if err != nil {
		c.errs.report(err)
	}
	c.mu.Unlock()
	unwatchConn(c.conn, &c.pullSubscription)
	c.leave(drain)
}

// closed implements [pullOwner]: the connection is closed for good.
func (c *consumeContext) closed() {
	unwatchConn(c.conn, &c.pullSubscription)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost || (c.ended && c.stopped) {
		return
	}
	c.lost = true
	c.quiesce()
	c.stopped = true
	c.errs.report(ErrConnectionClosed)
}

// subscriptionClosed is called by core on the subscription's goroutine after the
// last callback: after Stop, when drained, and when the connection was closed
// or drained.
func (c *consumeContext) subscriptionClosed(string) {
	c.mu.Lock()
	foreign := c.quiesce()
	c.mu.Unlock()
	if foreign && c.conn.IsClosed() {
		c.closed()
	}
	c.release()
	c.errs.whenIdle(func() {
		c.doneOnce.Do(func() { close(c.done) })
	})
}
