// Command js-next takes one message at a time, each with a request of its own.
// That suits rare and expensive jobs; js-messages is faster for streams of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/examples/internal/demo"
)

func main() { demo.Main(run) }

func run(ctx context.Context, nc *nats.Conn) (err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	name := demo.Name("next")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)
	if err := demo.Publish(ctx, js, name, 5); err != nil {
		return err
	}
	// A consumer that is made now knows how many messages there are. One made
	// before could be behind in counting while they are being published.
	cons, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:   "worker",
		AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		return err
	}

	for ctx.Err() == nil {
		msg, err := cons.Next(jetstream.FetchMaxWait(2 * time.Second))
		if errors.Is(err, nats.ErrTimeout) {
			fmt.Println("Nothing more within two seconds, so that is the end.")
			return nil
		}
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		fmt.Printf("Received %q, stream sequence %d, %d more to come\n", msg.Data(), meta.Sequence.Stream, meta.NumPending)
		if err := msg.Ack(); err != nil {
			return err
		}
	}
	return ctx.Err()
}
