// Command js-messages receives messages from an iterator, which asks the server
// for more in advance, while they are being published.
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

const total = 20

func main() { demo.Main(run) }

func run(ctx context.Context, nc *nats.Conn) (err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	name := demo.Name("messages")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)
	cons, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:   "worker",
		AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		return err
	}

	published := make(chan error, 1)
	go func() { published <- publishSlowly(ctx, js, name) }()
	// The goroutine must have ended before the stream is deleted.
	defer func() { err = errors.Join(err, <-published) }()

	// No more than ten messages are requested ahead of the program.
	it, err := cons.Messages(jetstream.PullMaxMessages(10))
	if err != nil {
		return err
	}
	defer it.Stop()
	return receive(ctx, it)
}

func receive(ctx context.Context, it jetstream.MessagesContext) error {
	for count := 0; ; {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			fmt.Println("Iterator closed after", count, "messages.")
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Printf("Received %q\n", msg.Data())
		if err := msg.Ack(); err != nil {
			return err
		}
		if count++; count == total {
			// Next still returns what the iterator holds, and then reports that
			// it is closed. Stop would drop these messages.
			it.Drain()
		}
	}
}

func publishSlowly(ctx context.Context, js jetstream.JetStream, subject string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range total {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := js.Publish(ctx, subject, fmt.Appendf(nil, "message %d", i+1)); err != nil {
			return err
		}
	}
	return nil
}
