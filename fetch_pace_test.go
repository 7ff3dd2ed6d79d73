package jetstream_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// A program that calls Next again whenever it fails must not turn the absence of
// its consumer into a flood of requests.
func TestNextLoopIsPacedWhileNobodyAnswers(t *testing.T) {
	t.Parallel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := mgContext(t)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	cfg := jetstream.ConsumerConfig{Durable: "C", AckPolicy: jetstream.AckExplicitPolicy}
	cons, err := js.CreateConsumer(ctx, "S", cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteConsumer(ctx, "S", "C"); err != nil {
		t.Fatal(err)
	}

	const span = time.Second
	requests := 0
	for end := time.Now().Add(span); time.Now().Before(end); requests++ {
		if _, err := cons.Next(); !errors.Is(err, nats.ErrNoResponders) {
			t.Fatalf("Next: %v", err)
		}
	}
	// 10, 20, 40, 80, 160 and then 250 ms apart, after two at once.
	if requests > 12 {
		t.Errorf("%d requests within %v", requests, span)
	}

	if _, err := js.CreateConsumer(ctx, "S", cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "s", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if msg, err := cons.Next(jetstream.FetchMaxWait(10 * time.Second)); err != nil || string(msg.Data()) != "x" {
		t.Errorf("after the consumer is back: %v, %v", msg, err)
	}
}
