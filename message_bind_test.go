package jetstream

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/jstest"
)

// msgCalls are all methods of a message that need its reply subject.
func msgCalls(m Msg) map[string]func() error {
	return map[string]func() error{
		"Metadata":       func() error { _, err := m.Metadata(); return err },
		"Ack":            m.Ack,
		"DoubleAck":      func() error { return m.DoubleAck(context.Background()) },
		"Nak":            m.Nak,
		"NakWithDelay":   func() error { return m.NakWithDelay(time.Second) },
		"InProgress":     m.InProgress,
		"Term":           m.Term,
		"TermWithReason": func() error { return m.TermWithReason("x") },
	}
}

func TestMessagesThatCannotBeAcknowledged(t *testing.T) {
	t.Parallel()
	sub := new(nats.Subscription)
	for _, tc := range []struct {
		name string
		msg  *jetStreamMsg
		want error
	}{
		{"no message", nil, ErrMsgNotBound},
		{"nothing in it", &jetStreamMsg{}, ErrMsgNotBound},
		{"no subscription", &jetStreamMsg{msg: &nats.Msg{Reply: ackShortReply}}, ErrMsgNotBound},
		{"neither subscription nor reply", &jetStreamMsg{msg: &nats.Msg{}}, ErrMsgNotBound},
		{"no reply", &jetStreamMsg{msg: &nats.Msg{Sub: sub}}, ErrMsgNoReply},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for name, call := range msgCalls(tc.msg) {
				if err := call(); err != tc.want {
					t.Errorf("%s: %v, want %v", name, err, tc.want)
				}
			}
		})
	}
	acked := &jetStreamMsg{msg: &nats.Msg{}}
	acked.acked.Store(ackSent)
	if err := acked.Ack(); err != ErrMsgNotBound {
		t.Errorf("being acknowledged goes before not being bound: %v", err)
	}
}

func TestMsgMetadataOfBothReplyLayouts(t *testing.T) {
	t.Parallel()
	want := MsgMetadata{
		Sequence:     SequencePair{Consumer: 57, Stream: 42},
		NumDelivered: 3, NumPending: 12,
		Timestamp: time.Unix(1700000000, 123456789),
		Stream:    "ORDERS", Consumer: "worker",
	}
	for reply, domain := range map[string]string{
		ackShortReply: "",
		ackLongReply:  "hub",
		"$JS.ACK._.ACCHASH.ORDERS.worker.3.42.57.1700000000123456789.12.rnd": "",
	} {
		m := &jetStreamMsg{msg: &nats.Msg{Sub: new(nats.Subscription), Reply: reply}}
		got, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		want.Domain = domain
		if *got != want {
			t.Errorf("%s: %+v", reply, *got)
		}
		if got.Timestamp.Location() != time.Local {
			t.Errorf("time in %v", got.Timestamp.Location())
		}
		again, err := m.Metadata()
		if err != nil || again == got {
			t.Errorf("a second call returns the same struct, or %v", err)
		}
	}
	m := &jetStreamMsg{msg: &nats.Msg{Sub: new(nats.Subscription), Reply: "_INBOX.x"}}
	if got, err := m.Metadata(); got != nil || !errors.Is(err, ErrNotJSMessage) {
		t.Errorf("metadata of an ordinary request: %v, %v", got, err)
	}
}

func TestAcksGoToAReplyWithDomain(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	js, err := newJetStream(jstest.Connect(t, s), nil)
	if err != nil {
		t.Fatal(err)
	}
	replies, err := js.conn.SubscribeSync(ackLongReply)
	if err != nil {
		t.Fatal(err)
	}
	m := &jetStreamMsg{js: js, msg: &nats.Msg{Sub: replies, Reply: ackLongReply}}
	if err := m.NakWithDelay(time.Second); err != nil {
		t.Fatal(err)
	}
	got, err := replies.NextMsg(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if want := `-NAK {"delay": 1000000000}`; string(got.Data) != want {
		t.Errorf("sent %q, want %q", got.Data, want)
	}
}

func TestMsgSlabMakesDistinctMessages(t *testing.T) {
	t.Parallel()
	const n = 5 * slabMax
	js := new(jetStream)
	var slab msgSlab
	var msgs []*jetStreamMsg
	core := make([]nats.Msg, n)
	for i := range core {
		msgs = append(msgs, slab.wrap(js, &core[i]))
	}
	seen := make(map[*jetStreamMsg]bool, n)
	for i, m := range msgs {
		if seen[m] {
			t.Fatalf("message %d is one that was handed out before", i)
		}
		seen[m] = true
		if m.js != js || m.msg != &core[i] {
			t.Errorf("message %d has the parts of another", i)
		}
		if !m.acked.CompareAndSwap(ackNone, ackSent) {
			t.Errorf("message %d shares its acknowledgement", i)
		}
	}
}

func TestMsgSlabGrowsFromOneToItsMaximum(t *testing.T) {
	t.Parallel()
	var slab msgSlab
	var sizes []int
	for len(sizes) < 7 {
		fresh := slab.used == len(slab.values)
		slab.wrap(nil, &nats.Msg{})
		if fresh {
			sizes = append(sizes, len(slab.values))
		}
	}
	for i, want := range []int{1, 2, 4, 8, 16, slabMax, slabMax} {
		if sizes[i] != want {
			t.Fatalf("slabs of %v", sizes)
		}
	}
}

func TestMsgSlabLetsLargePayloadsStandAlone(t *testing.T) {
	t.Parallel()
	var slab msgSlab
	for len(slab.values) < slabMax {
		slab.wrap(nil, &nats.Msg{})
	}
	used := slab.used
	for size, shared := range map[int]bool{0: true, slabPayload: true, slabPayload + 1: false, 1 << 20: false} {
		data := bytes.Repeat([]byte("x"), size)
		m := slab.wrap(nil, &nats.Msg{Data: data})
		if shared {
			used++
		}
		if slab.used != used {
			t.Errorf("payload of %d bytes: %d places of the slab are used, want %d", size, slab.used, used)
		}
		if !bytes.Equal(m.Data(), data) {
			t.Errorf("payload of %d bytes is another", size)
		}
	}
}

// Not parallel, since allocations of other tests would be counted.
func TestMsgSlabSparesAllocations(t *testing.T) {
	var slab msgSlab
	core := new(nats.Msg)
	for len(slab.values) < slabMax {
		slab.wrap(nil, core)
	}
	var kept *jetStreamMsg
	allocs := testing.AllocsPerRun(50, func() {
		for range slabMax {
			kept = slab.wrap(nil, core)
		}
	})
	if kept == nil || allocs != 1 {
		t.Errorf("%v allocations for %d messages, want 1", allocs, slabMax)
	}
}
