// Command object-file stores a file as an object and fetches it again, and shows
// how far it has come.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/examples/internal/demo"
)

const fileSize = 32 << 20

func main() { demo.Main(run) }

func run(ctx context.Context, nc *nats.Conn) (err error) {
	dir, err := os.MkdirTemp("", "object-file-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "target")
	if err := os.WriteFile(source, bytes.Repeat([]byte("0123456789abcdef"), fileSize/16), 0o600); err != nil {
		return err
	}

	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	bucket := demo.Name("files")
	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: bucket})
	if err != nil {
		return err
	}
	defer demo.DeleteObjectStore(js, bucket, &err)

	info, err := put(ctx, store, "backup", source)
	if err != nil {
		return fmt.Errorf("store %s: %w", source, err)
	}
	fmt.Printf("Stored %d bytes in %d chunks\n", info.Size, info.Chunks)
	if err := get(ctx, store, "backup", target); err != nil {
		return fmt.Errorf("fetch into %s: %w", target, err)
	}
	fmt.Println("Fetched, and the digest is right")

	// Without progress to show, each is a single call. GetFile replaces the file
	// only once all of it has come.
	if _, err := store.PutFile(ctx, source); err != nil {
		return err
	}
	if err := store.GetFile(ctx, source, target); err != nil {
		return err
	}
	fmt.Println("And the same with PutFile and GetFile")
	return nil
}

// put stores a file under a name. Put reads a little ahead of what is stored.
func put(ctx context.Context, store jetstream.ObjectStore, name, file string) (*jetstream.ObjectInfo, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	bar := &progress{what: "Storing", total: stat.Size()}
	return store.Put(ctx, jetstream.ObjectMeta{Name: name}, io.TeeReader(f, bar))
}

// get writes an object to a file. The content is only good if there is no error.
func get(ctx context.Context, store jetstream.ObjectStore, name, file string) (err error) {
	result, err := store.Get(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, result.Close()) }()
	info, err := result.Info()
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	bar := &progress{what: "Fetching", total: int64(info.Size)}
	_, err = io.Copy(io.MultiWriter(f, bar), result)
	return errors.Join(err, f.Close())
}

// progress is a writer that tells, for every quarter, how much was written.
type progress struct {
	what        string
	total, done int64
	told        int64 // quarters
}

func (p *progress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	for ; p.told < 4*p.done/p.total; p.told++ {
		fmt.Printf("%s: %d %%\n", p.what, 25*(p.told+1))
	}
	return len(b), nil
}
