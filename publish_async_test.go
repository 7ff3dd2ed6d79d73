package jetstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// pubDeadline is the time within which what must happen has to.
const pubDeadline = 30 * time.Second

// pubUntil waits for a condition.
func pubUntil(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(pubDeadline); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting for %s", what)
		}
	}
}

func pubComplete(t testing.TB, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(pubDeadline):
		t.Fatal("still waiting for completion")
	}
}

func pubIsClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// pubErr returns how a future failed.
func pubErr(t testing.TB, f jetstream.PubAckFuture) error {
	t.Helper()
	select {
	case err := <-f.Err():
		return err
	case ack := <-f.Ok():
		t.Fatalf("acknowledged: %+v", *ack)
	case <-time.After(pubDeadline):
		t.Fatal("future is not resolved")
	}
	return nil
}

// pubOk returns the acknowledgement of a future.
func pubOk(t testing.TB, f jetstream.PubAckFuture) *jetstream.PubAck {
	t.Helper()
	select {
	case ack := <-f.Ok():
		return ack
	case err := <-f.Err():
		t.Fatalf("failed: %v", err)
	case <-time.After(pubDeadline):
		t.Fatal("future is not resolved")
	}
	return nil
}

func pubAsync(t testing.TB, js jetstream.JetStream, subject string, opts ...jetstream.PublishOpt) jetstream.PubAckFuture {
	t.Helper()
	f, err := js.PublishAsync(subject, []byte("x"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// pubSilent subscribes to foo without answering, through a connection of its
// own, and returns the messages.
func pubSilent(t testing.TB, nc *nats.Conn) (chan *nats.Msg, *nats.Conn) {
	t.Helper()
	other, err := nats.Connect(nc.ConnectedUrl())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	ch := make(chan *nats.Msg, 10000)
	if _, err := other.ChanSubscribe("foo", ch); err != nil {
		t.Fatal(err)
	}
	if err := other.Flush(); err != nil {
		t.Fatal(err)
	}
	return ch, other
}

// pubRetryWait is the time tests have between a publish that finds no stream and
// its retry: to make the stream, or to change the message. A stream that appears
// amid the retries takes them out of order, and a message that is changed then is
// a data race.
const pubRetryWait = 3 * time.Second

func pubAnswer(t testing.TB, m *nats.Msg) {
	t.Helper()
	if err := m.Respond([]byte(`{"stream":"foo","seq":1}`)); err != nil {
		t.Error(err)
	}
}

func TestPublishAsyncFutureDeliversOnceOnStableChannels(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	pubStream(t, nc)
	early := pubAsync(t, js, "foo")
	ok := early.Ok()
	late := pubAsync(t, js, "foo")
	pubComplete(t, js.PublishAsyncComplete())
	for _, f := range []jetstream.PubAckFuture{early, late} {
		ok, failed := f.Ok(), f.Err()
		if ok != f.Ok() || failed != f.Err() {
			t.Error("channels change")
		}
		if len(f.Ok()) != 1 || len(f.Err()) != 0 {
			t.Errorf("%d acks and %d errors", len(f.Ok()), len(f.Err()))
		}
		if ack := <-f.Ok(); ack.Stream != "foo" || ack.Sequence == 0 {
			t.Errorf("got %+v", *ack)
		}
		select {
		case ack, open := <-f.Ok():
			t.Errorf("second receive gives %v, %v", ack, open)
		default:
		}
	}
	if ok != early.Ok() {
		t.Error("channel has changed with the outcome")
	}
}

func TestPublishAsyncRefusesBadInput(t *testing.T) {
	t.Parallel()
	var handled atomic.Int32
	js, nc := pubStart(t, jetstream.WithPublishAsyncErrHandler(func(jetstream.JetStream, *nats.Msg, error) { handled.Add(1) }))
	pubStream(t, nc)
	if _, err := js.PublishMsgAsync(nil, jetstream.WithMsgID("1")); err != nats.ErrInvalidMsg {
		t.Errorf("nil message: %v", err)
	}
	m := &nats.Msg{Subject: "foo", Reply: "bar"}
	if _, err := js.PublishMsgAsync(m, jetstream.WithMsgID("1")); err != jetstream.ErrAsyncPublishReplySubjectSet || m.Header != nil {
		t.Errorf("reply subject: %v, header %v", err, m.Header)
	}
	if _, err := js.PublishAsync("", nil); err != nats.ErrBadSubject {
		t.Errorf("empty subject: %v", err)
	}
	complete := js.PublishAsyncComplete()
	if _, err := js.PublishAsync("foo", make([]byte, 2<<20)); err != nats.ErrMaxPayload {
		t.Errorf("too big: %v", err)
	}
	if n := js.PublishAsyncPending(); n != 0 || !pubIsClosed(complete) || !pubIsClosed(js.PublishAsyncComplete()) {
		t.Errorf("%d pending", n)
	}
	if n := handled.Load(); n != 0 {
		t.Errorf("handler called %d times", n)
	}
}

func TestPublishAsyncCallsAckHandlerAfterFutureResolved(t *testing.T) {
	t.Parallel()
	_, nc := pubStart(t)
	pubStream(t, nc)
	type call struct {
		js      jetstream.JetStream
		msg     *nats.Msg
		ack     jetstream.PubAck
		pending int
	}
	calls := make(chan call, 10)
	var inHandler atomic.Bool
	js := pubHandle(t, nc, jetstream.WithPublishAsyncAckHandler(func(js jetstream.JetStream, m *nats.Msg, ack *jetstream.PubAck) {
		inHandler.Store(true)
		calls <- call{js, m, *ack, js.PublishAsyncPending()}
		time.Sleep(20 * time.Millisecond)
		inHandler.Store(false)
	}))
	m := &nats.Msg{Subject: "foo"}
	f, err := js.PublishMsgAsync(m)
	if err != nil {
		t.Fatal(err)
	}
	pubComplete(t, js.PublishAsyncComplete())
	if inHandler.Load() {
		t.Error("completed while the handler was running")
	}
	got := <-calls
	if got.js != js || got.msg != m || got.pending != 0 || got.ack.Sequence != 1 {
		t.Errorf("got %+v", got)
	}
	if ack := pubOk(t, f); *ack != got.ack {
		t.Errorf("future has %+v", *ack)
	}
}

func TestPublishAsyncReportsInvalidAck(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	msgs, _ := pubSilent(t, nc)
	for _, body := range []string{"junk", `{"seq":1}`, ""} {
		f := pubAsync(t, js, "foo")
		if err := (<-msgs).Respond([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if err := pubErr(t, f); err != jetstream.ErrInvalidJSAck {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestPublishAsyncReplySubjectsStayBelowInboxPrefix(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	for prefix, opts := range map[string][]nats.Option{"_INBOX.": nil, "accI.": {nats.CustomInboxPrefix("accI")}} {
		nc := jstest.Connect(t, s, opts...)
		js := pubHandle(t, nc)
		msgs, _ := pubSilent(t, nc)
		seen := make(map[string]bool)
		session := ""
		for range 100 {
			f := pubAsync(t, js, "foo")
			m := <-msgs
			rest, ok := strings.CutPrefix(m.Reply, prefix)
			parts := strings.Split(rest, ".")
			if !ok || len(parts) != 2 || len(parts[0]) != 6 || len(parts[1]) != 6 || seen[rest] {
				t.Fatalf("reply subject %q", m.Reply)
			}
			if session != "" && session != parts[0] {
				t.Fatalf("session changes from %q to %q", session, parts[0])
			}
			seen[rest], session = true, parts[0]
			pubAnswer(t, m)
			pubOk(t, f)
		}
	}
}

// A45
func TestPublishAsyncDrawsUniqueIDsWhileSomeStayUnanswered(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(64))
	msgs, _ := pubSilent(t, nc)
	seen := make(map[string]bool)
	var kept []*nats.Msg
	var futures []jetstream.PubAckFuture
	for i := range 2000 {
		f := pubAsync(t, js, "foo", jetstream.WithStallWait(pubDeadline))
		m := <-msgs
		if seen[m.Reply] {
			t.Fatalf("publish %d: reply subject %q again", i, m.Reply)
		}
		seen[m.Reply] = true
		if i%40 == 0 {
			kept, futures = append(kept, m), append(futures, f)
			continue
		}
		pubAnswer(t, m)
		pubOk(t, f)
	}
	for i, m := range kept {
		pubAnswer(t, m)
		pubOk(t, futures[i])
	}
}

func TestPublishAsyncStaysBelowLimitWithAckingStream(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(5))
	pubStream(t, nc)
	for range 20 {
		pubAsync(t, js, "foo", jetstream.WithStallWait(pubDeadline))
		if n := js.PublishAsyncPending(); n > 5 {
			t.Fatalf("%d pending", n)
		}
	}
	pubComplete(t, js.PublishAsyncComplete())
}

func TestPublishAsyncStallsOutAtLimit(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(5))
	pubStream(t, nc, `"no_ack":true`)
	for range 5 {
		pubAsync(t, js, "foo", jetstream.WithStallWait(time.Nanosecond))
	}
	start := time.Now()
	if _, err := js.PublishAsync("foo", nil); err != jetstream.ErrTooManyStalledMsgs {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 200*time.Millisecond || took > 4*time.Second {
		t.Errorf("stalled for %v", took)
	}
	for range 100 {
		if _, err := js.PublishAsync("foo", nil, jetstream.WithStallWait(time.Microsecond)); err != jetstream.ErrTooManyStalledMsgs {
			t.Fatal(err)
		}
	}
	if n := js.PublishAsyncPending(); n != 5 {
		t.Errorf("%d pending", n)
	}
	pubUntil(t, "5 messages", func() bool { return pubCount(t, nc) == 5 })
}

// A46
func TestPublishAsyncLimitIsHardAndFairUnderConcurrency(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 5} {
		js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(limit))
		msgs, _ := pubSilent(t, nc)
		var held []*nats.Msg
		for range limit {
			pubAsync(t, js, "foo")
			held = append(held, <-msgs)
		}
		const publishers = 16
		results := make(chan error, publishers)
		for range publishers {
			go func() {
				_, err := js.PublishAsync("foo", nil, jetstream.WithStallWait(pubDeadline))
				results <- err
			}()
		}
		select {
		case <-msgs:
			t.Fatal("sent while the limit was reached")
		case <-time.After(100 * time.Millisecond):
		}
		for range publishers {
			pubAnswer(t, held[0])
			held = held[1:]
			select {
			case m := <-msgs:
				held = append(held, m)
			case <-time.After(pubDeadline):
				t.Fatal("no publisher let through")
			}
			if n := js.PublishAsyncPending(); n > limit {
				t.Fatalf("%d pending", n)
			}
			if err := <-results; err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestPublishAsyncFailedSendPassesSlotOn(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(1))
	pubStream(t, nc)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			size := 1
			if i%2 == 0 {
				size = 2 << 20
			}
			_, err := js.PublishAsync("foo", make([]byte, size), jetstream.WithStallWait(pubDeadline), jetstream.WithRetryAttempts(0))
			if i%2 == 0 && err != nats.ErrMaxPayload || i%2 == 1 && err != nil {
				t.Errorf("publish %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	pubComplete(t, js.PublishAsyncComplete())
	if n := pubCount(t, nc); n != 100 {
		t.Errorf("%d stored", n)
	}
}

// B38
func TestPublishAsyncFailedSendCompletes(t *testing.T) {
	t.Parallel()
	js, _ := pubStart(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tooBig := make([]byte, 2<<20)
		for !pubIsClosed(stop) {
			if _, err := js.PublishAsync("foo", tooBig, jetstream.WithRetryAttempts(0)); err != nats.ErrMaxPayload {
				t.Error(err)
				return
			}
		}
	}()
	// Caught in the moment between registration and failure.
	var complete <-chan struct{}
	for end := time.Now().Add(pubDeadline); complete == nil || pubIsClosed(complete); {
		if time.Now().After(end) {
			t.Fatal("never caught a publish in flight")
		}
		complete = js.PublishAsyncComplete()
	}
	close(stop)
	<-stopped
	pubComplete(t, complete)
}

// A43
func TestPublishAsyncRetriesUntilStreamAppearsWithinOneSlot(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(1))
	f := pubAsync(t, js, "foo", jetstream.WithStallWait(time.Nanosecond),
		jetstream.WithRetryAttempts(5000), jetstream.WithRetryWait(10*time.Millisecond), jetstream.WithMsgID("1"))
	complete := js.PublishAsyncComplete()
	pubUntil(t, "a retry", func() bool { return nc.Stats().OutMsgs >= 3 })
	if n := js.PublishAsyncPending(); n != 1 || pubIsClosed(complete) {
		t.Errorf("%d pending", n)
	}
	pubStream(t, nc)
	if ack := pubOk(t, f); ack.Sequence != 1 || ack.Duplicate {
		t.Errorf("got %+v", *ack)
	}
	pubComplete(t, complete)
	if got := pubStored(t, nc, 1); string(got.Data) != "x" || got.Header.Get("Nats-Msg-Id") != "1" {
		t.Errorf("stored %q with %v", got.Data, got.Header)
	}
}

// A44
func TestPublishAsyncRetriesUsedUpReleaseEverything(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]uint64{2: 4, 0: 2} {
		failed, proceed := make(chan error), make(chan struct{})
		js, nc := pubStart(t, jetstream.WithPublishAsyncMaxPending(1),
			jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) {
				failed <- err
				<-proceed
			}))
		before := nc.Stats().OutMsgs
		f := pubAsync(t, js, "none", jetstream.WithRetryAttempts(attempts), jetstream.WithRetryWait(50*time.Millisecond))
		complete := js.PublishAsyncComplete()
		stalled := make(chan error, 1)
		go func() {
			_, err := js.PublishAsync("none", nil, jetstream.WithRetryAttempts(0), jetstream.WithStallWait(pubDeadline))
			stalled <- err
		}()
		for range 2 {
			if err := <-failed; err != jetstream.ErrNoStreamResponse {
				t.Fatal(err)
			}
			if pubIsClosed(complete) {
				t.Fatal("completed before the handler has returned")
			}
			if f != nil {
				if err := pubErr(t, f); err != jetstream.ErrNoStreamResponse {
					t.Fatal(err)
				}
				if err := <-stalled; err != nil {
					t.Fatal(err)
				}
				f = nil
			}
			proceed <- struct{}{}
		}
		pubComplete(t, complete)
		if sent := nc.Stats().OutMsgs - before; sent != want {
			t.Errorf("%d attempts: sent %d times", attempts, sent)
		}
	}
}

func TestPublishAsyncRetriesKeepTheOrder(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	for i := range 100 {
		if _, err := js.PublishAsync("foo", fmt.Append(nil, i), jetstream.WithRetryAttempts(1000), jetstream.WithRetryWait(pubRetryWait)); err != nil {
			t.Fatal(err)
		}
	}
	pubStream(t, nc)
	pubComplete(t, js.PublishAsyncComplete())
	for i := range 100 {
		if got := string(pubStored(t, nc, uint64(i+1)).Data); got != strconv.Itoa(i) {
			t.Fatalf("message %d is stored as %s", i, got)
		}
	}
}

// B12
func TestPublishAsyncRetryNeverStoresReusedBuffer(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	buf := []byte("AAAA")
	retries := []jetstream.PublishOpt{jetstream.WithRetryAttempts(3), jetstream.WithRetryWait(pubRetryWait)}
	reused, err := js.PublishAsync("foo", buf, retries...)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := js.PublishAsync("foo", []byte("CCCC"), retries...)
	if err != nil {
		t.Fatal(err)
	}
	copy(buf, "BBBB")
	// Orders the write before the retry for the race detector.
	if n := js.PublishAsyncPending(); n != 2 {
		t.Fatalf("%d pending", n)
	}
	pubStream(t, nc)
	if err := pubErr(t, reused); !errors.Is(err, jetstream.ErrNoStreamResponse) || !strings.Contains(err.Error(), "payload changed") {
		t.Errorf("got %v", err)
	}
	pubOk(t, kept)
	if got := pubStored(t, nc, 1); !bytes.Equal(got.Data, []byte("CCCC")) || pubCount(t, nc) != 1 {
		t.Errorf("stored %q", got.Data)
	}
}

func TestPublishAsyncRetrySendsMessageAsItWasPublished(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	retries := []jetstream.PublishOpt{jetstream.WithRetryAttempts(3), jetstream.WithRetryWait(pubRetryWait)}
	m := &nats.Msg{Subject: "foo.1", Data: []byte("one"), Header: nats.Header{"k": {"a", "b"}}}
	var futures []jetstream.PubAckFuture
	for i := range 3 {
		f, err := js.PublishMsgAsync(m, append(retries, jetstream.WithMsgID(strconv.Itoa(i)))...)
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
		m.Subject = fmt.Sprintf("foo.%d", i+2)
		m.Data = []byte("other")
		m.Header["k"][0] = "c"
		m.Header.Set("later", "x")
	}
	pubStream(t, nc)
	for _, f := range futures {
		if ack := pubOk(t, f); ack.Duplicate {
			t.Errorf("got %+v", *ack)
		}
	}
	first := pubStored(t, nc, 1)
	want := nats.Header{"k": {"a", "b"}, "Nats-Msg-Id": {"0"}}
	if first.Subject != "foo.1" || string(first.Data) != "one" || !reflect.DeepEqual(first.Header, want) {
		t.Errorf("stored %s %q %v", first.Subject, first.Data, first.Header)
	}
}

func TestPublishAsyncErrHandlerMayBlockAndRepublish(t *testing.T) {
	t.Parallel()
	exists := make(chan struct{})
	js, nc := pubStart(t, jetstream.WithPublishAsyncErrHandler(func(js jetstream.JetStream, m *nats.Msg, err error) {
		<-exists
		if err != jetstream.ErrNoStreamResponse {
			t.Errorf("handler gets %v", err)
		}
		if _, err := js.PublishMsgAsync(m); err != nil {
			t.Errorf("publish again: %v", err)
		}
	}))
	for range 10 {
		pubAsync(t, js, "foo", jetstream.WithRetryAttempts(0))
	}
	complete := js.PublishAsyncComplete()
	pubStream(t, nc)
	close(exists)
	pubComplete(t, complete)
	pubComplete(t, js.PublishAsyncComplete())
	if n := pubCount(t, nc); n != 10 {
		t.Errorf("%d stored", n)
	}
}

func TestPublishAsyncCompleteIsSharedWhileBusy(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	if !pubIsClosed(js.PublishAsyncComplete()) {
		t.Error("open before the first publish")
	}
	msgs, _ := pubSilent(t, nc)
	for range 2 {
		pubAsync(t, js, "foo")
		first := js.PublishAsyncComplete()
		pubAsync(t, js, "foo")
		if js.PublishAsyncComplete() != first || pubIsClosed(first) {
			t.Error("channel changes while busy")
		}
		pubAnswer(t, <-msgs)
		pubUntil(t, "one pending", func() bool { return js.PublishAsyncPending() == 1 })
		if pubIsClosed(first) {
			t.Error("closed with one pending")
		}
		pubAnswer(t, <-msgs)
		pubComplete(t, first)
	}
}
