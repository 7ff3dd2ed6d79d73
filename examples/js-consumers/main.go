// Command js-consumers walks consumers through their life: create, look at,
// change, pause, list, delete.
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
	name := demo.Name("consumers")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)
	if err := demo.Publish(ctx, js, name+".a", 5); err != nil {
		return err
	}
	if err := demo.Publish(ctx, js, name+".b", 3); err != nil {
		return err
	}

	// A durable consumer stays until it is deleted.
	cfg := jetstream.ConsumerConfig{
		Durable:       "reports",
		FilterSubject: name + ".a",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       10 * time.Second,
	}
	cons, err := stream.CreateConsumer(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Printf("Created %s, %d messages waiting\n", cons.CachedInfo().Name, cons.CachedInfo().NumPending)

	// Creating is refused when there is one with another configuration;
	// CreateOrUpdateConsumer changes it instead.
	cfg.FilterSubject = name + ".>"
	if _, err := stream.CreateConsumer(ctx, cfg); !errors.Is(err, jetstream.ErrConsumerExists) {
		return fmt.Errorf("creating a second one gave %w", err)
	}
	if cons, err = stream.CreateOrUpdateConsumer(ctx, cfg); err != nil {
		return err
	}
	info, err := cons.Info(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("Updated %s, %d messages waiting\n", info.Name, info.NumPending)

	// One without a durable name goes away when nobody uses it for a while.
	passing, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverLastPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return err
	}
	msg, err := passing.Next()
	if err != nil {
		return err
	}
	fmt.Printf("A passing consumer got the last message, %q\n", msg.Data())

	if err := pause(ctx, stream, info.Name); err != nil {
		return err
	}

	list := stream.ListConsumers(ctx)
	count := 0
	for info := range list.Info() {
		fmt.Printf("Listed a consumer with filter %q\n", info.Config.FilterSubject)
		count++
	}
	if err := list.Err(); err != nil {
		return err
	}
	fmt.Println("The stream has", count, "consumers")

	if err := stream.DeleteConsumer(ctx, info.Name); err != nil {
		return err
	}
	if _, err := stream.Consumer(ctx, info.Name); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("looking for a deleted consumer gave %w", err)
	}
	fmt.Println("Deleted", info.Name)
	return nil
}

// pause holds deliveries up and lets them go on.
func pause(ctx context.Context, stream jetstream.Stream, consumer string) error {
	paused, err := stream.PauseConsumer(ctx, consumer, time.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	fmt.Println("Paused:", paused.Paused)
	resumed, err := stream.ResumeConsumer(ctx, consumer)
	if err != nil {
		return err
	}
	fmt.Println("Paused after resuming:", resumed.Paused)
	return nil
}
