package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Publisher publishes to streams. Which stream stores a message follows from its
// subject alone; the subject is used as it is, whatever domain or API prefix the
// [JetStream] handle has. All methods are safe for concurrent use.
//
// A publish to a subject that no stream listens on, or whose stream is without
// a leader at the moment, is repeated a few times (see [WithRetryAttempts] and
// [WithRetryWait]) and then fails with [ErrNoStreamResponse]. What a stream
// refuses fails with an error that errors.As finds an *[APIError] in.
//
// Options that stand for headers are set on the message that is passed in, and
// stay there.
type Publisher interface {
	// Publish stores payload under subject and returns once the stream has
	// acknowledged it. It blocks until then or until ctx ends; a ctx without
	// deadline gets the default timeout of the handle. The time includes all
	// attempts.
	//
	// When ctx ends first, its error is returned as it is, and whether the
	// message was or will be stored is unknown: it can be in flight, or in the
	// buffer of a connection that is being re-established. Only publish it again
	// with the same message ID (see [WithMsgID]), or if duplicates do no harm.
	//
	// Errors of the connection come back as they are: [nats.ErrBadSubject],
	// [nats.ErrConnectionClosed], [nats.ErrDisconnected], [nats.ErrMaxPayload]
	// and so on. An answer that is not an acknowledgement is [ErrInvalidJSAck].
	Publish(ctx context.Context, subject string, payload []byte, opts ...PublishOpt) (*PubAck, error)

	// PublishMsg is [Publisher.Publish] for a message with headers. A reply
	// subject of the message is ignored. A nil message is [nats.ErrInvalidMsg].
	PublishMsg(ctx context.Context, msg *nats.Msg, opts ...PublishOpt) (*PubAck, error)

	// PublishAsync sends payload to subject and returns without waiting for the
	// acknowledgement, which the future delivers. It only blocks when as many
	// messages as allowed await theirs ([WithPublishAsyncMaxPending]), and fails
	// with [ErrTooManyStalledMsgs] if no room comes up in time ([WithStallWait]).
	// An error means that there is no future, that handlers will not be called
	// and that nothing was sent.
	//
	// A future resolves with [nats.ErrDisconnected] when the connection is lost
	// before the acknowledgement came, and with [nats.ErrConnectionClosed] when
	// it is closed; the message may be stored nevertheless. There is no limit to
	// the time an acknowledgement takes unless [WithPublishAsyncTimeout] sets one.
	//
	// The payload is not copied and must not change until the future has
	// resolved, unless retries are turned off ([WithRetryAttempts]). A retry that
	// finds it changed fails the future with [ErrNoStreamResponse] rather than
	// store something that was never published.
	PublishAsync(subject string, payload []byte, opts ...PublishOpt) (PubAckFuture, error)

	// PublishMsgAsync is [Publisher.PublishAsync] for a message with headers.
	// The message must have no reply subject ([ErrAsyncPublishReplySubjectSet])
	// and must not be nil ([nats.ErrInvalidMsg]). It may be changed and published
	// again right after the call, as long as the bytes of the payload stay as
	// they are; but the future and the handlers refer to it, not to a copy.
	PublishMsgAsync(msg *nats.Msg, opts ...PublishOpt) (PubAckFuture, error)

	// PublishAsyncPending returns the number of async publishes that are neither
	// acknowledged nor failed, including those that wait for a retry.
	PublishAsyncPending() int

	// PublishAsyncComplete returns a channel that is closed once no async publish
	// is pending and the handlers of all of them have returned; messages that a
	// handler published count too. It is closed already if nothing is pending. A
	// handler that waits for it waits for itself.
	PublishAsyncComplete() <-chan struct{}

	// CleanupPublisher releases what async publishing holds on to: the
	// subscription for acknowledgements and its part in watching the connection.
	// Pending publishes fail with [ErrJetStreamPublisherClosed], the channel of
	// PublishAsyncComplete is closed, and then the error handler is called for
	// each of them before the method returns. The handle stays usable: the next
	// async publish starts afresh.
	CleanupPublisher()
}

func (js *jetStream) Publish(ctx context.Context, subject string, payload []byte, opts ...PublishOpt) (*PubAck, error) {
	return js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: payload}, opts...)
}

func (js *jetStream) PublishMsg(ctx context.Context, msg *nats.Msg, opts ...PublishOpt) (*PubAck, error) {
	if msg == nil {
		return nil, nats.ErrInvalidMsg
	}
	o, err := collectPubOpts(opts)
	if err != nil {
		return nil, err
	}
	defer o.release()
	if o.stallWait != 0 {
		return nil, invalidOption("stall wait cannot be set to sync publish")
	}
	if ctx == nil {
		return nil, nats.ErrInvalidContext
	}
	o.setHeader(msg)
	ack, err := js.publishSync(ctx, msg, o.retryAttempts, o.retryWait)
	if err != nil {
		return nil, err
	}
	return ack.pubAck(), nil
}

// publishSync publishes msg and waits for the acknowledgement. While nobody
// responds, it tries again as often as retries says, with a pause of wait.
func (js *jetStream) publishSync(ctx context.Context, msg *nats.Msg, retries int, wait time.Duration) (ackValue, error) {
	until, err := js.bound(ctx)
	if err != nil {
		return ackValue{}, err
	}
	resp, err := js.roundTrip(ctx, until, msg)
	for ; errors.Is(err, nats.ErrNoResponders); retries-- {
		if retries == 0 {
			return ackValue{}, ErrNoStreamResponse
		}
		if !until.IsZero() {
			// The round trip reports that the time is over.
			wait = min(wait, time.Until(until))
		}
		if err := sleepContext(ctx, wait); err != nil {
			return ackValue{}, err
		}
		resp, err = js.roundTrip(ctx, until, msg)
	}
	if err != nil {
		return ackValue{}, err
	}
	ack, err := js.async.parseAck(resp.Data)
	if err != nil {
		if apiErr, ok := err.(*APIError); ok {
			// The text carries the prefix twice; callers have come to match on it.
			return ackValue{}, fmt.Errorf("nats: %w", apiErr)
		}
		return ackValue{}, err
	}
	return ack, nil
}

// sleepContext waits for d. If ctx ends before, it returns the context's error.
func sleepContext(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
