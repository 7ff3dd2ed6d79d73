// Command js-ordered-consume reads a stream from its beginning, in strict order
// and without acknowledgements, and goes on when its consumer is lost.
package main

import (
	"context"
	"fmt"

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
	name := demo.Name("ordered")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)
	if err := demo.Publish(ctx, js, name, total/2); err != nil {
		return err
	}

	// The zero config means: all messages of the stream, from the first.
	cons, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	first := cons.CachedInfo().Name

	// Handlers do not overlap, so count needs no lock. It may be read elsewhere
	// once a channel tells that the handler is done with it.
	count, half := 0, make(chan struct{})
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		fmt.Printf("Received %q\n", msg.Data())
		if count++; count == total/2 {
			close(half)
		}
	}, jetstream.StopAfter(total), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		fmt.Println("  ...", err)
	}))
	if err != nil {
		return err
	}
	defer cc.Stop()

	select {
	case <-half:
	case <-ctx.Done():
		return ctx.Err()
	}
	// Whatever happens to the consumer on the server, another one takes over
	// behind the last message.
	if err := stream.DeleteConsumer(ctx, first); err != nil {
		return err
	}
	if err := demo.Publish(ctx, js, name, total/2); err != nil {
		return err
	}
	select {
	case <-cc.Closed():
	case <-ctx.Done():
		return ctx.Err()
	}
	fmt.Printf("All %d messages came in order, with another consumer: %t\n", count, cons.CachedInfo().Name != first)
	return nil
}
