package jetstream

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// PubAckFuture stands for the outcome of an async publish. It resolves once,
// either with an acknowledgement or with an error, and is safe for concurrent
// use.
type PubAckFuture interface {
	// Ok returns the channel on which the acknowledgement arrives, if the publish
	// succeeds. It is the same channel each time, delivers one value to one
	// receiver, and is never closed.
	Ok() <-chan *PubAck

	// Err returns the channel on which the error arrives, if the publish fails:
	// the *[APIError] of a stream that refused the message, [ErrNoStreamResponse],
	// [ErrInvalidJSAck], [ErrAsyncPublishTimeout], [ErrJetStreamPublisherClosed],
	// [nats.ErrDisconnected], [nats.ErrConnectionClosed], or the error with which
	// a retry could not be sent. It is the same channel each time, delivers one
	// value to one receiver, and is never closed.
	Err() <-chan error

	// Msg returns the message: the one given to PublishMsgAsync, or one made by
	// PublishAsync, which must not be changed before the future has resolved. It
	// can be published again as it is.
	Msg() *nats.Msg
}

// MsgErrHandler is called for async publishes that failed, see
// [WithPublishAsyncErrHandler].
type MsgErrHandler func(JetStream, *nats.Msg, error)

// MsgAckHandler is called for async publishes that were acknowledged, see
// [WithPublishAsyncAckHandler].
type MsgAckHandler func(JetStream, *nats.Msg, *PubAck)

// pubFuture implements [PubAckFuture] and is all that is kept per message, in a
// single allocation.
type pubFuture struct {
	// msg is what Msg returns: own, or the caller's message.
	msg *nats.Msg

	// own is what a retry sends. Of a message that belongs to the caller, who may
	// change it after the call, it has subject and payload; header is a copy of
	// the rest. It never has a reply subject.
	own    nats.Msg
	header []headerLine

	// digest tells whether the payload still is what was published.
	digest uint64

	retryWait time.Duration

	// The rest up to the mutex is guarded by that of the publisher.

	token      ackToken
	due        time.Duration
	next, prev *pubFuture
	retries    int32 // left
	retrying   bool  // in the list of that name, otherwise awaiting or in none

	mu sync.Mutex

	// The channels are made when asked for, which many callers never do.
	ok     chan *PubAck
	failed chan error

	// The outcome: ack.origin or err is not nil once there is one.
	ack ackValue
	err error
}

var _ PubAckFuture = (*pubFuture)(nil)

// newPubFuture returns the future for a message that belongs to the caller and is
// going to have further headers, up to the given number.
func newPubFuture(msg *nats.Msg, headers int) *pubFuture {
	if len(msg.Header)+headers == 0 {
		return &pubFuture{msg: msg}
	}
	f := &struct {
		pubFuture
		few [4]headerLine
	}{}
	f.msg, f.header = msg, f.few[:0]
	return &f.pubFuture
}

func (f *pubFuture) Msg() *nats.Msg { return f.msg }

func (f *pubFuture) Ok() <-chan *PubAck {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ok == nil {
		f.ok = make(chan *PubAck, 1)
		if f.ack.origin != nil {
			f.ok <- f.ack.pubAck()
		}
	}
	return f.ok
}

func (f *pubFuture) Err() <-chan error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil {
		f.failed = make(chan error, 1)
		if f.err != nil {
			f.failed <- f.err
		}
	}
	return f.failed
}

// resolve sets the outcome. It must be called once, and never blocks.
func (f *pubFuture) resolve(ack ackValue, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ack, f.err = ack, err
	switch {
	case err != nil && f.failed != nil:
		f.failed <- err
	case err == nil && f.ok != nil:
		// Not a pointer into f: whoever keeps the acknowledgement should not keep
		// the message with it.
		f.ok <- ack.pubAck()
	}
}

// outcome returns the sequence of the stored message or why there is none, once it
// is known. Unlike the channels, it costs nothing, and tells as often as it is
// asked.
func (f *pubFuture) outcome() (seq uint64, done bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ack.seq, f.ack.origin != nil || f.err != nil, f.err
}

// largePayload is from where on CRC-32C, which processors compute, is faster than
// the hash of maps.
const largePayload = 1 << 10

var (
	payloadSeed = maphash.MakeSeed()
	payloadCRC  = crc32.MakeTable(crc32.Castagnoli)
)

// payloadDigest tells whether a payload has changed. A CRC misses one change in four
// billion, and none that is within 32 bits.
func payloadDigest(payload []byte) uint64 {
	if len(payload) < largePayload {
		return maphash.Bytes(payloadSeed, payload)
	}
	return uint64(crc32.Checksum(payload, payloadCRC))
}

// keep records what a retry needs. The payload is not copied, which would cost
// every publish for the sake of the few that are repeated; the digest sees to it
// that a retry stores what was published or nothing.
func (f *pubFuture) keep(o *pubOpts) {
	f.retries, f.retryWait = int32(min(o.retryAttempts, math.MaxInt32)), o.retryWait
	if f.retries == 0 {
		return
	}
	f.digest = payloadDigest(f.msg.Data)
	if f.msg == &f.own {
		return
	}
	f.own.Subject, f.own.Data = f.msg.Subject, f.msg.Data
	if len(f.msg.Header) == 0 {
		return
	}
	f.header = slices.Grow(f.header, len(f.msg.Header))
	for name, values := range f.msg.Header {
		for _, value := range values {
			f.header = append(f.header, headerLine{name, value})
		}
	}
}

// retryMsg returns a message of its own to be sent once more.
func (f *pubFuture) retryMsg() (*nats.Msg, error) {
	// The copy, not the original, is compared: the caller may be writing to it.
	m := &nats.Msg{Subject: f.own.Subject, Header: f.own.Header, Data: bytes.Clone(f.own.Data)}
	if payloadDigest(m.Data) != f.digest {
		return nil, fmt.Errorf("%w: payload changed before it was sent again", ErrNoStreamResponse)
	}
	if len(f.header) > 0 {
		m.Header = make(nats.Header, len(f.header))
		for _, line := range f.header {
			m.Header[line.name] = append(m.Header[line.name], line.value)
		}
	}
	return m, nil
}
