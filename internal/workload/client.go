package workload

import (
	"context"
	"io"
	"time"

	"github.com/nats-io/nats.go"
)

// Impl is what does the work of a workload: this project's package, the
// reference, or a bare connection.
type Impl struct {
	Name string

	client func(*nats.Conn, options) (client, error)
	// bare tells to use the connection alone, where the workload can.
	bare bool
}

// Ours returns this project's package, as an implementation to compare.
func Ours() Impl {
	return Impl{Name: "ours", client: func(nc *nats.Conn, o options) (client, error) { return newOurs(nc, o) }}
}

// Ref returns the reference, as an implementation to compare with.
func Ref() Impl {
	return Impl{Name: "ref", client: func(nc *nats.Conn, o options) (client, error) { return newRef(nc, o) }}
}

// Limit returns the least that can be done for the same data: the work of a
// core connection without a package on top. Only a [Workload] with HasLimit
// knows how.
func Limit() Impl {
	impl := Ours()
	impl.Name, impl.bare = "limit", true
	return impl
}

// options are what some workloads set on the handle of an implementation. Zero
// leaves the implementation's default.
type options struct {
	ackTimeout time.Duration
	maxPending int
}

// pullLimits are what some workloads set on Messages. Zero leaves the default.
type pullLimits struct {
	messages, bytes int
}

// The interfaces below are what workloads use of an implementation. They have
// callbacks in place of channels, batches and results, because these have a type
// of their own in each implementation. Nothing in between allocates per message.
type (
	client interface {
		publish(ctx context.Context, subject string, data []byte) (seq uint64, err error)
		// publishAsync reports a publish that was refused for lack of room as
		// stalled.
		publishAsync(subject string, data []byte) (stalled bool, err error)
		publishMsgAsync(msg *nats.Msg, id string) (stalled bool, err error)
		// publishAwaited is publishAsync that keeps the future for await.
		publishAwaited(subject string, data []byte) (stalled bool, err error)
		// await calls each with the sequences of all that publishAwaited has
		// published since the last call, in that order.
		await(each func(seq uint64) error) error
		complete() <-chan struct{}

		stream(ctx context.Context, name string) (stream, error)
		streamInfos(ctx context.Context, each func(name string)) error
		createConsumer(ctx context.Context, stream, name string) error
		deleteConsumer(ctx context.Context, stream, name string) error

		consumer(ctx context.Context, stream, name string) (consumer, error)
		ordered(ctx context.Context, stream string) (consumer, error)
		push(ctx context.Context, stream, name string) (consuming, error)

		createBucket(ctx context.Context, name string) error
		bucket(ctx context.Context, name string) (bucket, error)
		store(ctx context.Context, name string) (objectStore, error)
	}

	stream interface {
		getMsg(ctx context.Context, seq uint64) ([]byte, error)
	}

	consuming interface {
		// consume calls the handler until stop is called, which waits for the
		// end.
		consume(handler func(message)) (stop func(), err error)
	}

	consumer interface {
		consuming
		fetch(n int, each func(message) error) error
		fetchNoWait(n int, each func(message) error) error
		fetchBytes(n int, each func(message) error) error
		next() (message, error)
		messages(limits pullLimits) (iterator, error)
		// sequence returns the stream sequence that the metadata of msg tell.
		sequence(msg message) (uint64, error)
		info(ctx context.Context) (name string, err error)
	}

	iterator interface {
		next() (message, error)
		stop()
	}

	message interface {
		Data() []byte
		Ack() error
		DoubleAck(ctx context.Context) error
	}

	bucket interface {
		put(ctx context.Context, key string, value []byte) (revision uint64, err error)
		update(ctx context.Context, key string, value []byte, last uint64) (revision uint64, err error)
		get(ctx context.Context, key string) ([]byte, error)
		keys(ctx context.Context) ([]string, error)
		// listKeys calls each with all keys.
		listKeys(ctx context.Context, each func(key string)) error
		// watch calls each with the last value of all keys, and returns with
		// the watch still running.
		watch(ctx context.Context, each func(key string, value []byte)) (stop func() error, err error)
	}

	objectStore interface {
		put(ctx context.Context, name string, content io.Reader) error
		get(ctx context.Context, name string) (io.ReadCloser, error)
		getBytes(ctx context.Context, name string) ([]byte, error)
	}
)
