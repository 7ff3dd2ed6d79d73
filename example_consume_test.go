package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"example.com/jetstream"
)

// Fetch gets a batch. That fewer messages came than asked for is no error.
func ExampleConsumer_fetch() {
	withConsumer(func(_ context.Context, _ jetstream.JetStream, cons jetstream.Consumer) {
		batch, err := cons.Fetch(10, jetstream.FetchMaxWait(2*time.Second))
		if err != nil {
			log.Fatal(err)
		}
		for msg := range batch.Messages() {
			fmt.Println(string(msg.Data()))
			if err := msg.Ack(); err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println("error:", batch.Error())
	})
	// Output:
	// order 1
	// order 2
	// order 3
	// error: <nil>
}

// Consume calls a function with each message, one after the other.
func ExampleConsumer_consume() {
	withConsumer(func(_ context.Context, _ jetstream.JetStream, cons jetstream.Consumer) {
		cc, err := cons.Consume(func(msg jetstream.Msg) {
			fmt.Println(string(msg.Data()))
			if err := msg.Ack(); err != nil {
				log.Print(err)
			}
		}, jetstream.StopAfter(3), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			log.Print(err)
		}))
		if err != nil {
			log.Fatal(err)
		}
		<-cc.Closed()
	})
	// Output:
	// order 1
	// order 2
	// order 3
}

// Messages returns an iterator that asks for messages ahead of the program.
func ExampleConsumer_messages() {
	withConsumer(func(ctx context.Context, _ jetstream.JetStream, cons jetstream.Consumer) {
		it, err := cons.Messages(jetstream.StopAfter(3))
		if err != nil {
			log.Fatal(err)
		}
		defer it.Stop()
		for {
			msg, err := it.Next(jetstream.NextContext(ctx))
			if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
				break
			}
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(string(msg.Data()))
			if err := msg.Ack(); err != nil {
				log.Fatal(err)
			}
		}
	})
	// Output:
	// order 1
	// order 2
	// order 3
}

// A message that is not acknowledged comes again. Nak asks for that at once.
func ExampleMsg() {
	withOrders(func(ctx context.Context, _ jetstream.JetStream, stream jetstream.Stream) {
		cons, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
			AckPolicy:     jetstream.AckExplicitPolicy,
			MaxAckPending: 1, // no other message before this one is acknowledged
		})
		if err != nil {
			log.Fatal(err)
		}
		for range 2 {
			msg, err := cons.Next(jetstream.FetchContext(ctx))
			if err != nil {
				log.Fatal(err)
			}
			meta, err := msg.Metadata()
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s, delivery %d\n", msg.Data(), meta.NumDelivered)
			if meta.NumDelivered == 1 {
				err = msg.Nak()
			} else {
				err = msg.DoubleAck(ctx)
			}
			if err != nil {
				log.Fatal(err)
			}
		}
	})
	// Output:
	// order 1, delivery 1
	// order 1, delivery 2
}

// An ordered consumer reads a stream without acknowledgements and without gaps.
func ExampleConsumerManager_orderedConsumer() {
	withOrders(func(ctx context.Context, _ jetstream.JetStream, stream jetstream.Stream) {
		cons, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
			OptStartSeq:   2,
		})
		if err != nil {
			log.Fatal(err)
		}
		cc, err := cons.Consume(func(msg jetstream.Msg) {
			meta, err := msg.Metadata()
			if err != nil {
				log.Print(err)
				return
			}
			fmt.Printf("number %d is %s\n", meta.Sequence.Stream, msg.Data())
		}, jetstream.StopAfter(2))
		if err != nil {
			log.Fatal(err)
		}
		<-cc.Closed()
	})
	// Output:
	// number 2 is order 2
	// number 3 is order 3
}

// A service that is told to end handles what has arrived, and then closes its
// connection. Messages that were not handled stay with the server.
func ExampleConsumeContext() {
	withConsumer(func(ctx context.Context, js jetstream.JetStream, cons jetstream.Consumer) {
		// In a service: signal.NotifyContext(ctx, os.Interrupt).
		ctx, interrupt := context.WithCancel(ctx)

		cc, err := cons.Consume(func(msg jetstream.Msg) {
			fmt.Println(string(msg.Data()))
			if err := msg.Ack(); err != nil {
				log.Print(err)
			}
			if string(msg.Data()) == "order 3" {
				interrupt()
			}
		})
		if err != nil {
			log.Fatal(err)
		}

		<-ctx.Done()
		cc.Drain()    // ask for no more, handle what is here
		<-cc.Closed() // the last handler has returned
		// Flush makes sure that the acknowledgements have left.
		if err := js.Conn().Flush(); err != nil {
			log.Fatal(err)
		}
		js.Conn().Close()
		fmt.Println("ended")
	})
	// Output:
	// order 1
	// order 2
	// order 3
	// ended
}
