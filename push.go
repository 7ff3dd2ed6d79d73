package jetstream

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// PushConsumer reads messages of a stream through a consumer of the server that
// delivers to a subject, at the server's pace. It is made by the methods of
// [JetStream] and [Stream] and is safe for concurrent use.
//
// A pull consumer (see [Consumer]) does the same at the client's pace and is the
// better choice for new programs.
type PushConsumer interface {
	// Consume subscribes to the consumer's deliver subject, as a member of its
	// deliver group if it has one, and calls handler with each message until it
	// is stopped. Calls do not overlap and are in the order of delivery. Flow
	// control is answered once the messages before it are handled.
	//
	// It goes on after reconnects and missing heartbeats, which it reports as
	// [ErrNoHeartbeat] if the consumer has heartbeats (see [ConsumeErrHandler]).
	// It ends when the connection is closed ([ErrConnectionClosed]).
	//
	// One handle consumes once at a time: another call is refused with
	// [ErrConsumerAlreadyConsuming] until the first has ended. A nil handler is
	// refused with [ErrHandlerRequired].
	Consume(handler MessageHandler, opts ...PushConsumeOpt) (ConsumeContext, error)

	// Info asks the server for the state of the consumer, and returns
	// [ErrConsumerNotFound] when it no longer exists. The result is also what
	// CachedInfo returns from then on.
	Info(context.Context) (*ConsumerInfo, error)

	// CachedInfo returns the state of the consumer as of the last call of Info
	// on this handle, or of its creation, without asking the server.
	CachedInfo() *ConsumerInfo
}

// Parts of the status messages a push consumer sends.
const (
	idleHeartbeatText     = "idle heartbeat"
	flowControlText       = "flowcontrol request"
	consumerStalledHeader = "Nats-Consumer-Stalled"
)

// pushConsumer implements [PushConsumer].
type pushConsumer struct {
	consumerHandle

	mu        sync.Mutex
	consuming bool
}

func newPushConsumer(js *jetStream, stream string, info *ConsumerInfo) *pushConsumer {
	c := &pushConsumer{consumerHandle: consumerHandle{js: js, stream: stream, name: info.Name}}
	c.info.Store(info)
	return c
}

// claim marks the handle as consuming, unless it does already.
func (c *pushConsumer) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.consuming {
		return false
	}
	c.consuming = true
	return true
}

func (c *pushConsumer) yield() {
	c.mu.Lock()
	c.consuming = false
	c.mu.Unlock()
}

// pushSubscription is a running Consume of a push consumer.
type pushSubscription struct {
	coreSubscription
	consumeRun
	consumer *pushConsumer
	handler  MessageHandler
	msgs     msgSlab // deliver's alone

	// The following are guarded by the mutex.

	heartbeat heartbeatClock // without interval if the consumer has none
	connected bool
	handling  bool   // a call of handler is running
	stalled   string // subject of the last stall that was answered
}

func (c *pushConsumer) Consume(handler MessageHandler, opts ...PushConsumeOpt) (ConsumeContext, error) {
	if handler == nil {
		return nil, ErrHandlerRequired
	}
	var o pushConsumeOpts
	for _, opt := range opts {
		if opt == nil {
			return nil, invalidOption("option cannot be nil")
		}
		if err := opt.configurePushConsume(&o); err != nil {
			return nil, err
		}
	}
	info := c.CachedInfo()
	if info == nil {
		return nil, ErrConsumerNotFound
	}
	if !c.claim() {
		return nil, ErrConsumerAlreadyConsuming
	}
	s := &pushSubscription{consumer: c, handler: handler}
	s.conn = c.js.conn
	s.heartbeat = heartbeatClock{interval: info.Config.IdleHeartbeat, lastLook: time.Now()}
	s.consumeRun = consumeRun{core: &s.coreSubscription, listener: s, onEnd: c.yield}
	if o.errHandler != nil {
		s.errs.handle = func(err error) { o.errHandler(s, err) }
	}
	// In contrast to pull requests, messages may come as soon as there is a
	// subscription, and with them all that ends it.
	s.watch(s, func(up bool) { s.connected = up })
	if hb := s.heartbeat.interval; hb > 0 {
		s.startTimer(hb/heartbeatChecks, s.tick)
	}
	var limits pendingLimits
	if info.Config.FlowControl {
		limits = noPendingLimits
	}
	if err := s.open(info.Config.DeliverSubject, info.Config.DeliverGroup, limits, s.deliver, s.subscriptionClosed); err != nil {
		s.abandon()
		c.yield()
		return nil, err
	}
	return s, nil
}

// deliver runs on the subscription's goroutine for all that arrives.
func (s *pushSubscription) deliver(m *nats.Msg) {
	if isPushControl(m) {
		s.control(m)
		return
	}
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	s.handling = true
	s.mu.Unlock()

	s.handler(s.msgs.wrap(s.consumer.js, m))

	s.mu.Lock()
	s.handling = false
	s.active = true
	s.mu.Unlock()
}

// isPushControl reports whether m is a message of the server about the consumer.
// In contrast to those about a pull request, it may have a reply subject: that
// of flow control. Messages of the stream have one for acknowledgements.
func isPushControl(m *nats.Msg) bool {
	if len(m.Data) != 0 || m.Header == nil || strings.HasPrefix(m.Reply, ackReplyPrefix) {
		return false
	}
	return m.Header.Get(statusHeader) != ""
}

// control acts on a status message.
func (s *pushSubscription) control(m *nats.Msg) {
	s.mu.Lock()
	s.active = true
	s.mu.Unlock()
	if !isHeartbeat(m) {
		err := parsePullStatus(m).err
		if errors.Is(err, ErrConsumerDeleted) {
			s.fail(err)
			return
		}
		s.report(err)
		return
	}
	text := strings.ToLower(m.Header.Get(descriptionHeader))
	switch {
	case strings.Contains(text, flowControlText) && m.Reply != "":
		// It is in line behind the messages it is about, so they are handled.
		s.answer(m.Reply)
	case strings.Contains(text, idleHeartbeatText):
		s.resume(m.Header.Get(consumerStalledHeader))
	}
}

// resume answers a heartbeat that says that the server waits for the answer to
// a flow control request, which must have been lost (ADR-15).
func (s *pushSubscription) resume(subject string) {
	s.mu.Lock()
	known := subject == s.stalled
	s.stalled = subject
	s.mu.Unlock()
	if subject != "" && !known {
		s.answer(subject)
	}
}

func (s *pushSubscription) answer(subject string) {
	if err := s.conn.Publish(subject, nil); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		s.report(err)
	}
}

// tick is run by the timer to look after the heartbeat.
func (s *pushSubscription) tick() {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	missed := s.heartbeat.overdue(s.active || s.handling || !s.connected, time.Now())
	s.active = false
	s.timer.Reset(s.heartbeat.interval / heartbeatChecks)
	s.mu.Unlock()
	if missed {
		s.report(ErrNoHeartbeat)
	}
}

// connChanged implements [connListener]. Core subscribes again after a
// reconnect, and the server then goes on delivering.
func (s *pushSubscription) connChanged(ev connEvent) {
	s.mu.Lock()
	s.connSeen = true
	s.connected = ev == connUp
	s.active = true
	s.mu.Unlock()
	if ev == connClosed {
		s.closed()
	}
}

// putPushConsumer is putConsumer with a handle for a push consumer as the
// result.
func (js *jetStream) putPushConsumer(ctx context.Context, stream string, cfg *ConsumerConfig, action consumerAction) (PushConsumer, error) {
	if err := validateStreamName(stream); err != nil {
		return nil, err
	}
	if cfg.DeliverSubject == "" {
		return nil, ErrNotPushConsumer
	}
	info, err := js.putConsumer(ctx, stream, cfg, action)
	if err != nil {
		return nil, err
	}
	return newPushConsumer(js, stream, info), nil
}

func (js *jetStream) pushConsumer(ctx context.Context, stream, name string) (PushConsumer, error) {
	info, err := js.lookUpConsumer(ctx, stream, name)
	if err != nil {
		return nil, err
	}
	if info.Config.DeliverSubject == "" {
		return nil, ErrNotPushConsumer
	}
	return newPushConsumer(js, stream, info), nil
}

func (s *stream) CreateOrUpdatePushConsumer(ctx context.Context, cfg ConsumerConfig) (PushConsumer, error) {
	return s.js.putPushConsumer(ctx, s.name, &cfg, actionCreateOrUpdate)
}

func (s *stream) CreatePushConsumer(ctx context.Context, cfg ConsumerConfig) (PushConsumer, error) {
	return s.js.putPushConsumer(ctx, s.name, &cfg, actionCreate)
}

func (s *stream) UpdatePushConsumer(ctx context.Context, cfg ConsumerConfig) (PushConsumer, error) {
	return s.js.putPushConsumer(ctx, s.name, &cfg, actionUpdate)
}

func (s *stream) PushConsumer(ctx context.Context, consumer string) (PushConsumer, error) {
	return s.js.pushConsumer(ctx, s.name, consumer)
}

func (js *jetStream) CreateOrUpdatePushConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (PushConsumer, error) {
	return js.putPushConsumer(ctx, stream, &cfg, actionCreateOrUpdate)
}

func (js *jetStream) CreatePushConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (PushConsumer, error) {
	return js.putPushConsumer(ctx, stream, &cfg, actionCreate)
}

func (js *jetStream) UpdatePushConsumer(ctx context.Context, stream string, cfg ConsumerConfig) (PushConsumer, error) {
	return js.putPushConsumer(ctx, stream, &cfg, actionUpdate)
}

func (js *jetStream) PushConsumer(ctx context.Context, stream, consumer string) (PushConsumer, error) {
	return js.pushConsumer(ctx, stream, consumer)
}
