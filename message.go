package jetstream

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Msg is a message delivered by a consumer. Its accessors and acknowledgement
// methods are safe for concurrent use. An acknowledgement may be sent at any
// time while the connection lives, also after the consuming that delivered the
// message was stopped.
//
// All acknowledgements but [Msg.InProgress] are final: of those, one can
// succeed for a message, and further ones return [ErrMsgAlreadyAckd]. An attempt
// that failed does not count. They return [ErrMsgNotBound] for a message that
// did not come from a subscription and [ErrMsgNoReply] for one without a reply
// subject. Apart from [Msg.DoubleAck] they are sent without waiting for the
// server, so a nil error says that the acknowledgement is on its way.
type Msg interface {
	// Metadata returns what the server put into the reply subject of the
	// message: sequences, number of deliveries, time stored, messages left. It
	// returns [ErrNotJSMessage] when the reply subject is not one of JetStream.
	// Each call returns a new struct.
	Metadata() (*MsgMetadata, error)

	// Data returns the payload. It is not a copy.
	Data() []byte

	// Headers returns the headers, or nil when there are none. The map is not a
	// copy.
	Headers() nats.Header

	// Subject returns the subject the message was published to.
	Subject() string

	// Reply returns the subject to which acknowledgements go.
	Reply() string

	// Ack tells the server that the message is processed and is not to be
	// delivered again.
	Ack() error

	// DoubleAck is Ack, and waits until the server has confirmed it. A context
	// without deadline gets the default timeout of the JetStream handle. When it
	// fails, whether the server got the acknowledgement is not known and the
	// message may be acknowledged again.
	DoubleAck(context.Context) error

	// Nak asks the server to deliver the message again, as soon as it can.
	Nak() error

	// NakWithDelay is Nak with a redelivery no sooner than after delay. A delay
	// that is not positive is none.
	NakWithDelay(delay time.Duration) error

	// InProgress tells the server that the message is still being worked on and
	// restarts its AckWait. It may be sent any number of times before the final
	// acknowledgement.
	InProgress() error

	// Term tells the server not to deliver the message again, whatever
	// MaxDeliver says, without counting it as processed.
	Term() error

	// TermWithReason is Term with a reason, which the server puts into the
	// advisory it sends about the terminated message.
	TermWithReason(reason string) error
}

// MsgMetadata is what the server says about a delivery, see [Msg.Metadata].
type MsgMetadata struct {
	// Sequence is the position of the message in the stream and of this
	// delivery among those of the consumer.
	Sequence SequencePair

	// NumDelivered counts the deliveries of the message by this consumer, this
	// one included. It starts at 1.
	NumDelivered uint64

	// NumPending is the number of messages that matched the consumer's filter
	// and were not yet delivered when this one was.
	NumPending uint64

	// Timestamp is when the stream stored the message.
	Timestamp time.Time

	// Stream is the name of the stream.
	Stream string

	// Consumer is the name of the consumer.
	Consumer string

	// Domain is the JetStream domain of the server, empty when it has none.
	Domain string
}

// SequencePair is a position in a consumer's deliveries and in its stream.
type SequencePair struct {
	// Consumer counts the deliveries of the consumer, redeliveries included.
	Consumer uint64 `json:"consumer_seq"`

	// Stream is the sequence of the message in the stream.
	Stream uint64 `json:"stream_seq"`
}

// MessageHandler is called with each message, see [Consumer.Consume].
type MessageHandler func(msg Msg)

// How far the final acknowledgement of a message has come.
const (
	ackNone    int32 = iota // may be sent
	ackSending              // being sent; reverts to ackNone when that fails
	ackSent                 // sent; no other is accepted
)

var (
	ackPayload        = []byte("+ACK")
	nakPayload        = []byte("-NAK")
	inProgressPayload = []byte("+WPI")
	termPayload       = []byte("+TERM")
)

// jetStreamMsg implements [Msg].
type jetStreamMsg struct {
	js    *jetStream
	msg   *nats.Msg
	acked atomic.Int32
}

var _ Msg = (*jetStreamMsg)(nil)

// msgSlab makes messages. It is not safe for concurrent use.
type msgSlab struct{ slab[jetStreamMsg] }

// wrap returns the message of this package for one of core.
func (s *msgSlab) wrap(js *jetStream, m *nats.Msg) *jetStreamMsg {
	msg := s.next(len(m.Data))
	msg.js, msg.msg = js, m
	return msg
}

func (m *jetStreamMsg) Data() []byte         { return m.msg.Data }
func (m *jetStreamMsg) Headers() nats.Header { return m.msg.Header }
func (m *jetStreamMsg) Subject() string      { return m.msg.Subject }
func (m *jetStreamMsg) Reply() string        { return m.msg.Reply }

func (m *jetStreamMsg) Metadata() (*MsgMetadata, error) {
	if err := m.checkReply(); err != nil {
		return nil, err
	}
	var reply ackReply
	if err := reply.parse(m.msg.Reply); err != nil {
		return nil, err
	}
	return &MsgMetadata{
		Sequence: SequencePair{
			Consumer: reply.consumerSequence(),
			Stream:   reply.streamSequence(),
		},
		NumDelivered: reply.number(ackDelivered),
		NumPending:   reply.number(ackPending),
		Timestamp:    time.Unix(0, int64(reply.number(ackTimestamp))),
		Stream:       reply.token(ackStream),
		Consumer:     reply.token(ackConsumer),
		Domain:       reply.domain(),
	}, nil
}

func (m *jetStreamMsg) Ack() error  { return m.ack(ackPayload) }
func (m *jetStreamMsg) Nak() error  { return m.ack(nakPayload) }
func (m *jetStreamMsg) Term() error { return m.ack(termPayload) }

func (m *jetStreamMsg) NakWithDelay(delay time.Duration) error {
	if delay <= 0 {
		return m.ack(nakPayload)
	}
	body := make([]byte, 0, 40)
	body = append(body, `-NAK {"delay": `...)
	body = strconv.AppendInt(body, delay.Nanoseconds(), 10)
	return m.ack(append(body, '}'))
}

func (m *jetStreamMsg) TermWithReason(reason string) error {
	if reason == "" {
		return m.ack(termPayload)
	}
	return m.ack([]byte("+TERM " + reason))
}

func (m *jetStreamMsg) InProgress() error {
	if err := m.checkReply(); err != nil {
		return err
	}
	if m.acked.Load() == ackSent {
		return ErrMsgAlreadyAckd
	}
	return m.js.conn.Publish(m.msg.Reply, inProgressPayload)
}

func (m *jetStreamMsg) DoubleAck(ctx context.Context) error {
	if err := m.beginAck(ackSending); err != nil {
		return err
	}
	err := m.requestAck(ctx)
	if err != nil {
		m.acked.Store(ackNone)
	} else {
		m.acked.Store(ackSent)
	}
	return err
}

func (m *jetStreamMsg) requestAck(ctx context.Context) error {
	until, err := m.js.bound(ctx)
	if err != nil {
		return err
	}
	_, err = m.js.roundTrip(ctx, until, &nats.Msg{Subject: m.msg.Reply, Data: ackPayload})
	return err
}

// ack sends a final acknowledgement.
func (m *jetStreamMsg) ack(body []byte) error {
	// Core takes it or refuses it.
	if err := m.beginAck(ackSent); err != nil {
		return err
	}
	err := m.js.conn.Publish(m.msg.Reply, body)
	if err != nil {
		m.acked.Store(ackNone)
	}
	return err
}

// beginAck claims the right to send the final acknowledgement. A second one
// that is attempted meanwhile is refused: should the first one fail, its caller
// is told and may try again.
func (m *jetStreamMsg) beginAck(as int32) error {
	if err := m.checkReply(); err != nil {
		return err
	}
	if !m.acked.CompareAndSwap(ackNone, as) {
		return ErrMsgAlreadyAckd
	}
	return nil
}

// checkReply reports why the message cannot be acknowledged, or nil.
func (m *jetStreamMsg) checkReply() error {
	switch {
	case m == nil || m.msg == nil || m.msg.Sub == nil:
		return ErrMsgNotBound
	case m.msg.Reply == "":
		return ErrMsgNoReply
	default:
		return nil
	}
}
