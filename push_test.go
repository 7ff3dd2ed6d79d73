package jetstream_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

const (
	// pshBeat is the heartbeat where none may be missing.
	pshBeat = time.Second

	// pshSoon is the heartbeat where some are to be missing.
	pshSoon = 200 * time.Millisecond
)

// pshConsumer makes a push consumer that delivers to the subject "deliver".
func pshConsumer(e *ordEnv, change func(*jetstream.ConsumerConfig)) jetstream.PushConsumer {
	e.t.Helper()
	cfg := jetstream.ConsumerConfig{
		Durable:        "push",
		DeliverSubject: "deliver",
		AckPolicy:      jetstream.AckExplicitPolicy,
	}
	if change != nil {
		change(&cfg)
	}
	cons, err := e.stream.CreatePushConsumer(e.ctx, cfg)
	ordOK(e.t, err)
	return cons
}

// pshAck is a handler that collects and acknowledges.
func pshAck(sink *ordSink) jetstream.MessageHandler {
	return func(msg jetstream.Msg) {
		sink.handle(msg)
		if err := msg.Ack(); err != nil {
			sink.t.Errorf("ack: %v", err)
		}
	}
}

func TestPushConsumersAreManagedThroughBothInterfaces(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	type manager struct {
		create, update, put func(jetstream.ConsumerConfig) (jetstream.PushConsumer, error)
		get                 func(string) (jetstream.PushConsumer, error)
	}
	type cfg = jetstream.ConsumerConfig
	for name, m := range map[string]manager{
		"JetStream": {
			create: func(c cfg) (jetstream.PushConsumer, error) { return e.js.CreatePushConsumer(e.ctx, "S", c) },
			update: func(c cfg) (jetstream.PushConsumer, error) { return e.js.UpdatePushConsumer(e.ctx, "S", c) },
			put:    func(c cfg) (jetstream.PushConsumer, error) { return e.js.CreateOrUpdatePushConsumer(e.ctx, "S", c) },
			get:    func(n string) (jetstream.PushConsumer, error) { return e.js.PushConsumer(e.ctx, "S", n) },
		},
		"Stream": {
			create: func(c cfg) (jetstream.PushConsumer, error) { return e.stream.CreatePushConsumer(e.ctx, c) },
			update: func(c cfg) (jetstream.PushConsumer, error) { return e.stream.UpdatePushConsumer(e.ctx, c) },
			put:    func(c cfg) (jetstream.PushConsumer, error) { return e.stream.CreateOrUpdatePushConsumer(e.ctx, c) },
			get:    func(n string) (jetstream.PushConsumer, error) { return e.stream.PushConsumer(e.ctx, n) },
		},
	} {
		conf := jetstream.ConsumerConfig{
			Durable: name, DeliverSubject: "to." + name, DeliverGroup: "g", IdleHeartbeat: time.Second,
			FlowControl: false, AckPolicy: jetstream.AckExplicitPolicy, Description: "one",
		}
		_, err := m.update(conf)
		ordIs(t, err, jetstream.ErrConsumerDoesNotExist)
		_, err = m.get(name)
		ordIs(t, err, jetstream.ErrConsumerNotFound)
		cons, err := m.create(conf)
		ordOK(t, err)
		got := cons.CachedInfo().Config
		if got.DeliverSubject != "to."+name || got.DeliverGroup != "g" || got.IdleHeartbeat != time.Second || got.Description != "one" {
			t.Errorf("%s: created %+v", name, got)
		}
		conf.Description = "two"
		_, err = m.create(conf)
		ordIs(t, err, jetstream.ErrConsumerExists)
		_, err = m.update(conf)
		ordOK(t, err)
		conf.Description = "three"
		_, err = m.put(conf)
		ordOK(t, err)
		found, err := m.get(name)
		ordOK(t, err)
		if d := found.CachedInfo().Config.Description; d != "three" {
			t.Errorf("%s: description is %q", name, d)
		}
		info, err := cons.Info(e.ctx)
		ordOK(t, err)
		if info.Config.Description != "three" || cons.CachedInfo() != info {
			t.Errorf("%s: info is %+v", name, info.Config)
		}

		pull := jetstream.ConsumerConfig{Durable: "pull" + name}
		for _, f := range []func(jetstream.ConsumerConfig) (jetstream.PushConsumer, error){m.create, m.update, m.put} {
			_, err := f(pull)
			ordIs(t, err, jetstream.ErrNotPushConsumer)
		}
		_, err = e.stream.CreateConsumer(e.ctx, pull)
		ordOK(t, err)
		_, err = m.get(pull.Durable)
		ordIs(t, err, jetstream.ErrNotPushConsumer)
		_, err = e.stream.Consumer(e.ctx, name)
		ordIs(t, err, jetstream.ErrNotPullConsumer)
	}
	_, err := e.js.CreatePushConsumer(e.ctx, "", jetstream.ConsumerConfig{DeliverSubject: "d"})
	ordIs(t, err, jetstream.ErrStreamNameRequired)
	_, err = e.js.PushConsumer(e.ctx, "a.b", "c")
	ordIs(t, err, jetstream.ErrInvalidStreamName)
	_, err = e.js.PushConsumer(e.ctx, "S", "a.b")
	ordIs(t, err, jetstream.ErrInvalidConsumerName)
}

func TestPushConsumeDeliversInOrderAndAcknowledges(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 50)
	cons := pshConsumer(e, func(c *jetstream.ConsumerConfig) { c.IdleHeartbeat = pshBeat })
	sink := &ordSink{t: t}
	cc, err := cons.Consume(pshAck(sink), jetstream.ConsumeErrHandler(sink.onErr))
	ordOK(t, err)
	e.publish("s.x", 50)
	sink.await(100)
	jstest.WaitFor(t, ordWait, "all to be acknowledged", func() bool {
		info, err := cons.Info(e.ctx)
		return err == nil && info.AckFloor.Stream == 100 && info.NumAckPending == 0
	})
	cc.Stop()
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 100))
	if errs := sink.errors(); len(errs) != 0 {
		t.Errorf("errors: %v", errs)
	}
}

func TestPushConsumeRefusesWhatItCannotStart(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := pshConsumer(e, nil)
	_, err := cons.Consume(nil)
	ordIs(t, err, jetstream.ErrHandlerRequired)
	_, err = cons.Consume(func(jetstream.Msg) {}, nil)
	ordIs(t, err, jetstream.ErrInvalidOption)
	cc, err := cons.Consume(func(jetstream.Msg) {})
	ordOK(t, err)
	_, err = cons.Consume(func(jetstream.Msg) {})
	ordIs(t, err, jetstream.ErrConsumerAlreadyConsuming)
	cc.Stop()
	ordClosed(t, cc)
	cc, err = cons.Consume(func(jetstream.Msg) {})
	ordOK(t, err)
	cc.Drain()
	ordClosed(t, cc)
	e.nc.Close()
	_, err = cons.Consume(func(jetstream.Msg) {})
	ordIs(t, err, nats.ErrConnectionClosed)
	// It has not been claimed by that.
	_, err = cons.Consume(func(jetstream.Msg) {})
	ordIs(t, err, nats.ErrConnectionClosed)
}

// A40
func TestPushConsumersOfADeliverGroupShareTheMessages(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := pshConsumer(e, func(c *jetstream.ConsumerConfig) { c.DeliverGroup = "g" })
	other, err := e.stream.PushConsumer(e.ctx, "push")
	ordOK(t, err)
	sinks := []*ordSink{{t: t}, {t: t}}
	for i, c := range []jetstream.PushConsumer{cons, other} {
		cc, err := c.Consume(pshAck(sinks[i]))
		ordOK(t, err)
		t.Cleanup(cc.Stop)
	}
	e.publish("s.x", 100)
	var all []uint64
	jstest.WaitFor(t, ordWait, "100 messages to be handled", func() bool {
		all = append(sinks[0].got(), sinks[1].got()...)
		return len(all) >= 100
	})
	slices.Sort(all)
	ordWant(t, all, ordRange(1, 100))
	if len(sinks[0].got()) == 0 || len(sinks[1].got()) == 0 {
		t.Error("one of two got everything")
	}
}

// Without answers to flow control, the server stops after a while.
func TestPushConsumeAnswersFlowControl(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	big := make([]byte, 32<<10)
	for range 300 {
		_, err := e.js.Publish(e.ctx, "s.x", big)
		ordOK(t, err)
	}
	answers := jstest.RecordRequests(t, jstest.ConnectURL(t, e.url), "$JS.FC.>")
	cons := pshConsumer(e, func(c *jetstream.ConsumerConfig) {
		c.FlowControl, c.IdleHeartbeat, c.AckPolicy = true, pshBeat, jetstream.AckNonePolicy
	})
	sink := &ordSink{t: t}
	cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(sink.onErr))
	ordOK(t, err)
	sink.await(300)
	cc.Stop()
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 300))
	// They reach the recorder by a connection of its own.
	jstest.WaitFor(t, ordWait, "an answer to flow control, without which nothing was tested", func() bool {
		return answers.Len() > 0
	})
}

// pshControl publishes a control message to the deliver subject.
func pshControl(t testing.TB, nc *nats.Conn, reply string, headers ...string) {
	t.Helper()
	msg := &nats.Msg{Subject: "deliver", Reply: reply, Header: nats.Header{}}
	for pair := range slices.Chunk(headers, 2) {
		msg.Header[pair[0]] = []string{pair[1]}
	}
	ordOK(t, nc.PublishMsg(msg))
	ordOK(t, nc.Flush())
}

// pshReady waits until the consumer has interest, so that what is published to
// the deliver subject arrives.
func pshReady(e *ordEnv, cons jetstream.PushConsumer) {
	e.t.Helper()
	jstest.WaitFor(e.t, ordWait, "the subscription to be seen", func() bool {
		info, err := cons.Info(e.ctx)
		return err == nil && info.PushBound
	})
}

// Flow control is about the messages before it, so its answer waits for them.
func TestPushConsumeAnswersFlowControlBehindTheMessages(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	other := jstest.ConnectURL(t, e.url)
	answers := jstest.RecordRequests(t, other, "fc.*")
	cons := pshConsumer(e, nil)
	gate, begun := make(chan struct{}), make(chan struct{})
	cc, err := cons.Consume(func(jetstream.Msg) {
		close(begun)
		<-gate
	})
	ordOK(t, err)
	pshReady(e, cons)
	e.publish("s.x", 1)
	<-begun
	pshControl(t, other, "fc.1", "Status", "100", "Description", "FlowControl Request")
	pshControl(t, other, "fc.2", "Status", "100", "Description", "FLOWCONTROL REQUEST")
	if n := answers.Len(); n != 0 {
		t.Errorf("%d answers while the message before is being handled", n)
	}
	close(gate)
	got := answers.WaitN(t, 2, ordWait)
	if got[0].Subject != "fc.1" || got[1].Subject != "fc.2" || len(got[0].Body) != 0 {
		t.Errorf("answers are %+v", got)
	}
	cc.Stop()
	ordClosed(t, cc)
}

// B34: a lost flow control request is repeated in the heartbeats.
func TestPushConsumeAnswersAStalledHeartbeatOncePerValue(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	other := jstest.ConnectURL(t, e.url)
	answers := jstest.RecordRequests(t, other, "fc.*")
	cons := pshConsumer(e, nil)
	cc, err := cons.Consume(func(jetstream.Msg) {})
	ordOK(t, err)
	pshReady(e, cons)
	stalled := func(subject string) {
		pshControl(t, other, "", "Status", "100", "Description", "Idle Heartbeat", "Nats-Consumer-Stalled", subject)
	}
	stalled("fc.1")
	stalled("fc.1")
	stalled("fc.2")
	stalled("fc.2")
	// Not about flow control at all, and the last in line.
	pshControl(t, other, "", "Status", "100", "Description", "Idle Heartbeat")
	stalled("fc.3")
	answers.WaitN(t, 3, ordWait)
	var subjects []string
	for _, req := range answers.Requests() {
		subjects = append(subjects, req.Subject)
	}
	if want := []string{"fc.1", "fc.2", "fc.3"}; !slices.Equal(subjects, want) {
		t.Errorf("answers to %q, want %q", subjects, want)
	}
	cc.Stop()
	ordClosed(t, cc)
}

// Headers of the user's are none of the server's.
func TestPushConsumeDeliversMessagesWithAStatusHeader(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := pshConsumer(e, nil)
	got := make(chan jetstream.Msg, 10)
	cc, err := cons.Consume(func(msg jetstream.Msg) { got <- msg })
	ordOK(t, err)
	defer cc.Stop()
	for _, payload := range []string{"", "paid"} {
		for _, status := range []string{"409", "100", "shipped"} {
			msg := &nats.Msg{Subject: "s.x", Data: []byte(payload), Header: nats.Header{"Status": {status}, "Description": {"Consumer Deleted"}}}
			_, err := e.js.PublishMsg(e.ctx, msg)
			ordOK(t, err)
			select {
			case msg := <-got:
				if msg.Headers().Get("Status") != status || string(msg.Data()) != payload {
					t.Errorf("got %v %q", msg.Headers(), msg.Data())
				}
			case <-time.After(ordWait):
				t.Fatalf("message with status %s and payload %q was not delivered", status, payload)
			}
		}
	}
}

// B34: the letter case of the texts is the server's business.
func TestPushConsumeUnderstandsStatusTextsInAnyCase(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"Consumer Deleted", "consumer deleted", "CONSUMER DELETED"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			e := ordStart(t)
			cons := pshConsumer(e, nil)
			sink := &ordSink{t: t}
			cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(func(cc jetstream.ConsumeContext, err error) {
				cc.Stop() // must not deadlock in the middle of the end
				sink.onErr(cc, err)
			}))
			ordOK(t, err)
			pshReady(e, cons)
			pshControl(t, jstest.ConnectURL(t, e.url), "", "Status", "409", "Description", text)
			ordClosed(t, cc)
			errs := sink.errors()
			if len(errs) != 1 || !errors.Is(errs[0], jetstream.ErrConsumerDeleted) {
				t.Errorf("errors are %v, want %v once", errs, jetstream.ErrConsumerDeleted)
			}
		})
	}
	t.Run("leadership change", func(t *testing.T) {
		t.Parallel()
		e := ordStart(t)
		cons := pshConsumer(e, nil)
		sink := &ordSink{t: t}
		cc, err := cons.Consume(pshAck(sink), jetstream.ConsumeErrHandler(sink.onErr))
		ordOK(t, err)
		pshReady(e, cons)
		pshControl(t, jstest.ConnectURL(t, e.url), "", "Status", "409", "Description", "LeaderShip Change")
		jstest.WaitFor(t, ordWait, "the status to be reported", func() bool { return len(sink.errors()) > 0 })
		e.publish("s.x", 1)
		sink.await(1)
		cc.Stop()
		ordClosed(t, cc)
		errs := sink.errors()
		if len(errs) != 1 || !errors.Is(errs[0], jetstream.ErrConsumerLeadershipChanged) {
			t.Errorf("errors are %v, want %v once", errs, jetstream.ErrConsumerLeadershipChanged)
		}
	})
}

func TestPushConsumeStopIsFinal(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 20)
	cons := pshConsumer(e, nil)
	sink := &ordSink{t: t}
	begun, gate := make(chan struct{}, 20), make(chan struct{})
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		begun <- struct{}{}
		<-gate
		sink.handle(msg)
	})
	ordOK(t, err)
	<-begun
	// The rest waits behind the first message.
	jstest.WaitFor(t, ordWait, "all to be delivered", func() bool {
		info, err := cons.Info(e.ctx)
		return err == nil && info.NumAckPending == 20
	})
	cc.Stop()
	cc.Stop()
	cc.Drain()
	select {
	case <-cc.Closed():
		t.Error("Closed is closed while the handler runs")
	default:
	}
	close(gate)
	ordClosed(t, cc)
	ordWant(t, sink.got(), []uint64{1})
	select {
	case <-cc.Closed():
	default:
		t.Error("Closed opened again")
	}
}

func TestPushConsumeDrainHandlesWhatHasArrived(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 20)
	pshConsumer(e, func(c *jetstream.ConsumerConfig) { c.IdleHeartbeat = pshBeat })
	nc := jstest.ConnectURL(t, e.url)
	js, err := jetstream.New(nc)
	ordOK(t, err)
	cons, err := js.PushConsumer(e.ctx, "S", "push")
	ordOK(t, err)
	before := nc.Stats().InMsgs
	sink := &ordSink{t: t}
	begun, gate := make(chan struct{}, 20), make(chan struct{})
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		begun <- struct{}{}
		<-gate
		pshAck(sink)(msg)
	}, jetstream.ConsumeErrHandler(sink.onErr))
	ordOK(t, err)
	<-begun
	jstest.WaitFor(t, ordWait, "all to arrive", func() bool { return nc.Stats().InMsgs >= before+20 })
	cc.Drain()
	cc.Drain()
	cc.Stop()
	close(gate)
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 20))
	if errs := sink.errors(); len(errs) != 0 {
		t.Errorf("errors: %v", errs)
	}
}

func TestPushConsumeEndsFromWithinItsHandler(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 20)
	cons := pshConsumer(e, nil)
	sink := &ordSink{t: t}
	ready, cc := make(chan struct{}), jetstream.ConsumeContext(nil)
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		<-ready
		pshAck(sink)(msg)
		if len(sink.got()) == 5 {
			cc.Stop()
		}
	})
	ordOK(t, err)
	close(ready)
	ordClosed(t, cc)
	ordWant(t, sink.got(), ordRange(1, 5))
}

// B34: neither Stop nor anything else deadlocks inside the error handler.
func TestPushConsumeStopsInsideItsErrorHandler(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := pshConsumer(e, func(c *jetstream.ConsumerConfig) { c.IdleHeartbeat = pshSoon })
	var given atomic.Value
	cc, err := cons.Consume(func(jetstream.Msg) {}, jetstream.ConsumeErrHandler(func(cc jetstream.ConsumeContext, err error) {
		if !errors.Is(err, jetstream.ErrNoHeartbeat) {
			t.Errorf("error is %v", err)
		}
		cc.Stop()
		cc.Drain()
		given.Store(cc)
	}))
	ordOK(t, err)
	ordOK(t, e.stream.DeleteConsumer(e.ctx, "push"))
	ordClosed(t, cc)
	if given.Load() != cc {
		t.Error("the error handler was given another context")
	}
}

func TestPushConsumeReportsEachMissingHeartbeat(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := pshConsumer(e, func(c *jetstream.ConsumerConfig) { c.IdleHeartbeat = pshSoon })
	sink := &ordSink{t: t}
	cc, err := cons.Consume(sink.handle, jetstream.ConsumeErrHandler(sink.onErr))
	ordOK(t, err)
	pshReady(e, cons)
	ordOK(t, e.stream.DeleteConsumer(e.ctx, "push"))
	// On a busy machine, some may have been late before.
	begun, before := time.Now(), len(sink.errors())
	jstest.WaitFor(t, ordWait, "three missing heartbeats", func() bool { return len(sink.errors()) >= before+3 })
	// At twice the interval each; the first may have been about to be reported.
	if took := time.Since(begun); took < 4*pshSoon-50*time.Millisecond {
		t.Errorf("three were missing within %v", took)
	}
	select {
	case <-cc.Closed():
		t.Error("it ended by itself")
	default:
	}
	cc.Stop()
	ordClosed(t, cc)
	for _, err := range sink.errors() {
		ordIs(t, err, jetstream.ErrNoHeartbeat)
	}
}

// A16
func TestPushConsumeMissesNoHeartbeatWhileAHandlerIsSlow(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := pshConsumer(e, func(c *jetstream.ConsumerConfig) { c.IdleHeartbeat = pshBeat })
	sink := &ordSink{t: t}
	gate := make(chan struct{})
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		<-gate
		pshAck(sink)(msg)
	}, jetstream.ConsumeErrHandler(sink.onErr))
	ordOK(t, err)
	e.publish("s.x", 1)
	// Three intervals, measured by another consumer's heartbeats.
	beats := make(chan *nats.Msg, 64)
	sub, err := e.nc.ChanSubscribe("clock", beats)
	ordOK(t, err)
	_, err = e.stream.CreatePushConsumer(e.ctx, jetstream.ConsumerConfig{
		DeliverSubject: "clock", IdleHeartbeat: pshBeat, FilterSubject: "s.none", AckPolicy: jetstream.AckNonePolicy,
	})
	ordOK(t, err)
	for range 3 {
		<-beats
	}
	ordOK(t, sub.Unsubscribe())
	close(gate)
	sink.await(1)
	e.publish("s.x", 1)
	sink.await(2)
	cc.Stop()
	ordClosed(t, cc)
	if errs := sink.errors(); len(errs) != 0 {
		t.Errorf("errors: %v", errs)
	}
}

// A18
func TestPushConsumeStopsWhileItsErrorHandlerBlocks(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	cons := pshConsumer(e, func(c *jetstream.ConsumerConfig) { c.IdleHeartbeat = pshSoon })
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	cc, err := cons.Consume(func(jetstream.Msg) {}, jetstream.ConsumeErrHandler(func(jetstream.ConsumeContext, error) {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
	}))
	ordOK(t, err)
	ordOK(t, e.stream.DeleteConsumer(e.ctx, "push"))
	<-entered
	cc.Stop()
	ordClosed(t, cc)
}

// B35
func TestPushConsumeEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*nats.Conn) error{
		"Close": func(nc *nats.Conn) error { nc.Close(); return nil },
		"Drain": (*nats.Conn).Drain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := ordStart(t)
			nc := jstest.ConnectURL(t, e.url)
			js, err := jetstream.New(nc)
			ordOK(t, err)
			pshConsumer(e, func(c *jetstream.ConsumerConfig) { c.IdleHeartbeat = pshBeat })
			cons, err := js.PushConsumer(e.ctx, "S", "push")
			ordOK(t, err)
			sink := &ordSink{t: t}
			cc, err := cons.Consume(pshAck(sink), jetstream.ConsumeErrHandler(sink.onErr))
			ordOK(t, err)
			e.publish("s.x", 3)
			sink.await(3)
			ordOK(t, end(nc))
			ordClosed(t, cc)
			jstest.WaitFor(t, ordWait, "the end to be reported", func() bool { return len(sink.errors()) > 0 })
			errs := sink.errors()
			if len(errs) != 1 || !errors.Is(errs[0], jetstream.ErrConnectionClosed) {
				t.Errorf("errors are %v, want %v once", errs, jetstream.ErrConnectionClosed)
			}
		})
	}
}

func TestPushConsumeGoesOnAfterAReconnectWithoutErrors(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	e := ordOn(t, jstest.ConnectURL(t, n.URL()), n.URL())
	cons := pshConsumer(e, func(c *jetstream.ConsumerConfig) {
		c.IdleHeartbeat, c.FlowControl, c.AckWait = pshBeat, true, time.Second
	})
	sink := &ordSink{t: t}
	cc, err := cons.Consume(pshAck(sink), jetstream.ConsumeErrHandler(sink.onErr))
	ordOK(t, err)
	for i := range 3 {
		e.publish("s.x", 10)
		sink.await(10 * (i + 1))
		reconnects := e.nc.Stats().Reconnects
		n.Proxy().Cut()
		jstest.WaitFor(t, ordWait, "the reconnect", func() bool { return e.nc.Stats().Reconnects > reconnects && e.nc.IsConnected() })
	}
	cc.Stop()
	ordClosed(t, cc)
	got := sink.got()
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, ordRange(1, 30)) {
		t.Errorf("sequences are %v", got)
	}
	if errs := sink.errors(); len(errs) != 0 {
		t.Errorf("errors: %v", errs)
	}
}

func TestPushConsumersCanBeStartedAndStoppedAtOnce(t *testing.T) {
	t.Parallel()
	e := ordStart(t)
	e.publish("s.x", 50)
	for i := range 50 {
		cons := pshConsumer(e, func(c *jetstream.ConsumerConfig) {
			c.Durable, c.DeliverSubject = fmt.Sprint("p", i), fmt.Sprint("d.", i)
			c.IdleHeartbeat = 100 * time.Millisecond
		})
		// Messages, statuses and the end come while Consume is at it.
		cc, err := cons.Consume(func(jetstream.Msg) {})
		ordOK(t, err)
		cc.Stop()
		ordClosed(t, cc)
	}
	if n := e.nc.NumSubscriptions(); n > 1 {
		t.Errorf("%d subscriptions are left, want at most that of responses", n)
	}
}
