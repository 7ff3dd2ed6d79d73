// Command kv-basic stores, reads, lists and deletes values in a key-value bucket,
// and looks at the history of a key.
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
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket:  demo.Name("settings"),
		History: 5, // revisions of each key; 1 unless set
	})
	if err != nil {
		return err
	}
	defer demo.DeleteBucket(js, kv.Bucket(), &err)
	fmt.Println("Created bucket", kv.Bucket())

	for _, color := range []string{"red", "green", "blue"} {
		if _, err := kv.PutString(ctx, "ui.color", color); err != nil {
			return err
		}
	}
	if _, err := kv.PutString(ctx, "ui.font", "serif"); err != nil {
		return err
	}

	entry, err := kv.Get(ctx, "ui.color")
	if err != nil {
		return err
	}
	fmt.Printf("%s is %q at revision %d\n", entry.Key(), entry.Value(), entry.Revision())

	if entry, err = kv.GetRevision(ctx, "ui.color", 1); err != nil {
		return err
	}
	fmt.Printf("It was %q at revision %d\n", entry.Value(), entry.Revision())

	keys, err := kv.Keys(ctx)
	if err != nil {
		return err
	}
	fmt.Println("Keys:", keys)

	// A delete keeps the history, a purge does not.
	if err := kv.Delete(ctx, "ui.color"); err != nil {
		return err
	}
	if _, err := kv.Get(ctx, "ui.color"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("looking for a deleted key gave %w", err)
	}
	history, err := kv.History(ctx, "ui.color")
	if err != nil {
		return err
	}
	for _, e := range history {
		fmt.Printf("Revision %d: %s %q\n", e.Revision(), e.Operation(), e.Value())
	}

	status, err := kv.Status(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("The bucket holds %d entries\n", status.Values())
	return nil
}
