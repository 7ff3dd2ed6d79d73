package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"example.com/jetstream"
)

// withBucket runs an example about values by key.
func withBucket(example func(ctx context.Context, kv jetstream.KeyValue)) {
	withJetStream(func(ctx context.Context, js jetstream.JetStream) {
		kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "settings", History: 5})
		if err != nil {
			log.Fatal(err)
		}
		example(ctx, kv)
	})
}

func ExampleKeyValue() {
	withBucket(func(ctx context.Context, kv jetstream.KeyValue) {
		for _, color := range []string{"red", "blue"} {
			if _, err := kv.PutString(ctx, "color", color); err != nil {
				log.Fatal(err)
			}
		}
		entry, err := kv.Get(ctx, "color")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Key(), "is", string(entry.Value()), "at revision", entry.Revision())

		if err := kv.Delete(ctx, "color"); err != nil {
			log.Fatal(err)
		}
		_, err = kv.Get(ctx, "color")
		fmt.Println(errors.Is(err, jetstream.ErrKeyNotFound))
	})
	// Output:
	// color is blue at revision 2
	// true
}

// A watch delivers the values there are, then nil, and then each change.
func ExampleKeyValue_watch() {
	withBucket(func(ctx context.Context, kv jetstream.KeyValue) {
		if _, err := kv.PutString(ctx, "ui.color", "red"); err != nil {
			log.Fatal(err)
		}
		watcher, err := kv.Watch(ctx, "ui.*")
		if err != nil {
			log.Fatal(err)
		}
		for entry := range watcher.Updates() {
			switch {
			case entry == nil:
				fmt.Println("that is all for now")
				if err := kv.Delete(ctx, "ui.color"); err != nil {
					log.Fatal(err)
				}
				continue
			case entry.Operation() == jetstream.KeyValuePut:
				fmt.Println(entry.Key(), "is", string(entry.Value()))
				continue
			}
			fmt.Println(entry.Key(), "is gone")
			// Closes the channel, which ends the loop.
			if err := watcher.Stop(); err != nil {
				log.Fatal(err)
			}
		}
	})
	// Output:
	// ui.color is red
	// that is all for now
	// ui.color is gone
}

// Update succeeds only if nobody was faster.
func ExampleKeyValue_update() {
	withBucket(func(ctx context.Context, kv jetstream.KeyValue) {
		revision, err := kv.Create(ctx, "counter", []byte("1"))
		if err != nil {
			log.Fatal(err)
		}
		// Somebody else changes it.
		if _, err := kv.PutString(ctx, "counter", "10"); err != nil {
			log.Fatal(err)
		}
		_, err = kv.Update(ctx, "counter", []byte("2"), revision)
		fmt.Println("refused:", errors.Is(err, jetstream.ErrKeyRevisionMismatch))

		entry, err := kv.Get(ctx, "counter")
		if err != nil {
			log.Fatal(err)
		}
		revision, err = kv.Update(ctx, "counter", []byte("11"), entry.Revision())
		fmt.Println("revision", revision, err)
	})
	// Output:
	// refused: true
	// revision 3 <nil>
}

func ExampleObjectStore() {
	withJetStream(func(ctx context.Context, js jetstream.JetStream) {
		store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "reports"})
		if err != nil {
			log.Fatal(err)
		}
		info, err := store.Put(ctx, jetstream.ObjectMeta{
			Name:        "november",
			Description: "sales by shop",
		}, strings.NewReader("north 17\nsouth 4\n"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(info.Name, info.Size, "bytes")

		object, err := store.Get(ctx, "november")
		if err != nil {
			log.Fatal(err)
		}
		// The error of the last read tells whether the digest is right.
		content, err := io.ReadAll(object)
		if err != nil {
			log.Fatal(err)
		}
		if err := object.Close(); err != nil {
			log.Fatal(err)
		}
		fmt.Print(string(content))
	})
	// Output:
	// november 17 bytes
	// north 17
	// south 4
}
