package jetstream

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/jstest"
)

// puStart returns a consumer over a connection that is lost and does not come
// back before the returned link is healed, and a record of the pull requests.
func puStart(t *testing.T) (*jstest.Proxy, *pullConsumer, *jstest.Recorder) {
	t.Helper()
	n := jstest.StartNode(t)
	js, err := newJetStream(jstest.ConnectURL(t, n.URL()), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), subDeadline)
	defer cancel()
	if _, err := js.CreateStream(ctx, StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	cons, err := js.CreateConsumer(ctx, "S", ConsumerConfig{Durable: "C", AckPolicy: AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := js.Publish(ctx, "s", nil); err != nil {
			t.Fatal(err)
		}
	}
	pulls := jstest.RecordPulls(t, jstest.Connect(t, n.Server()), "S", "C")
	n.Proxy().Refuse(true)
	n.Proxy().Cut()
	jstest.WaitFor(t, subDeadline, "the connection to be lost", func() bool { return js.conn.Status() == nats.RECONNECTING })
	return n.Proxy(), cons.(*pullConsumer), pulls
}

// puSeen returns the requests that the server has got, one at least. Whoever looks
// on hears of them a moment later.
func puSeen(t *testing.T, c *pullConsumer, pulls *jstest.Recorder) []jstest.PullRequest {
	t.Helper()
	if err := c.js.conn.FlushTimeout(subDeadline); err != nil {
		t.Fatal(err)
	}
	pulls.WaitN(t, 1, subDeadline)
	return pulls.Pulls(t)
}

// The connection is lost, and the news of it are still on their way.
func TestConsumeSendsNothingBeforeItHearsOfAnOutage(t *testing.T) {
	t.Parallel()
	link, c, pulls := puStart(t)
	msgs := make(chan Msg, 100)
	running, err := c.Consume(func(m Msg) { msgs <- m }, PullMaxMessages(20))
	if err != nil {
		t.Fatal(err)
	}
	defer running.Stop()
	cc := running.(*consumeContext)
	cc.mu.Lock()
	cc.engine.connected = true
	cc.mu.Unlock()
	if err := cc.pump(); err != nil {
		t.Error(err)
	}
	link.Heal()
	for range 20 {
		select {
		case <-msgs:
		case <-time.After(subDeadline):
			t.Fatal("messages are missing")
		}
	}
	got := puSeen(t, c, pulls)
	if got[0].Batch != 20 {
		t.Fatalf("requests are %+v", got)
	}
	for _, pull := range got[1:] {
		if pull.Batch == 20 {
			t.Errorf("the whole window is requested again: %+v", got)
		}
	}
}

func TestFetchIsSentOnceIfItBeginsBeforeTheNewsOfAnOutage(t *testing.T) {
	t.Parallel()
	link, c, pulls := puStart(t)
	in, err := takeInbox(c.js.conn)
	if err != nil {
		t.Fatal(err)
	}
	in.mu.Lock()
	in.up = true
	in.mu.Unlock()
	if !putIdleInbox(in) {
		t.Fatal("the inbox is not kept")
	}
	batch, err := c.Fetch(10, FetchMaxWait(subDeadline))
	if err != nil {
		t.Fatal(err)
	}
	link.Heal()
	n := 0
	for range batch.Messages() {
		n++
	}
	if n != 10 || batch.Error() != nil {
		t.Errorf("%d messages, %v", n, batch.Error())
	}
	if got := puSeen(t, c, pulls); len(got) != 1 {
		t.Errorf("requests are %+v", got)
	}
}
