// Command kv-cas changes a value that others change, too, without losing an
// update: each change names the revision it is based on.
package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/examples/internal/demo"
)

const (
	workers = 4
	each    = 25
)

func main() { demo.Main(run) }

func run(ctx context.Context, nc *nats.Conn) (err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: demo.Name("counters")})
	if err != nil {
		return err
	}
	defer demo.DeleteBucket(js, kv.Bucket(), &err)

	// Whoever comes first creates the key, and all others find it.
	if _, err := kv.Create(ctx, "visits", []byte("0")); err != nil {
		return err
	}
	if _, err := kv.Create(ctx, "visits", []byte("0")); !errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("creating a key again gave %w", err)
	}
	fmt.Println("Created the counter once")

	var wg sync.WaitGroup
	var conflicts atomic.Int64
	errs := make([]error, workers)
	for worker := range workers {
		wg.Go(func() {
			for range each {
				if errs[worker] = increment(ctx, kv, "visits", &conflicts); errs[worker] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	entry, err := kv.Get(ctx, "visits")
	if err != nil {
		return err
	}
	fmt.Printf("%d workers counted to %s, with %d conflicts\n", workers, entry.Value(), conflicts.Load())

	if err := kv.Delete(ctx, "visits", jetstream.LastRevision(1)); !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return fmt.Errorf("deleting an old revision gave %w", err)
	}
	if err := kv.Delete(ctx, "visits", jetstream.LastRevision(entry.Revision())); err != nil {
		return err
	}
	fmt.Println("Deleted the revision that was read last, and no other")
	return nil
}

// increment adds one to a counter. If another one was faster, it reads the
// counter again.
func increment(ctx context.Context, kv jetstream.KeyValue, key string, conflicts *atomic.Int64) error {
	for {
		entry, err := kv.Get(ctx, key)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(entry.Value()))
		if err != nil {
			return err
		}
		_, err = kv.Update(ctx, key, []byte(strconv.Itoa(n+1)), entry.Revision())
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return err
		}
		conflicts.Add(1)
	}
}
