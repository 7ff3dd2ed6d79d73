package workload

import (
	"context"
	"errors"
	"io"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

// The file for the other implementation, ref.go, is made of this one.

type oursClient struct {
	jetstream.JetStream
	awaited []jetstream.PubAckFuture
}

func newOurs(nc *nats.Conn, o options) (*oursClient, error) {
	var opts []jetstream.JetStreamOpt
	if o.ackTimeout > 0 {
		opts = append(opts, jetstream.WithPublishAsyncTimeout(o.ackTimeout))
	}
	if o.maxPending > 0 {
		opts = append(opts, jetstream.WithPublishAsyncMaxPending(o.maxPending))
	}
	js, err := jetstream.New(nc, opts...)
	return &oursClient{JetStream: js}, err
}

func (c *oursClient) publish(ctx context.Context, subject string, data []byte) (uint64, error) {
	ack, err := c.Publish(ctx, subject, data)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

func (c *oursClient) publishAsync(subject string, data []byte) (bool, error) {
	_, err := c.PublishAsync(subject, data)
	return oursStalled(err), err
}

func (c *oursClient) publishMsgAsync(msg *nats.Msg, id string) (bool, error) {
	_, err := c.PublishMsgAsync(msg, jetstream.WithMsgID(id))
	return oursStalled(err), err
}

func (c *oursClient) publishAwaited(subject string, data []byte) (bool, error) {
	future, err := c.PublishAsync(subject, data)
	if err == nil {
		c.awaited = append(c.awaited, future)
	}
	return oursStalled(err), err
}

func (c *oursClient) await(each func(seq uint64) error) error {
	for _, future := range c.awaited {
		select {
		case ack := <-future.Ok():
			if err := each(ack.Sequence); err != nil {
				return err
			}
		case err := <-future.Err():
			return err
		}
	}
	clear(c.awaited)
	c.awaited = c.awaited[:0]
	return nil
}

func (c *oursClient) complete() <-chan struct{} { return c.PublishAsyncComplete() }

func oursStalled(err error) bool {
	return err != nil && errors.Is(err, jetstream.ErrTooManyStalledMsgs)
}

func (c *oursClient) stream(ctx context.Context, name string) (stream, error) {
	s, err := c.Stream(ctx, name)
	return oursStream{s}, err
}

func (c *oursClient) streamInfos(ctx context.Context, each func(string)) error {
	l := c.ListStreams(ctx)
	for info := range l.Info() {
		each(info.Config.Name)
	}
	return l.Err()
}

func (c *oursClient) createConsumer(ctx context.Context, stream, name string) error {
	_, err := c.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable:   name,
		AckPolicy: jetstream.AckExplicitPolicy,
	})
	return err
}

func (c *oursClient) deleteConsumer(ctx context.Context, stream, name string) error {
	return c.DeleteConsumer(ctx, stream, name)
}

func (c *oursClient) consumer(ctx context.Context, stream, name string) (consumer, error) {
	cons, err := c.Consumer(ctx, stream, name)
	return oursConsumer{cons}, err
}

func (c *oursClient) ordered(ctx context.Context, stream string) (consumer, error) {
	cons, err := c.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	return oursConsumer{cons}, err
}

func (c *oursClient) push(ctx context.Context, stream, name string) (consuming, error) {
	cons, err := c.PushConsumer(ctx, stream, name)
	return oursPush{cons}, err
}

func (c *oursClient) createBucket(ctx context.Context, name string) error {
	_, err := c.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, Storage: jetstream.MemoryStorage})
	return err
}

func (c *oursClient) bucket(ctx context.Context, name string) (bucket, error) {
	kv, err := c.KeyValue(ctx, name)
	return oursBucket{kv}, err
}

func (c *oursClient) store(ctx context.Context, name string) (objectStore, error) {
	store, err := c.ObjectStore(ctx, name)
	return oursStore{store}, err
}

type oursStream struct{ s jetstream.Stream }

func (s oursStream) getMsg(ctx context.Context, seq uint64) ([]byte, error) {
	msg, err := s.s.GetMsg(ctx, seq)
	if err != nil {
		return nil, err
	}
	return msg.Data, nil
}

type oursConsumer struct{ cons jetstream.Consumer }

func (c oursConsumer) consume(handler func(message)) (func(), error) {
	cc, err := c.cons.Consume(func(msg jetstream.Msg) { handler(msg) })
	return oursStop(cc), err
}

func (c oursConsumer) fetch(n int, each func(message) error) error {
	batch, err := c.cons.Fetch(n)
	return oursTake(batch, err, each)
}

func (c oursConsumer) fetchNoWait(n int, each func(message) error) error {
	batch, err := c.cons.FetchNoWait(n)
	return oursTake(batch, err, each)
}

func (c oursConsumer) fetchBytes(n int, each func(message) error) error {
	batch, err := c.cons.FetchBytes(n)
	return oursTake(batch, err, each)
}

func oursTake(batch jetstream.MessageBatch, err error, each func(message) error) error {
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

func (c oursConsumer) next() (message, error) { return c.cons.Next() }

func (c oursConsumer) messages(limits pullLimits) (iterator, error) {
	var opts []jetstream.PullMessagesOpt
	if limits.messages > 0 {
		opts = append(opts, jetstream.PullMaxMessages(limits.messages))
	}
	if limits.bytes > 0 {
		opts = append(opts, jetstream.PullMaxBytes(limits.bytes))
	}
	it, err := c.cons.Messages(opts...)
	return oursIterator{it}, err
}

func (oursConsumer) sequence(msg message) (uint64, error) {
	meta, err := msg.(jetstream.Msg).Metadata()
	if err != nil {
		return 0, err
	}
	return meta.Sequence.Stream, nil
}

func (c oursConsumer) info(ctx context.Context) (string, error) {
	info, err := c.cons.Info(ctx)
	if err != nil {
		return "", err
	}
	return info.Name, nil
}

type oursIterator struct{ it jetstream.MessagesContext }

func (i oursIterator) next() (message, error) { return i.it.Next() }

func (i oursIterator) stop() { i.it.Stop() }

type oursPush struct{ cons jetstream.PushConsumer }

func (c oursPush) consume(handler func(message)) (func(), error) {
	cc, err := c.cons.Consume(func(msg jetstream.Msg) { handler(msg) })
	return oursStop(cc), err
}

func oursStop(cc jetstream.ConsumeContext) func() {
	return func() {
		cc.Stop()
		<-cc.Closed()
	}
}

type oursBucket struct{ kv jetstream.KeyValue }

func (b oursBucket) put(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.kv.Put(ctx, key, value)
}

func (b oursBucket) update(ctx context.Context, key string, value []byte, last uint64) (uint64, error) {
	return b.kv.Update(ctx, key, value, last)
}

func (b oursBucket) get(ctx context.Context, key string) ([]byte, error) {
	entry, err := b.kv.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return entry.Value(), nil
}

func (b oursBucket) keys(ctx context.Context) ([]string, error) { return b.kv.Keys(ctx) }

func (b oursBucket) listKeys(ctx context.Context, each func(string)) error {
	l, err := b.kv.ListKeys(ctx)
	if err != nil {
		return err
	}
	for key := range l.Keys() {
		each(key)
	}
	return nil
}

func (b oursBucket) watch(ctx context.Context, each func(string, []byte)) (func() error, error) {
	w, err := b.kv.WatchAll(ctx)
	if err != nil {
		return nil, err
	}
	for entry := range w.Updates() {
		if entry == nil {
			return w.Stop, nil
		}
		each(entry.Key(), entry.Value())
	}
	return nil, errors.New("the watch ended before its initial values did")
}

type oursStore struct{ store jetstream.ObjectStore }

func (s oursStore) put(ctx context.Context, name string, content io.Reader) error {
	_, err := s.store.Put(ctx, jetstream.ObjectMeta{Name: name}, content)
	return err
}

func (s oursStore) get(ctx context.Context, name string) (io.ReadCloser, error) {
	return s.store.Get(ctx, name)
}

func (s oursStore) getBytes(ctx context.Context, name string) ([]byte, error) {
	return s.store.GetBytes(ctx, name)
}
