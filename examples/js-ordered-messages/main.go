// Command js-ordered-messages asks for the messages of a stream one by one, in
// strict order, beginning with the last one of each subject.
package main

import (
	"context"
	"errors"
	"fmt"

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
	name := demo.Name("rooms")
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".*"}})
	if err != nil {
		return err
	}
	defer demo.DeleteStream(js, name, &err)
	for _, room := range []string{"hall", "kitchen", "attic"} {
		if err := demo.Publish(ctx, js, name+"."+room, 3); err != nil {
			return err
		}
	}

	cons, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy:  jetstream.DeliverLastPerSubjectPolicy,
		FilterSubjects: []string{name + ".hall", name + ".attic"},
	})
	if err != nil {
		return err
	}
	it, err := cons.Messages(jetstream.StopAfter(4))
	if err != nil {
		return err
	}
	defer it.Stop()
	// What is published later follows.
	if err := demo.Publish(ctx, js, name+".attic", 2); err != nil {
		return err
	}
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			fmt.Println("Iterator closed.")
			return nil
		}
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		fmt.Printf("Received %q on %s, number %d of the stream\n", msg.Data(), msg.Subject(), meta.Sequence.Stream)
	}
}
