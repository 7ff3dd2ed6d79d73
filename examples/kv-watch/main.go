// Command kv-watch follows the keys of a bucket: first what is there, then what
// happens to it.
package main

import (
	"cmp"
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
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: demo.Name("rooms")})
	if err != nil {
		return err
	}
	defer demo.DeleteBucket(js, kv.Bucket(), &err)
	for _, room := range []string{"north.1", "north.2", "south.1"} {
		if _, err := kv.PutString(ctx, room, "free"); err != nil {
			return err
		}
	}

	// Of the keys that match, first the last value of each arrives.
	watcher, err := kv.Watch(ctx, "north.*")
	if err != nil {
		return err
	}
	defer func() {
		// It may have ended with the context.
		if stopErr := watcher.Stop(); err == nil && ctx.Err() == nil {
			err = stopErr
		}
	}()
	for entry := range watcher.Updates() {
		if entry == nil {
			fmt.Println("Up to date, waiting for changes")
			break
		}
		fmt.Printf("%s is %s\n", entry.Key(), entry.Value())
	}

	if _, err := kv.PutString(ctx, "north.2", "taken"); err != nil {
		return err
	}
	if _, err := kv.PutString(ctx, "south.1", "taken"); err != nil {
		return err
	}
	if err := kv.Delete(ctx, "north.1"); err != nil {
		return err
	}
	// The channel is closed when the watch ends, for whatever reason.
	for entry := range watcher.Updates() {
		switch entry.Operation() {
		case jetstream.KeyValuePut:
			fmt.Printf("%s became %s\n", entry.Key(), entry.Value())
		case jetstream.KeyValueDelete, jetstream.KeyValuePurge:
			fmt.Printf("%s is gone\n", entry.Key())
			return nil
		}
	}
	return cmp.Or(ctx.Err(), errors.New("the watch has ended"))
}
