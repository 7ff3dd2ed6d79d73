package jetstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"example.com/jetstream/internal/jstest"
)

// Tiny chunks fill the window by their number, also before any is acknowledged.
func TestUploadOfTinyChunksIsBoundedBeforeTheFirstAnswer(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	nc := jstest.Connect(t, s)
	// Somebody who takes the chunks and never answers.
	other := jstest.Connect(t, s)
	silent, err := other.SubscribeSync("chunks")
	if err != nil {
		t.Fatal(err)
	}
	received := func() int {
		n, _, err := silent.Pending()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	js, err := New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := other.Flush(); err != nil { // subscribed, or nobody would respond
		t.Fatal(err)
	}
	u := upload{
		js: js.(*jetStream), subject: "chunks", digest: sha256.New(), window: newUploadWindow(),
		source: &bytesSource{rest: bytes.Repeat([]byte{'x'}, 2*uploadChunks), size: 1},
	}
	ended := make(chan error, 1)
	go func() { ended <- u.run(ctx) }()
	jstest.WaitFor(t, 10*time.Second, "the window to be full", func() bool { return received() >= uploadChunks })
	// Time for one chunk too many.
	time.AfterFunc(20*uploadProbeWait, cancel)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the upload ended with %v", err)
	}
	js.CleanupPublisher()
	if err := errors.Join(nc.Flush(), other.Flush()); err != nil {
		t.Fatal(err)
	}
	if n := received(); n != uploadChunks {
		t.Errorf("%d chunks are on their way, want %d", n, uploadChunks)
	}
}
