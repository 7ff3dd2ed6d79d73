// Command js-push has the server push messages at its own pace, with heartbeats
// and flow control. New programs are better off with a pull consumer, see
// js-consume.
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
	name := demo.Name("push")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name}})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)
	cons, err := stream.CreatePushConsumer(ctx, jetstream.ConsumerConfig{
		Durable:        "worker",
		DeliverSubject: nc.NewInbox(),
		AckPolicy:      jetstream.AckExplicitPolicy,
		IdleHeartbeat:  time.Second,
		FlowControl:    true,
	})
	if err != nil {
		return err
	}

	count, done := 0, make(chan struct{})
	cc, err := cons.Consume(func(msg jetstream.Msg) {
		fmt.Printf("Received %q\n", msg.Data())
		demo.Warn(msg.Ack())
		if count++; count == total {
			close(done)
		}
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			fmt.Println("  ... nothing heard of the server for a while")
			return
		}
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
	cc.Drain()
	<-cc.Closed()
	return ctx.Err()
}
