// Command js-streams walks a stream through its life: create, look at, change,
// read and delete single messages, purge, delete.
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
	name := demo.Name("life")
	cfg := jetstream.StreamConfig{
		Name:        name,
		Description: "an example",
		Subjects:    []string{name + ".>"},
	}
	if _, err := js.CreateStream(ctx, cfg); err != nil {
		return err
	}
	// Deleted below when all goes well.
	deleted := false
	defer func() {
		if !deleted {
			demo.DeleteStream(js, name, &err)
		}
	}()
	fmt.Println("Created", name)

	if err := demo.Publish(ctx, js, name+".a", 5); err != nil {
		return err
	}
	if err := demo.Publish(ctx, js, name+".b", 3); err != nil {
		return err
	}

	// Fields that are not set are set to their defaults, so change a copy of the
	// whole configuration.
	cfg.MaxMsgs = 1000
	stream, err := js.UpdateStream(ctx, cfg)
	if err != nil {
		return err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("Holds %d messages of at most %d\n", info.State.Msgs, info.Config.MaxMsgs)

	if err := singleMessages(ctx, stream, name); err != nil {
		return err
	}

	if err := stream.Purge(ctx, jetstream.WithPurgeSubject(name+".a")); err != nil {
		return err
	}
	if info, err = stream.Info(ctx); err != nil {
		return err
	}
	fmt.Printf("Holds %d messages after %s.a was purged\n", info.State.Msgs, name)

	// A list is read to its end first; then Err tells whether it is complete.
	names := js.StreamNames(ctx, jetstream.WithStreamListSubject(name+".>"))
	for n := range names.Name() {
		fmt.Println("Listed", n)
	}
	if err := names.Err(); err != nil {
		return err
	}

	if err := js.DeleteStream(ctx, name); err != nil {
		return err
	}
	deleted = true
	if _, err := js.Stream(ctx, name); !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("looking for a deleted stream gave %w", err)
	}
	fmt.Println("Deleted, and not found any more")
	return nil
}

// singleMessages reads and deletes messages by sequence and by subject.
func singleMessages(ctx context.Context, stream jetstream.Stream, name string) error {
	msg, err := stream.GetMsg(ctx, 2)
	if err != nil {
		return err
	}
	fmt.Printf("Number %d is %q\n", msg.Sequence, msg.Data)

	if msg, err = stream.GetLastMsgForSubject(ctx, name+".b"); err != nil {
		return err
	}
	fmt.Printf("The last one on %s is number %d\n", msg.Subject, msg.Sequence)

	if err := stream.DeleteMsg(ctx, 2); err != nil {
		return err
	}
	if _, err := stream.GetMsg(ctx, 2); !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("looking for a deleted message gave %w", err)
	}
	fmt.Println("Deleted number 2")
	return nil
}
