// Command object-basic stores objects, looks at them, changes what is said about
// them, links to them and deletes them, while a watch tells what happens.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

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
	bucket := demo.Name("objects")
	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: bucket, Description: "an example"})
	if err != nil {
		return err
	}
	defer demo.DeleteObjectStore(js, bucket, &err)

	watch, err := store.Watch(ctx, jetstream.UpdatesOnly())
	if err != nil {
		return err
	}

	// Content comes from any reader. The name can be any text.
	meta := jetstream.ObjectMeta{
		Name:        "poems/roses are red.txt",
		Description: "the beginning of a poem",
		Metadata:    map[string]string{"language": "en"},
	}
	info, err := store.Put(ctx, meta, strings.NewReader("Roses are red,\nviolets are blue."))
	if err != nil {
		return err
	}
	fmt.Printf("Stored %q: %d bytes, %s\n", info.Name, info.Size, info.Digest)
	if _, err := store.PutString(ctx, "greeting", "Hello!"); err != nil {
		return err
	}

	// It is read as it arrives. At the end, its digest is checked.
	result, err := store.Get(ctx, info.Name)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(result)
	if err := errors.Join(err, result.Close()); err != nil {
		return err
	}
	fmt.Printf("Read %q\n", content)

	meta.Description = "all of a very short poem"
	if err := store.UpdateMeta(ctx, info.Name, meta); err != nil {
		return err
	}
	if _, err := store.AddLink(ctx, "latest", info); err != nil {
		return err
	}
	linked, err := store.GetString(ctx, "latest")
	if err != nil {
		return err
	}
	fmt.Printf("The link leads to %d bytes\n", len(linked))

	infos, err := store.List(ctx)
	if err != nil {
		return err
	}
	for _, info := range infos {
		fmt.Printf("Listed %q: %d bytes, %q\n", info.Name, info.Size, info.Description)
	}

	if err := store.Delete(ctx, "greeting"); err != nil {
		return err
	}
	if _, err := store.GetString(ctx, "greeting"); !errors.Is(err, jetstream.ErrObjectNotFound) {
		return fmt.Errorf("looking for a deleted object gave %w", err)
	}
	fmt.Println("Deleted, and not found any more")
	return changes(ctx, watch)
}

// changes prints what the watch has seen, up to the delete.
func changes(ctx context.Context, watch jetstream.ObjectWatcher) error {
	for {
		select {
		case info, ok := <-watch.Updates():
			if !ok {
				return cmp.Or(ctx.Err(), errors.New("the watch has ended"))
			}
			fmt.Printf("Seen: %q, deleted: %t\n", info.Name, info.Deleted)
			if info.Deleted {
				return errors.Join(ctx.Err(), watch.Stop())
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
