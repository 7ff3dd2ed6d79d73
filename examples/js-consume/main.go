// Command js-consume has a handler called for each message, until all are
// handled or Ctrl-C is pressed.
package main

import (
	"context"
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
	name := demo.Name("consume")
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

	// Handlers of one Consume call run one after another, so that count needs no
	// lock.
	count, done := 0, make(chan struct{})
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		fmt.Printf("Received %q\n", msg.Data())
		if count == 0 && !redelivered(msg) {
			// Work that failed can be asked for again, now or some time later.
			fmt.Println("  ... not now, again in 200 ms")
			demo.Warn(msg.NakWithDelay(200 * time.Millisecond))
			return
		}
		demo.Warn(msg.Ack())
		if count++; count == total {
			close(done)
		}
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		// Most errors are temporary and Consume goes on by itself; when one is
		// not, Closed is closed.
		demo.Warn(err)
	}))
	if err != nil {
		return err
	}

	if err := demo.Publish(ctx, js, name, total); err != nil {
		cc.Stop()
		return err
	}
	select {
	case <-done:
		fmt.Println("All", total, "messages are handled.")
	case <-cc.Closed():
		return fmt.Errorf("the consumer ended after %d messages", count)
	case <-ctx.Done():
	}
	// Drain lets the handler finish what has arrived already.
	cc.Drain()
	<-cc.Closed()
	return ctx.Err()
}

// redelivered reports whether this is not the first attempt at a message.
func redelivered(msg jetstream.Msg) bool {
	meta, err := msg.Metadata()
	if err != nil {
		demo.Warn(err)
		return false
	}
	return meta.NumDelivered > 1
}
