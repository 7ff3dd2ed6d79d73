// Package jetstream is a client for JetStream, the persistence layer of NATS. It
// has the API of github.com/nats-io/nats.go/jetstream v1.55.0: a program changes
// one import path and everything else stays as it is. Where the behavior differs,
// MIGRATING.md in the repository says how. It is tested with nats-server v2.15.2;
// what needs a certain version of the server says so.
//
// # Connecting
//
// A [JetStream] handle is made from a core connection with [New], or with
// [NewWithDomain] or [NewWithAPIPrefix] where the JetStream of another domain or
// account is meant. A handle costs next to nothing; make one where you need it.
//
//	nc, err := nats.Connect(nats.DefaultURL)
//	...
//	js, err := jetstream.New(nc)
//
// Calls that ask the server something take a context. One without a deadline gets
// the handle's default timeout of 5 seconds, see [WithDefaultTimeout].
//
// # Streams
//
// A stream stores the messages of its subjects. [StreamManager] creates, changes,
// finds, lists and deletes streams; a [Stream] handle reads its state and single
// messages, and purges and deletes messages.
//
//	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
//		Name:     "ORDERS",
//		Subjects: []string{"orders.>"},
//	})
//
// # Publishing
//
// [Publisher] stores messages. Publish waits until the stream has acknowledged
// the message. PublishAsync does not, and is the way to publish many: its future
// tells what became of the message, and PublishAsyncComplete when all are done.
// An error that leaves open whether the message was stored, such as a timeout,
// can be answered by publishing it again with the same id, see [WithMsgID].
//
//	ack, err := js.Publish(ctx, "orders.new", data, jetstream.WithMsgID(id))
//
// # Consuming
//
// A consumer is a position in a stream, kept by the server, and a record of what
// was delivered and acknowledged. [ConsumerManager] creates, changes, finds and
// deletes consumers. There are four ways to get messages out of a [Consumer]:
//
//   - Consume calls a function with each message, with requests running ahead of
//     it. It is the choice for most services.
//   - Messages returns an iterator with the same buffering, for programs that
//     want to ask for the next message themselves.
//   - Fetch gets a batch now and then, for jobs that work in batches.
//   - Next gets one message, for the occasional one.
//
// Each message has to be acknowledged ([Msg.Ack]) within the consumer's AckWait
// unless its AckPolicy says otherwise; one that is not is delivered again. Nak
// asks for that at once, Term prevents it, InProgress buys time, and DoubleAck
// waits for the server to confirm.
//
//	cons, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
//		Durable:   "shipping",
//		AckPolicy: jetstream.AckExplicitPolicy,
//	})
//	...
//	cc, err := cons.Consume(func(msg jetstream.Msg) {
//		ship(msg.Data())
//		if err := msg.Ack(); err != nil {
//			log.Print(err)
//		}
//	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
//		log.Print(err)
//	}))
//	...
//	cc.Drain()
//	<-cc.Closed()
//
// An ordered consumer ([ConsumerManager.OrderedConsumer]) reads a stream from
// start to end in strict order and without acknowledgements; it repairs itself.
// A [PushConsumer] is delivered to at the server's pace.
//
// # Key-value buckets
//
// A bucket keeps the last values of keys, as many as its History says.
// [KeyValueManager] creates, changes, finds, lists and deletes buckets; a
// [KeyValue] handle gets, puts and deletes values, lists keys and watches them.
// Create and Update succeed only if nobody else was faster, so that no update is
// lost. A watch delivers what is there, then nil, and then what happens.
//
//	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "rooms"})
//	...
//	rev, err := kv.PutString(ctx, "north.1", "free")
//	...
//	rev, err = kv.Update(ctx, "north.1", []byte("taken"), rev)
//	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
//		// read it again
//	}
//
// # Object stores
//
// An [ObjectStore] keeps objects of any size in chunks, with a digest that is
// checked when they are read. [ObjectStoreManager] creates, changes, finds, lists
// and deletes stores.
//
//	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "reports"})
//	...
//	info, err := store.PutFile(ctx, "2026-11.pdf")
//
// # Errors
//
// Compare errors with errors.Is. Those of the server are found by errors.As as
// *[APIError] and match the sentinel with the same error code. A context that
// ended is returned as its own error, unwrapped. Errors of core, such as
// [nats.ErrConnectionClosed] and [nats.ErrNoResponders], come back as they are.
//
// # When the connection breaks
//
// Consuming survives it: nothing is requested while disconnected, and as much as
// there is room for is requested anew afterwards. Messages that were on the way
// come again after the consumer's AckWait, or when another server takes over.
// Async publishes that await their acknowledgement fail with
// [nats.ErrDisconnected]. When the connection is closed for good, everything
// ends with [ErrConnectionClosed] or its namesake in core. Core closes it after 60
// attempts to reconnect unless told otherwise, see [nats.MaxReconnects].
//
// # Shutting down
//
// Drain handles what has arrived and asks for no more; Closed tells when the last
// handler has returned. Stop leaves what has arrived to the server, which delivers
// it again after the consumer's AckWait. Acknowledgements are sent in the
// background, so flush the connection, or drain it, before the program ends.
//
// # Concurrency
//
// All handles are safe for concurrent use. Handlers that the program passes in
// are called without any lock held and may call anything, except that waiting in
// a message handler for the end of its own Consume blocks for ever.
package jetstream
