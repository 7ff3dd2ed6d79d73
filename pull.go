package jetstream

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strconv"
	"strings"
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
	// with [ErrInvalidOption]; a batch above 1,048,576 counts as that many. While
	// the connection is down, the request is sent as soon as it is up again, if
	// that is within the waiting time.
	//
	// Requests of 10 seconds and more carry a heartbeat of 5 seconds, so that a
	// request lost on the way ends with [ErrNoHeartbeat]. One that the server
	// never answers otherwise ends with [nats.ErrTimeout], two seconds after the
	// waiting time; if the connection was down all that time, the error matches
	// [nats.ErrDisconnected] too.
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

// pullSubscription is what Consume and Messages have in common: a core
// subscription to an inbox, a pull engine that decides what to request, and the
// timer and connection events that drive it. It owns no goroutine.
//
// Each pull request gets a reply subject of its own below the inbox. Messages
// of the stream arrive under their stream subject, but a status arrives under
// the reply subject of its request, which tells which one it is about.
type pullSubscription struct {
	coreSubscription
	owner    pullOwner
	consumer *pullConsumer
	inbox    string      // with a final dot
	order    *orderedRun // of an ordered consumer, or nil

	// The following are guarded by the mutex.

	subject string // of pull requests
	engine  pullEngine
	denied  error  // the last denial that is known
	body    []byte // of the last request
}

// pullOwner is the half of a pull subscription that differs between Consume
// and Messages.
type pullOwner interface {
	// buffered returns what has arrived and was not consumed, and false when it
	// cannot be told at this instant. Called with the lock held.
	buffered() (msgs, bytes int, ok bool)

	// dry reports whether everything that has arrived is consumed. Called with the
	// lock held.
	dry() bool

	// inHand returns how many messages the user is working on. Called with the
	// lock held.
	inHand() int

	// busy reports whether silence of the server would be of our own making.
	// Called with the lock held.
	busy() bool

	// trouble is told of a passing error that no message tells of: a missing
	// heartbeat, or that the server denied a request. Called with the lock held.
	trouble(err error)

	// wake is told that there may be a request to send.
	wake()

	// fail ends the subscription because of err.
	fail(err error)

	// closed is told that the connection is closed for good.
	closed()
}

// The least a pull subscription has room for, see [floodLimits].
const (
	floodMsgs  = 1 << 17
	floodBytes = 256 << 20
)

// floodLimits returns how much may arrive and not be consumed yet, more than what
// a server delivers that delivers what was requested. They protect the memory from
// one that does not; what exceeds them is dropped. Where messages are the measure
// of the window, all of them may be as large as the server takes.
func floodLimits(o *consumeOpts, maxPayload int64) pendingLimits {
	times := func(a, b int) int {
		if a > 0 && b > math.MaxInt/a {
			return math.MaxInt
		}
		return a * b
	}
	bytes := times(8, o.maxBytes)
	if o.maxBytes == 0 || o.byteLimit {
		bytes = times(2*int(maxPayload), o.maxMessages)
	}
	return pendingLimits{msgs: max(times(8, o.maxMessages), floodMsgs), bytes: max(bytes, floodBytes)}
}

// start subscribes and begins to follow the connection.
func (s *pullSubscription) start(opts *consumeOpts, deliver nats.MsgHandler, onClosed func(string)) error {
	js := s.consumer.js
	s.conn = js.conn
	wildcard := s.conn.NewInbox() + ".*"
	s.inbox = strings.TrimSuffix(wildcard, "*")
	s.subject = s.consumer.nextSubject
	s.engine.cfg = newPullConfig(opts, s.consumer.CachedInfo(), s.conn.MaxPayload())
	s.engine.heartbeat.interval = opts.heartbeat
	s.engine.heartbeat.start(time.Now())
	s.engine.pinID = s.consumer.pins.take(opts.group)
	s.denied = denial(s.conn, nil, s.subject)
	if err := s.open(wildcard, "", floodLimits(opts, s.conn.MaxPayload()), deliver, onClosed); err != nil {
		s.consumer.pins.give(opts.group, s.engine.pinID)
		return err
	}
	s.startTimer(opts.heartbeat/heartbeatChecks, s.tick)
	s.watch(s, func(up bool) { s.engine.connected = up })
	return nil
}

// connChanged implements [connListener].
func (s *pullSubscription) connChanged(ev connEvent) {
	switch ev {
	case connDown:
		s.mu.Lock()
		s.connSeen = true
		s.engine.disconnected()
		if s.order != nil {
			s.order.disconnected()
		}
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
// requests may be due. An ordered consumer is replaced first.
func (s *pullSubscription) reconnected() bool {
	for {
		s.mu.Lock()
		s.connSeen = true
		if s.ended {
			s.mu.Unlock()
			return false
		}
		if s.order != nil {
			s.engine.reconnected(s.owner.inHand(), 0, time.Now())
			s.order.reconnected()
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

// tick is run by the timer: shortly after the first request, several times per
// heartbeat interval, and when a postponed request is due.
func (s *pullSubscription) tick() {
	s.mu.Lock()
	subject := s.subject
	s.mu.Unlock()
	denied := denial(s.conn, nil, subject)

	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	now := time.Now()
	missed := s.engine.missedHeartbeat(s.active || s.owner.busy(), now)
	s.active = false
	if s.engine.connected && !s.owner.busy() && s.owner.dry() {
		s.engine.releaseLost(now)
	}
	var probe context.Context
	switch {
	case missed && s.order != nil:
		s.order.recover(false)
	case missed && s.engine.doubtful() && !s.probing:
		s.probing = true
		probe = s.background()
	}
	due := s.engine.due() && !s.engine.retryAt.After(now)
	s.timer.Reset(s.engine.wait(now))
	switch {
	case denied != nil && denied != s.denied:
		s.denied = denied
		s.owner.trouble(denied)
	case missed:
		s.owner.trouble(ErrNoHeartbeat)
	}
	s.mu.Unlock()

	if due {
		s.owner.wake()
	}
	if probe != nil {
		s.probe(probe)
	}
}

// probe looks the consumer up after a long silence. It runs on the timer's
// goroutine and ends with the subscription at the latest.
func (s *pullSubscription) probe(ctx context.Context) {
	gone := s.consumer.confirmGone(ctx)
	s.mu.Lock()
	s.probing = false
	s.mu.Unlock()
	if gone != nil {
		s.owner.fail(gone)
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
		if !ok {
			s.mu.Unlock()
			return nil
		}
		subject, body := s.subject, s.render(&req)
		if id == 1 {
			s.timer.Reset(denialLook)
		}
		s.mu.Unlock()
		if redialing(s.conn) {
			// The reconnect starts over.
			return nil
		}
		if err := s.send(subject, id, body); err != nil {
			return err
		}
	}
}

// render returns the body of a request, which is not to be written to. Called with
// the lock held.
func (s *pullSubscription) render(req *pullRequest) []byte {
	if s.body == nil {
		s.body = s.consumer.js.firstPull.render(req)
	} else {
		s.body = req.render(s.body)
	}
	return s.body
}

// send publishes a request whose credit has been taken.
func (s *pullSubscription) send(subject string, id uint64, body []byte) error {
	err := s.conn.PublishRequest(subject, joinNumber(s.inbox, id), body)
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
	if s.order != nil && !s.engine.knows(id) {
		// About a consumer that has been replaced.
		return verdict{}
	}
	s.engine.control(size)
	v := s.engine.ended(id, status, now)
	if errors.Is(status.err, ErrBatchCompleted) && s.order != nil && s.order.more() && s.owner.dry() {
		s.engine.ranDry()
	}
	if !errors.Is(status.err, nats.ErrNoResponders) {
		// That nobody answers is not a sign of life.
		s.active = true
	}
	if s.order != nil {
		v = s.order.judge(v)
	}
	s.rearm(now)
	return v
}

// rearm makes sure that the timer runs when the engine needs it to. Called with
// the lock held.
func (s *pullSubscription) rearm(now time.Time) {
	if !s.ended && s.engine.retryAt.After(now) {
		s.timer.Reset(s.engine.wait(now))
	}
}

// beat records an idle heartbeat of the request with the given id. Called with
// the lock held.
func (s *pullSubscription) beat(id uint64) {
	if s.order != nil {
		if !s.engine.knows(id) {
			// About a consumer that has been replaced.
			return
		}
		s.order.fruitless = 0
	}
	s.active = true
	s.engine.alive()
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
	consumeRun
	handler MessageHandler
	raw     func(m *nats.Msg, reply *ackReply) // in place of handler, for feeds

	msgs msgSlab // deliver's alone

	// The following are guarded by the mutex.

	handling bool   // a call of handler is running
	finished uint64 // messages and statuses that deliver is done with
}

var (
	_ ConsumeContext = (*consumeContext)(nil)
	_ pullOwner      = (*consumeContext)(nil)
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
	cc := newConsumeContext(c, handler, &o)
	if err := cc.start(&o, cc.deliver, cc.subscriptionClosed); err != nil {
		return nil, err
	}
	cc.wake()
	return cc, nil
}

func newConsumeContext(c *pullConsumer, handler MessageHandler, o *consumeOpts) *consumeContext {
	cc := &consumeContext{handler: handler}
	cc.owner, cc.consumer = cc, c
	cc.consumeRun = consumeRun{
		core:     &cc.coreSubscription,
		listener: &cc.pullSubscription,
		onEnd:    cc.release,
	}
	if handle := o.errHandler; handle != nil {
		cc.errs.handle = func(err error) { handle(cc, err) }
	}
	return cc
}

// deliver runs on the subscription's goroutine for all that arrives.
func (c *consumeContext) deliver(m *nats.Msg) {
	if isControl(m) {
		c.control(m)
		return
	}
	var reply *ackReply
	if c.order != nil {
		// An empty reply is of no consumer.
		reply = &c.order.reply
		_ = reply.parse(m.Reply)
	}
	size := m.Size()
	c.mu.Lock()
	if c.stopped || (c.order != nil && !c.order.admit(reply)) {
		c.finished++
		c.mu.Unlock()
		return
	}
	c.handling = true
	c.pinned(m)
	c.mu.Unlock()

	if c.raw != nil {
		c.raw(m, reply)
	} else {
		c.handler(c.msgs.wrap(c.consumer.js, m))
	}

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
	id := c.pullID(m.Subject)
	if isHeartbeat(m) {
		c.mu.Lock()
		c.finished++
		c.engine.control(m.Size())
		c.beat(id)
		due := !c.ended && c.engine.due()
		c.mu.Unlock()
		if due {
			c.wake()
		}
		return
	}
	status := parsePullStatus(m)
	c.mu.Lock()
	c.finished++
	verdict := c.settle(id, status, m.Size())
	c.mu.Unlock()
	if verdict.fatal != nil {
		c.fail(verdict.fatal)
		return
	}
	if verdict.report != nil {
		c.report(verdict.report)
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

func (c *consumeContext) inHand() int {
	if c.handling {
		return 1
	}
	return 0
}

// dry implements [pullOwner]. It is called on the subscription's goroutine, whose
// message of the moment core counts as pending.
func (c *consumeContext) dry() bool {
	msgs, _, err := c.sub.Pending()
	return err == nil && msgs <= 1
}

func (c *consumeContext) busy() bool { return c.handling }

func (c *consumeContext) trouble(err error) { c.errs.report(err) }

func (c *consumeContext) wake() {
	if err := c.pump(); err != nil {
		c.report(err)
	}
}
