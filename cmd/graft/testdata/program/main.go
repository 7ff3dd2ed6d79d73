// Command program uses package jetstream directly and through a library that
// takes its types. It ends with something that only one implementation can do.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "ORDERS", Subjects: []string{"orders.*"}, AllowDirect: true, AllowAtomicPublish: true,
	}); err != nil {
		return err
	}

	messages := make([]*nats.Msg, 3)
	for i := range messages {
		messages[i] = nats.NewMsg(fmt.Sprintf("orders.%d", i+1))
		messages[i].Data = fmt.Appendf(nil, "order %d", i+1)
	}
	ack, err := jetstreamext.PublishMsgBatch(ctx, js, messages)
	if err != nil {
		return err
	}
	fmt.Printf("published %d as one\n", ack.BatchSize)

	batch, err := jetstreamext.GetBatch(ctx, js, "ORDERS", 10)
	if err != nil {
		return err
	}
	for msg, err := range batch {
		if err != nil {
			return err
		}
		fmt.Printf("%d: %s\n", msg.Sequence, msg.Data)
	}

	cons, err := js.CreateConsumer(ctx, "ORDERS", jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		return err
	}
	msg, err := cons.Next()
	if err != nil {
		return err
	}
	if err := msg.DoubleAck(ctx); err != nil {
		return err
	}
	fmt.Printf("consumed %s\n", msg.Data())

	// The original refuses a handle that has been used and stopped.
	ordered, err := js.OrderedConsumer(ctx, "ORDERS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	for range 2 {
		cc, err := ordered.Consume(func(jetstream.Msg) {})
		if err != nil {
			return err
		}
		cc.Stop()
		<-cc.Closed()
	}
	fmt.Println("consumed twice with one ordered handle")
	return nil
}
