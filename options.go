package jetstream

import (
	"fmt"
	"time"
)

// DefaultAPIPrefix starts the subject of every JetStream API request unless
// the handle was made with a domain or a prefix of its own.
const DefaultAPIPrefix = "$JS.API."

const (
	// defaultAPITimeout bounds a request whose context has no deadline.
	defaultAPITimeout = 5 * time.Second

	// defaultAsyncMaxPending is how many async publishes may await their
	// acknowledgement at once.
	defaultAsyncMaxPending = 4000
)

// JetStreamOpt configures a [JetStream] handle in [New], [NewWithAPIPrefix] or
// [NewWithDomain]. Options are applied in the order given; the first one that
// fails ends the construction with its error.
type JetStreamOpt func(*JetStreamOptions) error

// JetStreamOptions holds what a [JetStream] handle was configured with, as
// returned by [JetStream.Options].
type JetStreamOptions struct {
	// APIPrefix is the prefix given to [NewWithAPIPrefix], exactly as given,
	// and empty otherwise.
	APIPrefix string

	// Domain is the domain given to [NewWithDomain], and empty otherwise.
	Domain string

	// DefaultTimeout bounds each request whose context carries no deadline
	// (5 seconds unless set by [WithDefaultTimeout]).
	DefaultTimeout time.Duration

	// ClientTrace holds the callbacks set by [WithClientTrace], or is nil.
	ClientTrace *ClientTrace

	async asyncOptions
}

// asyncOptions is the part of [JetStreamOptions] the async publisher reads.
type asyncOptions struct {
	maxPending int
	ackTimeout time.Duration
	onErr      MsgErrHandler
	onAck      MsgAckHandler
}

// invalidOption reports a refused option; the result wraps [ErrInvalidOption].
func invalidOption(detail string) error {
	return fmt.Errorf("%w: %s", ErrInvalidOption, detail)
}

// WithClientTrace registers callbacks that see every API request of the handle
// and the response to it. Publishes, acknowledgements and pull requests are not
// traced. The struct is not copied, so it must not be changed while the handle is
// in use. The callbacks run on the calling goroutine, and concurrently when the
// handle is used concurrently. A nil ct turns tracing off.
func WithClientTrace(ct *ClientTrace) JetStreamOpt {
	return func(opts *JetStreamOptions) error {
		opts.ClientTrace = ct
		return nil
	}
}

// WithDefaultTimeout sets the time limit of requests whose context has no
// deadline. The default is 5 seconds; a timeout that is not positive is refused
// with [ErrInvalidOption].
func WithDefaultTimeout(timeout time.Duration) JetStreamOpt {
	return func(opts *JetStreamOptions) error {
		if timeout <= 0 {
			return invalidOption("timeout value must be greater than 0")
		}
		opts.DefaultTimeout = timeout
		return nil
	}
}

// WithPublishAsyncErrHandler sets the callback for async publishes that failed,
// whatever the reason: refused by the stream, not acknowledged in time, cut off
// by a lost connection or by [Publisher.CleanupPublisher]. It gets the message
// as it was published and the error its future resolved with. No lock is held
// while it runs, so it may block and may publish again.
func WithPublishAsyncErrHandler(cb MsgErrHandler) JetStreamOpt {
	return func(opts *JetStreamOptions) error {
		opts.async.onErr = cb
		return nil
	}
}

// WithPublishAsyncAckHandler sets the callback for acknowledged async
// publishes. It runs once for each, in the order in which acknowledgements
// arrive and after the future has resolved. While it runs, no further
// acknowledgement of the handle is processed.
func WithPublishAsyncAckHandler(cb MsgAckHandler) JetStreamOpt {
	return func(opts *JetStreamOptions) error {
		opts.async.onAck = cb
		return nil
	}
}

// WithPublishAsyncMaxPending limits how many async publishes may await their
// acknowledgement at once (4000 unless set). At the limit, publishing waits for
// room, see [WithStallWait]. Less than 1 is refused with [ErrInvalidOption].
func WithPublishAsyncMaxPending(max int) JetStreamOpt {
	return func(opts *JetStreamOptions) error {
		if max < 1 {
			return invalidOption("max ack pending should be >= 1")
		}
		opts.async.maxPending = max
		return nil
	}
}

// WithPublishAsyncTimeout limits how long an async publish awaits its
// acknowledgement, counted from each time the message is sent. A publish that
// exceeds it fails with [ErrAsyncPublishTimeout]; whether the message was stored
// is then unknown, unless the error matches [nats.ErrPermissionViolation] too. Zero
// or less, the default, means no limit.
func WithPublishAsyncTimeout(dur time.Duration) JetStreamOpt {
	return func(opts *JetStreamOptions) error {
		opts.async.ackTimeout = dur
		return nil
	}
}
