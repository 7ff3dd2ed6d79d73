package hostile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

// target is what there are methods of, made while the server was honest.
type target struct {
	js      jetstream.JetStream
	stream  jetstream.Stream
	cons    jetstream.Consumer
	push    jetstream.PushConsumer
	ordered jetstream.Consumer
	kv      jetstream.KeyValue
	objects jetstream.ObjectStore
	msg     jetstream.Msg
	dir     string
}

// call calls one method with good arguments and returns what came of it.
type call struct {
	run func(ctx context.Context, x *target) (result any, err error)
	// json: the result rests on a JSON answer, so that it must fail without.
	json bool
}

// got makes a call of one with a result that must not be nil without an error.
func got[T any](f func(ctx context.Context, x *target) (T, error)) call {
	return call{json: true, run: func(ctx context.Context, x *target) (any, error) {
		v, err := f(ctx, x)
		return v, err
	}}
}

// done makes a call of one that only succeeds or fails.
func done(f func(ctx context.Context, x *target) error) call {
	return call{json: true, run: func(ctx context.Context, x *target) (any, error) { return true, f(ctx, x) }}
}

// lenient marks a call whose result does not rest on a JSON answer, or not only.
func lenient(c call) call {
	c.json = false
	return c
}

// listed reads a listing to its end.
func listed[T any](items <-chan T, err func() error) error {
	n := 0
	for range items {
		// A server that never comes to an end is read from for a while. It takes up
		// to two pages for each, which is not to come near maxRequests, however fast
		// the machine is.
		if n++; n > 1000 {
			return errEnough
		}
	}
	return err()
}

var errEnough = errors.New("test: enough of it")

// drained reads the updates of a watch up to the end of the initial ones.
func drained[T any](ctx context.Context, updates <-chan T, last func(T) bool, stop func() error) error {
	defer func() { _ = stop() }()
	for {
		select {
		case u, ok := <-updates:
			if !ok {
				return errors.New("test: watch ended")
			}
			if last(u) {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func watchedKeys(ctx context.Context, w jetstream.KeyWatcher, err error) error {
	if err != nil {
		return err
	}
	return drained(ctx, w.Updates(), func(e jetstream.KeyValueEntry) bool { return e == nil }, w.Stop)
}

// fetched takes the messages of a batch and returns its error.
func fetched(batch jetstream.MessageBatch, err error) error {
	if err != nil {
		return err
	}
	for m := range batch.Messages() {
		if err := used(m); err != nil {
			return err
		}
	}
	return batch.Error()
}

// used does what programs do with a message.
func used(m jetstream.Msg) error {
	if m == nil {
		return errors.New("test: nil message")
	}
	meta, err := m.Metadata()
	if (meta == nil) == (err == nil) {
		return fmt.Errorf("test: metadata %v and %w", meta, err)
	}
	if err := m.Ack(); err != nil && !strings.HasPrefix(err.Error(), "nats: ") {
		return fmt.Errorf("test: ack: %w", err)
	}
	return nil
}

// consumed runs a Consume for as long as the context lasts, at most 300 ms.
func consumed(ctx context.Context, start func(h jetstream.MessageHandler, report func(error)) (jetstream.ConsumeContext, error)) error {
	first := make(chan error, 1)
	report := func(err error) {
		if err == nil || err.Error() == "" {
			err = errors.New("test: an error without text was reported")
		}
		select {
		case first <- err:
		default:
		}
	}
	cc, err := start(func(m jetstream.Msg) {
		if err := used(m); err != nil {
			report(err)
		}
	}, report)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-cc.Closed():
	}
	cc.Stop()
	<-cc.Closed()
	select {
	case err := <-first:
		return err
	default:
		return nil
	}
}

func iterated(ctx context.Context, c jetstream.Consumer) error {
	it, err := c.Messages(jetstream.PullMaxMessages(3), jetstream.PullExpiry(4*time.Second))
	if err != nil {
		return err
	}
	defer it.Stop()
	for range 3 {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		if err := used(m); err != nil {
			return err
		}
	}
	return nil
}

func consumerCalls(prefix string, pick func(x *target) jetstream.Consumer) map[string]call {
	// The time to wait comes from the context.
	return map[string]call{
		prefix + "Fetch": lenient(done(func(ctx context.Context, x *target) error {
			return fetched(pick(x).Fetch(3, jetstream.FetchContext(ctx)))
		})),
		prefix + "FetchBytes": lenient(done(func(ctx context.Context, x *target) error {
			return fetched(pick(x).FetchBytes(1000, jetstream.FetchContext(ctx)))
		})),
		prefix + "FetchNoWait": lenient(done(func(_ context.Context, x *target) error {
			return fetched(pick(x).FetchNoWait(3))
		})),
		prefix + "Next": lenient(done(func(ctx context.Context, x *target) error {
			m, err := pick(x).Next(jetstream.FetchContext(ctx))
			if err != nil {
				return err
			}
			return used(m)
		})),
		prefix + "Messages": lenient(done(func(ctx context.Context, x *target) error { return iterated(ctx, pick(x)) })),
		prefix + "Consume": lenient(done(func(ctx context.Context, x *target) error {
			return consumed(ctx, func(h jetstream.MessageHandler, report func(error)) (jetstream.ConsumeContext, error) {
				return pick(x).Consume(h, jetstream.PullExpiry(4*time.Second), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { report(err) }))
			})
		})),
		prefix + "Info": got(func(ctx context.Context, x *target) (any, error) { return some(pick(x).Info(ctx)) }),
	}
}

// some turns a nil pointer into a plain nil.
func some[T any](v *T, err error) (any, error) {
	if v == nil {
		return nil, err
	}
	return v, err
}

func publishCalls() map[string]call {
	future := func(f jetstream.PubAckFuture, err error) error {
		if err != nil {
			return err
		}
		select {
		case ack := <-f.Ok():
			if ack == nil {
				return errors.New("test: nil acknowledgement")
			}
			return nil
		case err := <-f.Err():
			return err
		}
	}
	msg := &nats.Msg{Subject: "s.x", Data: []byte("x")}
	return map[string]call{
		"JetStream.Publish": got(func(ctx context.Context, x *target) (any, error) {
			return some(x.js.Publish(ctx, "s.x", []byte("x")))
		}),
		"JetStream.PublishMsg": got(func(ctx context.Context, x *target) (any, error) { return some(x.js.PublishMsg(ctx, msg)) }),
		// The handle has a timeout for acknowledgements.
		"JetStream.PublishAsync": done(func(_ context.Context, x *target) error {
			return future(x.js.PublishAsync("s.x", []byte("x")))
		}),
		"JetStream.PublishMsgAsync": done(func(_ context.Context, x *target) error { return future(x.js.PublishMsgAsync(msg)) }),
		"Msg.DoubleAck":             lenient(done(func(ctx context.Context, x *target) error { return x.msg.DoubleAck(ctx) })),
	}
}

func streamCalls() map[string]call {
	cfg := jetstream.StreamConfig{Name: "S"}
	return map[string]call{
		"JetStream.AccountInfo":          got(func(ctx context.Context, x *target) (any, error) { return some(x.js.AccountInfo(ctx)) }),
		"JetStream.CreateStream":         got(func(ctx context.Context, x *target) (any, error) { return x.js.CreateStream(ctx, cfg) }),
		"JetStream.UpdateStream":         got(func(ctx context.Context, x *target) (any, error) { return x.js.UpdateStream(ctx, cfg) }),
		"JetStream.CreateOrUpdateStream": got(func(ctx context.Context, x *target) (any, error) { return x.js.CreateOrUpdateStream(ctx, cfg) }),
		"JetStream.Stream":               got(func(ctx context.Context, x *target) (any, error) { return x.js.Stream(ctx, "S") }),
		"JetStream.StreamNameBySubject":  got(func(ctx context.Context, x *target) (string, error) { return x.js.StreamNameBySubject(ctx, "s.x") }),
		"JetStream.DeleteStream":         done(func(ctx context.Context, x *target) error { return x.js.DeleteStream(ctx, "S") }),
		"JetStream.ListStreams": done(func(ctx context.Context, x *target) error {
			l := x.js.ListStreams(ctx)
			return listed(l.Info(), l.Err)
		}),
		"JetStream.StreamNames": done(func(ctx context.Context, x *target) error {
			l := x.js.StreamNames(ctx)
			return listed(l.Name(), l.Err)
		}),
		"Stream.Info": got(func(ctx context.Context, x *target) (any, error) { return some(x.stream.Info(ctx)) }),
		"Stream.Info filtered": got(func(ctx context.Context, x *target) (any, error) {
			return some(x.stream.Info(ctx, jetstream.WithSubjectFilter(">")))
		}),
		"Stream.Purge":           done(func(ctx context.Context, x *target) error { return x.stream.Purge(ctx) }),
		"Stream.GetMsg":          got(func(ctx context.Context, x *target) (any, error) { return some(x.stream.GetMsg(ctx, 1)) }),
		"Stream.DeleteMsg":       done(func(ctx context.Context, x *target) error { return x.stream.DeleteMsg(ctx, 1) }),
		"Stream.SecureDeleteMsg": done(func(ctx context.Context, x *target) error { return x.stream.SecureDeleteMsg(ctx, 1) }),
		"Stream.UnpinConsumer":   done(func(ctx context.Context, x *target) error { return x.stream.UnpinConsumer(ctx, "C", "g") }),
		"Stream.ListConsumers": done(func(ctx context.Context, x *target) error {
			l := x.stream.ListConsumers(ctx)
			return listed(l.Info(), l.Err)
		}),
		"Stream.ConsumerNames": done(func(ctx context.Context, x *target) error {
			l := x.stream.ConsumerNames(ctx)
			return listed(l.Name(), l.Err)
		}),
		"Stream.GetLastMsgForSubject": got(func(ctx context.Context, x *target) (any, error) {
			return some(x.stream.GetLastMsgForSubject(ctx, "s.x"))
		}),
	}
}

// consumerManager is what handles of JetStream and of streams have in common.
type consumerManager struct {
	create, update, put             func(ctx context.Context, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error)
	createPush, updatePush, putPush func(ctx context.Context, cfg jetstream.ConsumerConfig) (jetstream.PushConsumer, error)
	ordered                         func(ctx context.Context, cfg jetstream.OrderedConsumerConfig) (jetstream.Consumer, error)
	pull                            func(ctx context.Context, name string) (jetstream.Consumer, error)
	push                            func(ctx context.Context, name string) (jetstream.PushConsumer, error)
	remove                          func(ctx context.Context, name string) error
	pause                           func(ctx context.Context, name string, until time.Time) (*jetstream.ConsumerPauseResponse, error)
	resume, reset                   func(ctx context.Context, name string) (any, error)
	resetTo                         func(ctx context.Context, name string, seq uint64) (*jetstream.ConsumerResetResponse, error)
}

func ofStream(x *target) consumerManager {
	s := x.stream
	return consumerManager{
		s.CreateConsumer, s.UpdateConsumer, s.CreateOrUpdateConsumer, s.CreatePushConsumer, s.UpdatePushConsumer, s.CreateOrUpdatePushConsumer,
		s.OrderedConsumer, s.Consumer, s.PushConsumer, s.DeleteConsumer, s.PauseConsumer,
		func(ctx context.Context, name string) (any, error) { return some(s.ResumeConsumer(ctx, name)) },
		func(ctx context.Context, name string) (any, error) { return some(s.ResetConsumer(ctx, name)) },
		s.ResetConsumerToSequence,
	}
}

func ofHandle(x *target) consumerManager {
	js := x.js
	return consumerManager{
		with(js.CreateConsumer), with(js.UpdateConsumer), with(js.CreateOrUpdateConsumer), with(js.CreatePushConsumer), with(js.UpdatePushConsumer), with(js.CreateOrUpdatePushConsumer),
		with(js.OrderedConsumer), with(js.Consumer), with(js.PushConsumer),
		func(ctx context.Context, name string) error { return js.DeleteConsumer(ctx, "S", name) },
		func(ctx context.Context, name string, until time.Time) (*jetstream.ConsumerPauseResponse, error) {
			return js.PauseConsumer(ctx, "S", name, until)
		},
		func(ctx context.Context, name string) (any, error) { return some(js.ResumeConsumer(ctx, "S", name)) },
		func(ctx context.Context, name string) (any, error) { return some(js.ResetConsumer(ctx, "S", name)) },
		func(ctx context.Context, name string, seq uint64) (*jetstream.ConsumerResetResponse, error) {
			return js.ResetConsumerToSequence(ctx, "S", name, seq)
		},
	}
}

// with binds a method of a handle to the stream.
func with[A, R any](f func(ctx context.Context, stream string, arg A) (R, error)) func(ctx context.Context, arg A) (R, error) {
	return func(ctx context.Context, arg A) (R, error) { return f(ctx, "S", arg) }
}

func managerCalls(prefix string, of func(x *target) consumerManager) map[string]call {
	cfg := jetstream.ConsumerConfig{Durable: "C"}
	push := jetstream.ConsumerConfig{Durable: "PUSH", DeliverSubject: "push.here"}
	return map[string]call{
		prefix + "CreateConsumer":             got(func(ctx context.Context, x *target) (any, error) { return of(x).create(ctx, cfg) }),
		prefix + "UpdateConsumer":             got(func(ctx context.Context, x *target) (any, error) { return of(x).update(ctx, cfg) }),
		prefix + "CreateOrUpdateConsumer":     got(func(ctx context.Context, x *target) (any, error) { return of(x).put(ctx, cfg) }),
		prefix + "CreatePushConsumer":         got(func(ctx context.Context, x *target) (any, error) { return of(x).createPush(ctx, push) }),
		prefix + "UpdatePushConsumer":         got(func(ctx context.Context, x *target) (any, error) { return of(x).updatePush(ctx, push) }),
		prefix + "CreateOrUpdatePushConsumer": got(func(ctx context.Context, x *target) (any, error) { return of(x).putPush(ctx, push) }),
		prefix + "OrderedConsumer": got(func(ctx context.Context, x *target) (any, error) {
			return of(x).ordered(ctx, jetstream.OrderedConsumerConfig{})
		}),
		prefix + "Consumer":       got(func(ctx context.Context, x *target) (any, error) { return of(x).pull(ctx, "C") }),
		prefix + "PushConsumer":   got(func(ctx context.Context, x *target) (any, error) { return of(x).push(ctx, "PUSH") }),
		prefix + "DeleteConsumer": done(func(ctx context.Context, x *target) error { return of(x).remove(ctx, "C") }),
		prefix + "PauseConsumer": got(func(ctx context.Context, x *target) (any, error) {
			return some(of(x).pause(ctx, "C", time.Now().Add(time.Hour)))
		}),
		prefix + "ResumeConsumer": got(func(ctx context.Context, x *target) (any, error) { return of(x).resume(ctx, "C") }),
		prefix + "ResetConsumer":  got(func(ctx context.Context, x *target) (any, error) { return of(x).reset(ctx, "C") }),
		prefix + "ResetConsumerToSequence": got(func(ctx context.Context, x *target) (any, error) {
			return some(of(x).resetTo(ctx, "C", 1))
		}),
	}
}

func bucketCalls() map[string]call {
	cfg := jetstream.KeyValueConfig{Bucket: "B"}
	return map[string]call{
		"JetStream.KeyValue":               got(func(ctx context.Context, x *target) (any, error) { return x.js.KeyValue(ctx, "B") }),
		"JetStream.CreateKeyValue":         got(func(ctx context.Context, x *target) (any, error) { return x.js.CreateKeyValue(ctx, cfg) }),
		"JetStream.UpdateKeyValue":         got(func(ctx context.Context, x *target) (any, error) { return x.js.UpdateKeyValue(ctx, cfg) }),
		"JetStream.CreateOrUpdateKeyValue": got(func(ctx context.Context, x *target) (any, error) { return x.js.CreateOrUpdateKeyValue(ctx, cfg) }),
		"JetStream.DeleteKeyValue":         done(func(ctx context.Context, x *target) error { return x.js.DeleteKeyValue(ctx, "B") }),
		"JetStream.KeyValueStoreNames": done(func(ctx context.Context, x *target) error {
			l := x.js.KeyValueStoreNames(ctx)
			return listed(l.Name(), l.Error)
		}),
		"JetStream.KeyValueStores": done(func(ctx context.Context, x *target) error {
			l := x.js.KeyValueStores(ctx)
			return listed(l.Status(), l.Error)
		}),
		"KeyValue.Get": lenient(got(func(ctx context.Context, x *target) (any, error) { return x.kv.Get(ctx, "a") })),
		"KeyValue.GetRevision": lenient(got(func(ctx context.Context, x *target) (any, error) {
			return x.kv.GetRevision(ctx, "a", 3)
		})),
		"KeyValue.Put":       got(func(ctx context.Context, x *target) (any, error) { return x.kv.Put(ctx, "a", nil) }),
		"KeyValue.PutString": got(func(ctx context.Context, x *target) (any, error) { return x.kv.PutString(ctx, "a", "") }),
		"KeyValue.Create":    got(func(ctx context.Context, x *target) (any, error) { return x.kv.Create(ctx, "a", nil) }),
		"KeyValue.Update":    got(func(ctx context.Context, x *target) (any, error) { return x.kv.Update(ctx, "a", nil, 1) }),
		"KeyValue.Delete":    done(func(ctx context.Context, x *target) error { return x.kv.Delete(ctx, "a") }),
		"KeyValue.Purge":     done(func(ctx context.Context, x *target) error { return x.kv.Purge(ctx, "a") }),
		"KeyValue.Watch": done(func(ctx context.Context, x *target) error {
			w, err := x.kv.Watch(ctx, "a")
			return watchedKeys(ctx, w, err)
		}),
		"KeyValue.WatchAll": done(func(ctx context.Context, x *target) error {
			w, err := x.kv.WatchAll(ctx)
			return watchedKeys(ctx, w, err)
		}),
		"KeyValue.WatchFiltered": done(func(ctx context.Context, x *target) error {
			w, err := x.kv.WatchFiltered(ctx, []string{"a", "b"})
			return watchedKeys(ctx, w, err)
		}),
		"KeyValue.Keys": done(func(ctx context.Context, x *target) error { _, err := x.kv.Keys(ctx); return err }),
		"KeyValue.ListKeys": done(func(ctx context.Context, x *target) error {
			l, err := x.kv.ListKeys(ctx)
			if err != nil {
				return err
			}
			// A listing of keys does not tell why it ended.
			return listed(l.Keys(), func() error { _ = l.Stop(); return nil })
		}),
		"KeyValue.ListKeysFiltered": done(func(ctx context.Context, x *target) error {
			l, err := x.kv.ListKeysFiltered(ctx, "a")
			if err != nil {
				return err
			}
			// A listing of keys does not tell why it ended.
			return listed(l.Keys(), func() error { _ = l.Stop(); return nil })
		}),
		"KeyValue.History":      done(func(ctx context.Context, x *target) error { _, err := x.kv.History(ctx, "a"); return err }),
		"KeyValue.PurgeDeletes": done(func(ctx context.Context, x *target) error { return x.kv.PurgeDeletes(ctx) }),
		"KeyValue.Status":       got(func(ctx context.Context, x *target) (any, error) { return x.kv.Status(ctx) }),
	}
}

func objectCalls() map[string]call {
	cfg := jetstream.ObjectStoreConfig{Bucket: "O"}
	return map[string]call{
		"JetStream.ObjectStore":               got(func(ctx context.Context, x *target) (any, error) { return x.js.ObjectStore(ctx, "O") }),
		"JetStream.CreateObjectStore":         got(func(ctx context.Context, x *target) (any, error) { return x.js.CreateObjectStore(ctx, cfg) }),
		"JetStream.UpdateObjectStore":         got(func(ctx context.Context, x *target) (any, error) { return x.js.UpdateObjectStore(ctx, cfg) }),
		"JetStream.CreateOrUpdateObjectStore": got(func(ctx context.Context, x *target) (any, error) { return x.js.CreateOrUpdateObjectStore(ctx, cfg) }),
		"JetStream.DeleteObjectStore":         done(func(ctx context.Context, x *target) error { return x.js.DeleteObjectStore(ctx, "O") }),
		"JetStream.ObjectStoreNames": done(func(ctx context.Context, x *target) error {
			l := x.js.ObjectStoreNames(ctx)
			return listed(l.Name(), l.Error)
		}),
		"JetStream.ObjectStores": done(func(ctx context.Context, x *target) error {
			l := x.js.ObjectStores(ctx)
			return listed(l.Status(), l.Error)
		}),
		"ObjectStore.Put": got(func(ctx context.Context, x *target) (any, error) {
			return some(x.objects.Put(ctx, jetstream.ObjectMeta{Name: "obj"}, strings.NewReader(content)))
		}),
		"ObjectStore.PutBytes": got(func(ctx context.Context, x *target) (any, error) {
			return some(x.objects.PutBytes(ctx, "obj", []byte(content)))
		}),
		"ObjectStore.PutString": got(func(ctx context.Context, x *target) (any, error) {
			return some(x.objects.PutString(ctx, "obj", content))
		}),
		"ObjectStore.PutFile": got(func(ctx context.Context, x *target) (any, error) {
			return some(x.objects.PutFile(ctx, filepath.Join(x.dir, "in")))
		}),
		"ObjectStore.Get": got(func(ctx context.Context, x *target) (any, error) {
			r, err := x.objects.Get(ctx, "obj")
			if err != nil {
				return nil, err
			}
			return r, r.Close()
		}),
		"ObjectStore.GetBytes": got(func(ctx context.Context, x *target) (any, error) {
			b, err := x.objects.GetBytes(ctx, "obj")
			return checked(string(b), err)
		}),
		"ObjectStore.GetString": got(func(ctx context.Context, x *target) (any, error) {
			return checked(x.objects.GetString(ctx, "obj"))
		}),
		"ObjectStore.GetFile": done(func(ctx context.Context, x *target) error {
			return x.objects.GetFile(ctx, "obj", filepath.Join(x.dir, "out"))
		}),
		"ObjectStore.GetInfo": got(func(ctx context.Context, x *target) (any, error) { return some(x.objects.GetInfo(ctx, "obj")) }),
		"ObjectStore.UpdateMeta": done(func(ctx context.Context, x *target) error {
			return x.objects.UpdateMeta(ctx, "obj", jetstream.ObjectMeta{Name: "obj"})
		}),
		"ObjectStore.Delete": done(func(ctx context.Context, x *target) error { return x.objects.Delete(ctx, "obj") }),
		"ObjectStore.AddLink": lenient(got(func(ctx context.Context, x *target) (any, error) {
			return some(x.objects.AddLink(ctx, "link", linkTarget))
		})),
		"ObjectStore.AddBucketLink": lenient(got(func(ctx context.Context, x *target) (any, error) {
			return some(x.objects.AddBucketLink(ctx, "link", x.objects))
		})),
		"ObjectStore.Seal": done(func(ctx context.Context, x *target) error { return x.objects.Seal(ctx) }),
		"ObjectStore.Watch": done(func(ctx context.Context, x *target) error {
			w, err := x.objects.Watch(ctx)
			if err != nil {
				return err
			}
			return drained(ctx, w.Updates(), func(i *jetstream.ObjectInfo) bool { return i == nil }, w.Stop)
		}),
		"ObjectStore.List":   lenient(done(func(ctx context.Context, x *target) error { _, err := x.objects.List(ctx); return err })),
		"ObjectStore.Status": got(func(ctx context.Context, x *target) (any, error) { return x.objects.Status(ctx) }),
	}
}

var linkTarget = &jetstream.ObjectInfo{ObjectMeta: jetstream.ObjectMeta{Name: "other"}, Bucket: "O", NUID: "M"}

// checked refuses content that is not that of the object.
func checked(got string, err error) (any, error) {
	if err == nil && got != content {
		return nil, fmt.Errorf("test: wrong content %q", got)
	}
	return got, err
}

// allCalls returns the calls of all there is, by the name of interface and method.
func allCalls(t *testing.T) map[string]call {
	t.Helper()
	all := make(map[string]call)
	for _, group := range []map[string]call{
		streamCalls(), publishCalls(), bucketCalls(), objectCalls(),
		managerCalls("JetStream.", ofHandle), managerCalls("Stream.", ofStream),
		consumerCalls("Consumer.", func(x *target) jetstream.Consumer { return x.cons }),
		consumerCalls("ordered ", func(x *target) jetstream.Consumer { return x.ordered }),
		{
			"PushConsumer.Consume": lenient(done(func(ctx context.Context, x *target) error {
				return consumed(ctx, func(h jetstream.MessageHandler, report func(error)) (jetstream.ConsumeContext, error) {
					return x.push.Consume(h, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { report(err) }))
				})
			})),
			"PushConsumer.Info": got(func(ctx context.Context, x *target) (any, error) { return some(x.push.Info(ctx)) }),
		},
	} {
		for name, c := range group {
			if _, twice := all[name]; twice {
				t.Fatalf("%s is there twice", name)
			}
			all[name] = c
		}
	}
	return all
}
