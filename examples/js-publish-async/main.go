// Command js-publish-async publishes without waiting for one acknowledgement
// before sending the next message.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/examples/internal/demo"
)

const total = 1000

func main() { demo.Main(run) }

func run(ctx context.Context, nc *nats.Conn) (err error) {
	// At most 256 messages await their acknowledgement at any time; publishing
	// then waits for room.
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(256))
	if err != nil {
		return err
	}
	name := demo.Name("async")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)

	start := time.Now()
	futures := make([]jetstream.PubAckFuture, 0, total)
	for i := range total {
		future, err := js.PublishAsync(name, fmt.Appendf(nil, "message %d", i+1),
			jetstream.WithStallWait(5*time.Second))
		if err != nil {
			return fmt.Errorf("publish message %d: %w", i+1, err)
		}
		futures = append(futures, future)
	}

	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return fmt.Errorf("%d messages are not acknowledged after 10 s", js.PublishAsyncPending())
	}

	// A future holds the outcome of one publish: one of its channels has a value.
	for i, future := range futures {
		select {
		case ack := <-future.Ok():
			if i == total-1 {
				fmt.Printf("The last message has sequence %d in stream %s.\n", ack.Sequence, ack.Stream)
			}
		case err := <-future.Err():
			return fmt.Errorf("message %d was not stored: %w", i+1, err)
		}
	}
	fmt.Printf("All %d messages were acknowledged within %v.\n", total, time.Since(start).Round(time.Millisecond))

	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	fmt.Println("The stream holds", info.State.Msgs, "messages.")
	return nil
}
