package jetstream_test

import (
	"context"
	"testing"
	"time"

	"example.com/jetstream"
)

// The server runs in the same process, so that allocations are not those of the
// client alone.
func BenchmarkPublishAsync(b *testing.B) {
	js, nc := pubStart(b)
	pubStream(b, nc, `"max_msgs":1000`)
	payload := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := js.PublishAsync("foo", payload, jetstream.WithStallWait(10*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

func BenchmarkPublish(b *testing.B) {
	js, nc := pubStart(b)
	pubStream(b, nc, `"max_msgs":1000`)
	payload := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := js.Publish(context.Background(), "foo", payload); err != nil {
			b.Fatal(err)
		}
	}
}
