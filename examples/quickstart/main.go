// Command quickstart shows the main job of the package from end to end: it makes
// a stream, publishes 100 messages to it, and takes them out again in the three
// ways there are.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/examples/internal/demo"
)

const total = 100

func main() { demo.Main(run) }

func run(ctx context.Context, nc *nats.Conn) (err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}

	// A stream stores all messages published to its subjects.
	name := demo.Name("orders")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name:     name,
		Subjects: []string{name + ".>"},
	})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)
	fmt.Println("Created stream", name)

	for i := range total {
		// Publish returns when the server has stored the message.
		if _, err := js.Publish(ctx, name+".new", fmt.Appendf(nil, "order %d", i+1)); err != nil {
			return err
		}
	}
	fmt.Println("Published", total, "messages")

	// A durable consumer remembers what was acknowledged, also while nobody is
	// there to receive. What is not acknowledged is delivered again.
	cons, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:   "shipping",
		AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		return err
	}

	if err := fetch(ctx, cons, 10); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	if err := iterate(ctx, cons, 10); err != nil {
		return fmt.Errorf("iterate: %w", err)
	}
	if err := consume(ctx, cons, total-20); err != nil {
		return fmt.Errorf("consume: %w", err)
	}

	info, err := cons.Info(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("Consumer %s: %d delivered, %d acknowledged, %d awaiting acknowledgement, %d left\n",
		info.Name, info.Delivered.Consumer, info.AckFloor.Consumer, info.NumAckPending, info.NumPending)
	return nil
}

// fetch takes one batch of messages.
func fetch(ctx context.Context, cons jetstream.Consumer, n int) error {
	batch, err := cons.Fetch(n)
	if err != nil {
		return err
	}
	count := 0
	for msg := range batch.Messages() {
		// DoubleAck waits for the server to confirm the acknowledgement. Ack is
		// faster and enough where a rare second delivery does no harm.
		if err := msg.DoubleAck(ctx); err != nil {
			return err
		}
		count++
	}
	fmt.Println("Fetch:    received and acknowledged", count)
	return batch.Error()
}

// iterate takes messages one by one, in the program's own rhythm.
func iterate(ctx context.Context, cons jetstream.Consumer, n int) error {
	it, err := cons.Messages(jetstream.StopAfter(n))
	if err != nil {
		return err
	}
	defer it.Stop()
	count := 0
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			break
		}
		if err != nil {
			return err
		}
		if err := msg.DoubleAck(ctx); err != nil {
			return err
		}
		count++
	}
	fmt.Println("Messages: received and acknowledged", count)
	return nil
}

// consume has a handler called for each message as it comes in.
func consume(ctx context.Context, cons jetstream.Consumer, n int) error {
	count := 0
	failed := make(chan error, 1)
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		if err := msg.DoubleAck(ctx); err != nil {
			select {
			case failed <- err:
			default:
			}
			return
		}
		count++
	}, jetstream.StopAfter(n))
	if err != nil {
		return err
	}
	defer cc.Stop()

	select {
	case <-cc.Closed(): // the handler has seen n messages
	case err := <-failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	fmt.Println("Consume:  received and acknowledged", count)
	return nil
}
