// Command js-fetch takes messages in batches of a size the program chooses.
package main

import (
	"context"
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
	name := demo.Name("fetch")
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
	if err := demo.Publish(ctx, js, name, 20); err != nil {
		return err
	}

	// Fetch asks for a number of messages and waits for them, here for up to
	// five seconds. It returns at once; the batch fills as messages arrive.
	batch, err := cons.Fetch(5, jetstream.FetchMaxWait(5*time.Second))
	if err != nil {
		return err
	}
	if err := handle("Fetch(5)", batch); err != nil {
		return err
	}

	// FetchBytes asks for as many messages as fit into a number of bytes,
	// subjects and headers included.
	batch, err = cons.FetchBytes(1024, jetstream.FetchMaxWait(5*time.Second))
	if err != nil {
		return err
	}
	if err := handle("FetchBytes(1024)", batch); err != nil {
		return err
	}

	// FetchNoWait takes what is there.
	batch, err = cons.FetchNoWait(100)
	if err != nil {
		return err
	}
	if err := handle("FetchNoWait(100)", batch); err != nil {
		return err
	}

	// A batch that ends with fewer messages, or none, because the time is up is
	// no error.
	batch, err = cons.Fetch(5, jetstream.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return err
	}
	return handle("Fetch(5) when nothing is left", batch)
}

// handle acknowledges all messages of a batch as they arrive.
func handle(what string, batch jetstream.MessageBatch) error {
	count := 0
	for msg := range batch.Messages() {
		if err := msg.Ack(); err != nil {
			return err
		}
		count++
	}
	// The channel is closed and the result final.
	if err := batch.Error(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	fmt.Printf("%s: %d messages\n", what, count)
	return nil
}
