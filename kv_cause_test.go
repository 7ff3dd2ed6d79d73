package jetstream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/jstest"
)

// B57
func TestWatchKnowsWhyItEnded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(ctx context.Context, js JetStream, w KeyWatcher, cancel context.CancelFunc) error
		want error
	}{
		"stopped": {func(_ context.Context, _ JetStream, w KeyWatcher, _ context.CancelFunc) error { return w.Stop() }, nil},
		"canceled": {func(_ context.Context, _ JetStream, _ KeyWatcher, cancel context.CancelFunc) error {
			cancel()
			return nil
		}, context.Canceled},
		"deleted": {func(ctx context.Context, js JetStream, _ KeyWatcher, _ context.CancelFunc) error {
			return js.DeleteKeyValue(ctx, "TEST")
		}, ErrStreamNotFound},
		"closed": {func(_ context.Context, js JetStream, _ KeyWatcher, _ context.CancelFunc) error {
			js.Conn().Close()
			return nil
		}, nats.ErrConnectionClosed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js, err := New(jstest.Connect(t, jstest.StartServer(t)))
			if err != nil {
				t.Fatal(err)
			}
			kv, err := js.CreateKeyValue(t.Context(), KeyValueConfig{Bucket: "TEST"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w, err := kv.WatchAll(ctx)
			if err != nil {
				t.Fatal(err)
			}
			jstest.WaitFor(t, 30*time.Second, "a pull request", func() bool {
				name := w.(*keyWatcher).entries.feed.oc.current.Load().name
				c, err := js.Consumer(t.Context(), "KV_TEST", name)
				return err == nil && c.CachedInfo().NumWaiting > 0
			})
			if err := tt.end(t.Context(), js, w, cancel); err != nil {
				t.Fatal(err)
			}
			deadline := time.After(30 * time.Second)
			for open := true; open; {
				select {
				case _, open = <-w.Updates():
				case <-deadline:
					t.Fatal("the watch does not end")
				}
			}
			if cause := w.(*keyWatcher).entries.cause(); !errors.Is(cause, tt.want) {
				t.Errorf("cause %v, want %v", cause, tt.want)
			}
		})
	}
}
