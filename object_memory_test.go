package jetstream_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// The server is in the same process and its buffers are part of what is measured.
// It runs alone, so that no other test is.
func TestMemoryStaysFlatForLargeObjects(t *testing.T) {
	const (
		size  = 300 << 20
		limit = 180 << 20
	)
	// What counts is what is held, not garbage.
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	js := objHandle(t, jstest.Connect(t, jstest.StartServer(t)), jetstream.WithDefaultTimeout(2*time.Minute))
	ctx := objContext(t)
	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "B"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sparse, copied := filepath.Join(dir, "sparse"), filepath.Join(dir, "copied")
	if err := os.WriteFile(sparse, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(sparse, size); err != nil {
		t.Fatal(err)
	}
	for what, work := range map[string]func() error{
		"reader": func() error {
			if _, err := store.Put(ctx, jetstream.ObjectMeta{Name: "A"}, &objReader{size: size}); err != nil {
				return err
			}
			r, err := store.Get(ctx, "A")
			if err != nil {
				return err
			}
			n, err := io.Copy(io.Discard, r)
			if n != size {
				t.Errorf("read %d bytes", n)
			}
			return err
		},
		"file": func() error {
			if _, err := store.PutFile(ctx, sparse); err != nil {
				return err
			}
			if err := store.GetFile(ctx, sparse, copied); err != nil {
				return err
			}
			info, err := os.Stat(copied)
			if err == nil && info.Size() != size {
				t.Errorf("the file has %d bytes", info.Size())
			}
			return err
		},
	} {
		var err error
		peak := objPeak(func() { err = work() })
		t.Logf("%s: %d MiB", what, peak>>20)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if peak > limit {
			t.Errorf("%s took %d MiB of memory", what, peak>>20)
		}
	}
}
