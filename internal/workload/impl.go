package workload

import (
	"context"
	"errors"
	"io"

	"github.com/nats-io/nats.go"
	ref "github.com/nats-io/nats.go/jetstream"

	"example.com/jetstream"
)

// Impl is one of the implementations that are compared.
type Impl struct {
	Name string

	publisher func(*nats.Conn) (publisher, error)
	consumer  func(ctx context.Context, nc *nats.Conn, stream, name string) (consumer, error)
	bucket    func(ctx context.Context, nc *nats.Conn, name string) (bucket, error)
	objects   func(ctx context.Context, nc *nats.Conn, bucket string) (objectStore, error)
}

// Ours returns this project's package, as an implementation to compare.
func Ours() Impl {
	return Impl{
		Name: "ours",
		publisher: func(nc *nats.Conn) (publisher, error) {
			js, err := jetstream.New(nc)
			if err != nil {
				return nil, err
			}
			return adaptPublisher(js, jetstream.ErrTooManyStalledMsgs), nil
		},
		consumer: func(ctx context.Context, nc *nats.Conn, stream, name string) (consumer, error) {
			js, err := jetstream.New(nc)
			if err != nil {
				return nil, err
			}
			cons, err := js.Consumer(ctx, stream, name)
			if err != nil {
				return nil, err
			}
			return adaptConsumer(cons), nil
		},
		bucket: func(ctx context.Context, nc *nats.Conn, name string) (bucket, error) {
			js, err := jetstream.New(nc)
			if err != nil {
				return nil, err
			}
			kv, err := js.KeyValue(ctx, name)
			if err != nil {
				return nil, err
			}
			return adaptBucket(kv), nil
		},
		objects: func(ctx context.Context, nc *nats.Conn, bucket string) (objectStore, error) {
			js, err := jetstream.New(nc)
			if err != nil {
				return objectStore{}, err
			}
			store, err := js.ObjectStore(ctx, bucket)
			if err != nil {
				return objectStore{}, err
			}
			return objectStore{
				put: func(ctx context.Context, name string, content io.Reader) error {
					_, err := store.Put(ctx, jetstream.ObjectMeta{Name: name}, content)
					return err
				},
				get: func(ctx context.Context, name string) (io.ReadCloser, error) { return store.Get(ctx, name) },
			}, nil
		},
	}
}

// Ref returns the reference, as an implementation to compare with.
func Ref() Impl {
	return Impl{
		Name: "ref",
		publisher: func(nc *nats.Conn) (publisher, error) {
			js, err := ref.New(nc)
			if err != nil {
				return nil, err
			}
			return adaptPublisher(js, ref.ErrTooManyStalledMsgs), nil
		},
		consumer: func(ctx context.Context, nc *nats.Conn, stream, name string) (consumer, error) {
			js, err := ref.New(nc)
			if err != nil {
				return nil, err
			}
			cons, err := js.Consumer(ctx, stream, name)
			if err != nil {
				return nil, err
			}
			return adaptConsumer(cons), nil
		},
		bucket: func(ctx context.Context, nc *nats.Conn, name string) (bucket, error) {
			js, err := ref.New(nc)
			if err != nil {
				return nil, err
			}
			kv, err := js.KeyValue(ctx, name)
			if err != nil {
				return nil, err
			}
			return adaptBucket(kv), nil
		},
		objects: func(ctx context.Context, nc *nats.Conn, bucket string) (objectStore, error) {
			js, err := ref.New(nc)
			if err != nil {
				return objectStore{}, err
			}
			store, err := js.ObjectStore(ctx, bucket)
			if err != nil {
				return objectStore{}, err
			}
			return objectStore{
				put: func(ctx context.Context, name string, content io.Reader) error {
					_, err := store.Put(ctx, ref.ObjectMeta{Name: name}, content)
					return err
				},
				get: func(ctx context.Context, name string) (io.ReadCloser, error) { return store.Get(ctx, name) },
			}, nil
		},
	}
}

// publisher and consumer are what workloads use of an implementation. They have
// callbacks in place of channels and batches, because these have a type of their
// own in each implementation.
type (
	publisher interface {
		publish(ctx context.Context, subject string, data []byte) error
		// publishAsync reports a publish that was refused for lack of room as
		// stalled.
		publishAsync(subject string, data []byte) (stalled bool, err error)
		complete() <-chan struct{}
	}

	consumer interface {
		fetch(n int, each func(message) error) error
		fetchBytes(n int, each func(message) error) error
		next(each func(message) error) error
		messages(each func(message) (more bool, err error)) error
		// consume calls the handler until stop is called, which waits for the
		// end.
		consume(handler func(message)) (stop func(), err error)
	}

	message interface {
		Data() []byte
		Ack() error
	}
)

// The interfaces below describe the implementations' own types. Their type
// parameters stand for the named types that differ, and are all inferred.
type (
	jsPublisher[Ack, Future, Opt any] interface {
		Publish(ctx context.Context, subject string, payload []byte, opts ...Opt) (Ack, error)
		PublishAsync(subject string, payload []byte, opts ...Opt) (Future, error)
		PublishAsyncComplete() <-chan struct{}
	}

	jsConsumer[Msg, Batch, Iter, Ctx, FetchOpt, MessagesOpt, ConsumeOpt any, Handler ~func(Msg)] interface {
		Fetch(batch int, opts ...FetchOpt) (Batch, error)
		FetchBytes(maxBytes int, opts ...FetchOpt) (Batch, error)
		Next(opts ...FetchOpt) (Msg, error)
		Messages(opts ...MessagesOpt) (Iter, error)
		Consume(handler Handler, opts ...ConsumeOpt) (Ctx, error)
	}

	jsBatch[Msg any] interface {
		Messages() <-chan Msg
		Error() error
	}

	jsIterator[Msg, NextOpt any] interface {
		Next(opts ...NextOpt) (Msg, error)
		Stop()
	}

	jsConsumeContext interface {
		Stop()
		Closed() <-chan struct{}
	}
)

type publisherOf[Ack, Future, Opt any] struct {
	js jsPublisher[Ack, Future, Opt]

	// noRoom is what the implementation returns when a publish stalls.
	noRoom error
}

func adaptPublisher[Ack, Future, Opt any](js jsPublisher[Ack, Future, Opt], noRoom error) publisher {
	return publisherOf[Ack, Future, Opt]{js, noRoom}
}

func (p publisherOf[Ack, Future, Opt]) publish(ctx context.Context, subject string, data []byte) error {
	_, err := p.js.Publish(ctx, subject, data)
	return err
}

func (p publisherOf[Ack, Future, Opt]) publishAsync(subject string, data []byte) (bool, error) {
	_, err := p.js.PublishAsync(subject, data)
	return err != nil && errors.Is(err, p.noRoom), err
}

func (p publisherOf[Ack, Future, Opt]) complete() <-chan struct{} { return p.js.PublishAsyncComplete() }

type consumerOf[
	Msg message, Batch jsBatch[Msg], Iter jsIterator[Msg, NextOpt], Ctx jsConsumeContext,
	FetchOpt, NextOpt, MessagesOpt, ConsumeOpt any, Handler ~func(Msg),
] struct {
	cons jsConsumer[Msg, Batch, Iter, Ctx, FetchOpt, MessagesOpt, ConsumeOpt, Handler]
}

func adaptConsumer[
	Msg message, Batch jsBatch[Msg], Iter jsIterator[Msg, NextOpt], Ctx jsConsumeContext,
	FetchOpt, NextOpt, MessagesOpt, ConsumeOpt any, Handler ~func(Msg),
](cons jsConsumer[Msg, Batch, Iter, Ctx, FetchOpt, MessagesOpt, ConsumeOpt, Handler]) consumer {
	return consumerOf[Msg, Batch, Iter, Ctx, FetchOpt, NextOpt, MessagesOpt, ConsumeOpt, Handler]{cons}
}

func (c consumerOf[Msg, Batch, Iter, Ctx, FetchOpt, NextOpt, MessagesOpt, ConsumeOpt, Handler]) fetch(n int, each func(message) error) error {
	return receive(c.cons.Fetch, n, each)
}

func (c consumerOf[Msg, Batch, Iter, Ctx, FetchOpt, NextOpt, MessagesOpt, ConsumeOpt, Handler]) fetchBytes(n int, each func(message) error) error {
	return receive(c.cons.FetchBytes, n, each)
}

func (c consumerOf[Msg, Batch, Iter, Ctx, FetchOpt, NextOpt, MessagesOpt, ConsumeOpt, Handler]) next(each func(message) error) error {
	msg, err := c.cons.Next()
	if err != nil {
		return err
	}
	return each(msg)
}

func (c consumerOf[Msg, Batch, Iter, Ctx, FetchOpt, NextOpt, MessagesOpt, ConsumeOpt, Handler]) messages(each func(message) (bool, error)) error {
	it, err := c.cons.Messages()
	if err != nil {
		return err
	}
	defer it.Stop()
	for {
		msg, err := it.Next()
		if err != nil {
			return err
		}
		if more, err := each(msg); !more || err != nil {
			return err
		}
	}
}

func (c consumerOf[Msg, Batch, Iter, Ctx, FetchOpt, NextOpt, MessagesOpt, ConsumeOpt, Handler]) consume(handler func(message)) (func(), error) {
	cc, err := c.cons.Consume(func(msg Msg) { handler(msg) })
	if err != nil {
		return nil, err
	}
	return func() {
		cc.Stop()
		<-cc.Closed()
	}, nil
}

// receive takes one batch, started by the given method of a consumer.
func receive[Msg message, Batch jsBatch[Msg], FetchOpt any](
	start func(int, ...FetchOpt) (Batch, error), n int, each func(message) error,
) error {
	batch, err := start(n)
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		if err := each(msg); err != nil {
			return err
		}
	}
	return batch.Error()
}
