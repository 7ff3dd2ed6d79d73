package jetstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

const msgDeadline = 15 * time.Second

// msgFetch returns the next n messages, whose subscription is gone by then.
func msgFetch(e *tpEnv, n int) []jetstream.Msg {
	e.t.Helper()
	batch, err := e.cons.Fetch(n, jetstream.FetchMaxWait(msgDeadline))
	msgs := tpBatch(e.t, batch, err)
	if len(msgs) != n {
		e.t.Fatalf("%d messages, want %d", len(msgs), n)
	}
	return msgs
}

// msgWatch subscribes to what is sent to the reply subject of messages, besides
// the server.
func msgWatch(e *tpEnv, subject string) *nats.Subscription {
	e.t.Helper()
	sub, err := e.admin.SubscribeSync(subject)
	mgOK(e.t, err)
	mgOK(e.t, e.admin.Flush())
	return sub
}

// msgSent returns the payloads seen since the last call, in order.
func msgSent(e *tpEnv, sub *nats.Subscription) []string {
	e.t.Helper()
	// The server has passed on what the client sent, and then the other
	// connection has received it.
	mgOK(e.t, e.nc.Flush())
	mgOK(e.t, e.admin.Flush())
	n, _, err := sub.Pending()
	mgOK(e.t, err)
	var sent []string
	for range n {
		m, err := sub.NextMsg(msgDeadline)
		mgOK(e.t, err)
		sent = append(sent, string(m.Data))
	}
	return sent
}

// msgFinal returns all final acknowledgements of a message.
func msgFinal(ctx context.Context, m jetstream.Msg) map[string]func() error {
	return map[string]func() error{
		"Ack":            m.Ack,
		"DoubleAck":      func() error { return m.DoubleAck(ctx) },
		"Nak":            m.Nak,
		"NakWithDelay":   func() error { return m.NakWithDelay(time.Second) },
		"Term":           m.Term,
		"TermWithReason": func() error { return m.TermWithReason("x") },
	}
}

// msgRefusesAll checks that every acknowledgement is refused.
func msgRefusesAll(t *testing.T, m jetstream.Msg) {
	t.Helper()
	for name, ack := range msgFinal(mgContext(t), m) {
		if err := ack(); err != jetstream.ErrMsgAlreadyAckd {
			t.Errorf("%s after another acknowledgement: %v", name, err)
		}
	}
	if err := m.InProgress(); err != jetstream.ErrMsgAlreadyAckd {
		t.Errorf("InProgress after an acknowledgement: %v", err)
	}
}

func TestMsgAccessorsReturnWhatWasPublished(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publishMsg(&nats.Msg{Subject: "s.a", Data: []byte("hello"), Header: nats.Header{"X-Key": {"1", "2"}, "Status": {"409"}}})
	e.publishMsg(&nats.Msg{Subject: "s.b"})
	e.published()
	msgs := msgFetch(e, 2)

	m := msgs[0]
	mgEqual(t, "subject", m.Subject(), "s.a")
	mgEqual(t, "payload", string(m.Data()), "hello")
	mgEqual(t, "header", strings.Join(m.Headers()["X-Key"], ","), "1,2")
	mgEqual(t, "publisher's own status", m.Headers().Get("Status"), "409")
	if !strings.HasPrefix(m.Reply(), "$JS.ACK."+tpStream+"."+tpConsumer+".") {
		t.Errorf("reply %q", m.Reply())
	}
	if first, second := m.Data(), m.Data(); &first[0] != &second[0] {
		t.Error("Data returns copies")
	}

	m = msgs[1]
	mgEqual(t, "subject", m.Subject(), "s.b")
	mgEqual(t, "length of an empty payload", len(m.Data()), 0)
	if m.Headers() != nil {
		t.Errorf("headers of a message without: %v", m.Headers())
	}
}

func TestMsgMetadataDescribesTheDelivery(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	before := time.Now().Add(-time.Second)
	e.publish(3)
	e.known(3)
	msgs := msgFetch(e, 3)
	for i, m := range msgs {
		md, err := m.Metadata()
		mgOK(t, err)
		if md.Timestamp.Before(before) || time.Until(md.Timestamp) > time.Second {
			t.Errorf("message %d stored at %v", i, md.Timestamp)
		}
		want := jetstream.MsgMetadata{
			Sequence:     jetstream.SequencePair{Consumer: uint64(i + 1), Stream: uint64(i + 1)},
			NumDelivered: 1, NumPending: uint64(2 - i), Timestamp: md.Timestamp,
			Stream: tpStream, Consumer: tpConsumer,
		}
		mgEqual(t, "metadata", *md, want)
	}

	mgOK(t, msgs[1].Nak())
	again := msgFetch(e, 1)[0]
	md, err := again.Metadata()
	mgOK(t, err)
	mgEqual(t, "sequences of the redelivery", md.Sequence, jetstream.SequencePair{Consumer: 4, Stream: 2})
	mgEqual(t, "deliveries", md.NumDelivered, uint64(2))

	// Each call returns a new struct, and an acknowledgement changes nothing.
	md.Stream = "changed"
	mgOK(t, again.Ack())
	fresh, err := again.Metadata()
	mgOK(t, err)
	mgEqual(t, "stream", fresh.Stream, tpStream)
}

func TestEachAckSendsItsExactPayload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, want string
		ack        func(jetstream.Msg) error
	}{
		{"Ack", "+ACK", jetstream.Msg.Ack},
		{"DoubleAck", "+ACK", func(m jetstream.Msg) error { return m.DoubleAck(context.Background()) }},
		{"Nak", "-NAK", jetstream.Msg.Nak},
		{"NakWithDelay", `-NAK {"delay": 123}`, func(m jetstream.Msg) error { return m.NakWithDelay(123) }},
		{"NakWithDelay of an hour", `-NAK {"delay": 3600000000000}`, func(m jetstream.Msg) error { return m.NakWithDelay(time.Hour) }},
		{"NakWithDelay of the longest delay", `-NAK {"delay": 9223372036854775807}`, func(m jetstream.Msg) error { return m.NakWithDelay(1<<63 - 1) }},
		{"NakWithDelay of nothing", "-NAK", func(m jetstream.Msg) error { return m.NakWithDelay(0) }},
		{"NakWithDelay of less than nothing", "-NAK", func(m jetstream.Msg) error { return m.NakWithDelay(-time.Second) }},
		{"Term", "+TERM", jetstream.Msg.Term},
		{"TermWithReason", "+TERM no such order", func(m jetstream.Msg) error { return m.TermWithReason("no such order") }},
		{"TermWithReason without one", "+TERM", func(m jetstream.Msg) error { return m.TermWithReason("") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := tpStart(t)
			e.publish(1)
			m := msgFetch(e, 1)[0]
			seen := msgWatch(e, m.Reply())
			mgOK(t, tc.ack(m))
			msgRefusesAll(t, m)
			if sent := msgSent(e, seen); len(sent) != 1 || sent[0] != tc.want {
				t.Errorf("sent %q, want only %q", sent, tc.want)
			}
		})
	}
}

func TestInProgressCanBeRepeatedUntilTheFinalAck(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(1)
	m := msgFetch(e, 1)[0]
	seen := msgWatch(e, m.Reply())
	for range 3 {
		mgOK(t, m.InProgress())
	}
	mgOK(t, m.Ack())
	msgRefusesAll(t, m)
	if got := strings.Join(msgSent(e, seen), " "); got != "+WPI +WPI +WPI +ACK" {
		t.Errorf("sent %s", got)
	}
}

func TestServerActsUponAcks(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(5)
	advisories := msgWatch(e, "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>")
	msgs := msgFetch(e, 5)
	const delay = 300 * time.Millisecond
	mgOK(t, msgs[0].DoubleAck(mgContext(t)))
	mgEqual(t, "waiting for acks after a confirmed one", e.info().NumAckPending, 4)
	mgOK(t, msgs[1].Ack())
	mgOK(t, msgs[2].Term())
	mgOK(t, msgs[3].TermWithReason("no such order"))
	start := time.Now()
	mgOK(t, msgs[4].NakWithDelay(delay))

	again := msgFetch(e, 1)[0]
	if took := time.Since(start); took < delay {
		t.Errorf("redelivered after %v, before the delay of %v", took, delay)
	}
	mgEqual(t, "redelivered message", string(again.Data()), "5")
	mgOK(t, again.DoubleAck(mgContext(t)))
	mgEqual(t, "waiting for acks at the end", e.info().NumAckPending, 0)

	reasons := make([]string, 2)
	for i := range reasons {
		adv, err := advisories.NextMsg(msgDeadline)
		mgOK(t, err)
		var body struct{ Reason string }
		mgOK(t, json.Unmarshal(adv.Data, &body))
		reasons[i] = body.Reason
	}
	mgEqual(t, "reasons of termination", strings.Join(reasons, "|"), "|no such order")
}

func TestDoubleAckWaitsForTheConfirmation(t *testing.T) {
	t.Parallel()
	// Such a consumer has nobody who listens to acks, so the test can play that
	// part.
	e := tpStart(t, tpAckNone)
	e.publish(1)
	m := msgFetch(e, 1)[0]

	mgSame(t, m.DoubleAck(mgContext(t)), nats.ErrNoResponders)

	seen := msgWatch(e, m.Reply())
	// Nothing would be sent if it were over before.
	short, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	mgIs(t, m.DoubleAck(short), context.DeadlineExceeded)
	mgIs(t, m.DoubleAck(mgExpired(t)), context.DeadlineExceeded)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	mgIs(t, m.DoubleAck(canceled), context.Canceled)
	var none context.Context
	mgIs(t, m.DoubleAck(none), nats.ErrInvalidContext)
	if sent := msgSent(e, seen); len(sent) == 0 {
		t.Error("the attempt that timed out sent nothing")
	}

	done := make(chan error, 1)
	go func() { done <- m.DoubleAck(mgContext(t)) }()
	req, err := seen.NextMsg(msgDeadline)
	mgOK(t, err)
	mgEqual(t, "request", string(req.Data), "+ACK")
	// Its fate is open, so no other may be sent, but more time may be asked for.
	for name, ack := range msgFinal(mgContext(t), m) {
		if err := ack(); err != jetstream.ErrMsgAlreadyAckd {
			t.Errorf("%s during DoubleAck: %v", name, err)
		}
	}
	mgOK(t, m.InProgress())
	if sent := msgSent(e, seen); len(sent) != 1 || sent[0] != "+WPI" {
		t.Errorf("sent %q during DoubleAck", sent)
	}
	if !tpOpen(done) {
		t.Error("DoubleAck returned before it was confirmed")
	}
	mgOK(t, req.Respond(nil))
	mgOK(t, <-done)
	msgRefusesAll(t, m)
}

func TestDoubleAckAppliesTheDefaultTimeout(t *testing.T) {
	t.Parallel()
	e := tpStart(t, tpAckNone)
	e.publish(1)
	js, err := jetstream.New(e.nc, jetstream.WithDefaultTimeout(50*time.Millisecond))
	mgOK(t, err)
	// An endless context and one that can only be canceled go different ways.
	cancelable, cancel := context.WithCancel(context.Background())
	defer cancel()
	cons, err := js.Consumer(mgContext(t), tpStream, tpConsumer)
	mgOK(t, err)
	m, err := cons.Next(jetstream.FetchMaxWait(msgDeadline))
	mgOK(t, err)
	msgWatch(e, m.Reply())
	for _, ctx := range []context.Context{context.Background(), cancelable} {
		mgIs(t, m.DoubleAck(ctx), context.DeadlineExceeded)
	}
	mgOK(t, m.Ack())
}

func TestAcksOfAckNoneConsumersAreAccepted(t *testing.T) {
	t.Parallel()
	e := tpStart(t, tpAckNone)
	e.publish(1)
	m := msgFetch(e, 1)[0]
	mgOK(t, m.InProgress())
	mgOK(t, m.Ack())
	msgRefusesAll(t, m)
}

// B60
func TestConcurrentAcksOfOneMessageSendExactlyOne(t *testing.T) {
	t.Parallel()
	const rounds = 500
	e := tpStart(t)
	e.publish(rounds)
	msgs := msgFetch(e, rounds)
	seen := msgWatch(e, "$JS.ACK.>")
	for _, m := range msgs {
		acks := msgFinal(mgContext(t), m)
		errs := make(chan error, len(acks))
		start := make(chan struct{})
		var wg sync.WaitGroup
		for _, ack := range acks {
			wg.Go(func() {
				<-start
				errs <- ack()
			})
		}
		close(start)
		wg.Wait()
		close(errs)
		succeeded := 0
		for err := range errs {
			if err == nil {
				succeeded++
			} else if err != jetstream.ErrMsgAlreadyAckd {
				t.Errorf("refused with %v", err)
			}
		}
		if succeeded != 1 {
			t.Fatalf("%d of %d concurrent acknowledgements succeeded", succeeded, len(acks))
		}
	}
	if sent := len(msgSent(e, seen)); sent != rounds {
		t.Errorf("%d acknowledgements sent for %d messages", sent, rounds)
	}
}

func TestAckThatFailedCanBeRepeated(t *testing.T) {
	t.Parallel()
	n := jstest.StartNode(t)
	// Nothing is kept for later while the connection is down.
	nc := jstest.ConnectURL(t, n.URL(), nats.ReconnectBufSize(-1))
	e := tpEnter(t, nc, jstest.ConnectURL(t, n.URL()), 1)
	e.publish(1)
	m := msgFetch(e, 1)[0]
	n.Stop()
	jstest.WaitFor(t, msgDeadline, "the connection to be lost", nc.IsReconnecting)
	for name, ack := range msgFinal(mgContext(t), m) {
		if err := ack(); !errors.Is(err, nats.ErrReconnectBufExceeded) {
			t.Errorf("%s while disconnected: %v", name, err)
		}
	}
	if err := m.InProgress(); !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("InProgress while disconnected: %v", err)
	}
	n.Start()
	jstest.WaitFor(t, msgDeadline, "both connections", func() bool { return nc.IsConnected() && e.admin.IsConnected() })
	// The consumer may be back later than its connections.
	jstest.WaitFor(t, msgDeadline, "the ack to be confirmed", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := m.DoubleAck(ctx)
		if err != nil && !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		return err == nil
	})
	msgRefusesAll(t, m)
	mgEqual(t, "waiting for acks", e.info().NumAckPending, 0)
}

func TestAcksOverAClosedConnectionFail(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(1)
	m := msgFetch(e, 1)[0]
	e.nc.Close()
	for range 2 {
		for name, ack := range msgFinal(mgContext(t), m) {
			if err := ack(); !errors.Is(err, nats.ErrConnectionClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := m.InProgress(); !errors.Is(err, nats.ErrConnectionClosed) {
			t.Errorf("InProgress: %v", err)
		}
	}
}

func TestAckAfterConsumingHasStopped(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(1)
	got := make(chan jetstream.Msg, 1)
	cc, err := e.cons.Consume(func(m jetstream.Msg) { got <- m })
	mgOK(t, err)
	m := <-got
	cc.Stop()
	tpDone(t, "the end of consuming", cc.Closed())
	mgOK(t, m.DoubleAck(mgContext(t)))
	mgEqual(t, "waiting for acks", e.info().NumAckPending, 0)
}
