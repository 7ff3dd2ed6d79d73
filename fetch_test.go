package jetstream_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// tpFetched checks that a batch has so many messages and ended without error.
func tpFetched(t testing.TB, want int, batch jetstream.MessageBatch, err error) []jetstream.Msg {
	t.Helper()
	msgs := tpBatch(t, batch, err)
	if len(msgs) != want {
		t.Errorf("%d messages fetched, want %d", len(msgs), want)
	}
	if err := batch.Error(); err != nil {
		t.Errorf("the batch ended with %v", err)
	}
	return msgs
}

func TestFetchReturnsAsManyAsAskedFor(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(30)
	var log tpLog
	for range 3 {
		batch, err := e.cons.Fetch(8)
		for _, m := range tpFetched(t, 8, batch, err) {
			log.take(m)
		}
		if first, second := batch.Messages(), batch.Messages(); first != second {
			t.Error("Messages returned another channel")
		}
	}
	for range 6 {
		m, err := e.cons.Next()
		mgOK(t, err)
		log.take(m)
	}
	log.inOrderOnce(t, 30)
}

func TestFetchReturnsPartialBatchOnTimeout(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(3)
	// Time enough for the messages to come.
	const wait = 2 * time.Second
	started := time.Now()
	batch, err := e.cons.Fetch(5, jetstream.FetchMaxWait(wait))
	tpFetched(t, 3, batch, err)
	if d := time.Since(started); d < wait || d > 5*wait {
		t.Errorf("the batch ended after %v, want %v", d, wait)
	}
	batch, err = e.cons.Fetch(5, jetstream.FetchMaxWait(50*time.Millisecond))
	tpFetched(t, 0, batch, err)
}

func TestFetchReturnsAtOnce(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	batch, err := e.cons.Fetch(2)
	mgOK(t, err)
	mgOK(t, batch.Error())
	if !tpOpen(batch.Messages()) {
		t.Error("the batch is not empty")
	}
	e.publish(2)
	tpFetched(t, 2, batch, err)
}

func TestFetchNoWaitReturnsWhatIsThere(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	pulls := e.pulls()
	batch, err := e.cons.FetchNoWait(5)
	tpFetched(t, 0, batch, err)
	mgEqual(t, "request", e.requested(pulls, 1)[0], jstest.PullRequest{Batch: 5, NoWait: true})
	e.publish(7)
	e.known(7)
	batch, err = e.cons.FetchNoWait(5)
	tpFetched(t, 5, batch, err)
	batch, err = e.cons.FetchNoWait(5)
	tpFetched(t, 2, batch, err)
}

func TestFetchBytesKeepsWithinTheLimit(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publishSize(9, 100)
	probe, err := e.cons.Next()
	mgOK(t, err)
	size := tpSize(probe)

	e.rewind()
	started := time.Now()
	// An exact fit ends the batch without a word from the server.
	batch, err := e.cons.FetchBytes(3 * size)
	tpFetched(t, 3, batch, err)
	batch, err = e.cons.FetchBytes(2*size + size/2)
	tpFetched(t, 2, batch, err)
	batch, err = e.cons.FetchBytes(size - 1)
	tpFetched(t, 0, batch, err)
	batch, err = e.cons.Fetch(4, jetstream.FetchMaxBytes(2*size))
	tpFetched(t, 2, batch, err)
	batch, err = e.cons.Fetch(1, jetstream.FetchMaxBytes(10*size))
	tpFetched(t, 1, batch, err)
	if d := time.Since(started); d > 15*time.Second {
		t.Errorf("batches took %v to end", d)
	}
	batch, err = e.cons.FetchBytes(0, jetstream.FetchMaxWait(100*time.Millisecond))
	tpFetched(t, 1, batch, err)
	mgEqual(t, "messages of consumer", e.info().Delivered.Consumer, uint64(9))
}

func TestFetchesAfterOneAnotherMissNothing(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	var log tpLog
	take := func(batch jetstream.MessageBatch, err error) {
		t.Helper()
		for _, m := range tpBatch(t, batch, err) {
			log.take(m)
		}
		mgOK(t, batch.Error())
	}
	for range 20 {
		e.publish(25)
		e.known(25)
		take(e.cons.Fetch(5))
		take(e.cons.FetchBytes(300, jetstream.FetchMaxWait(time.Second)))
		take(e.cons.Fetch(5, jetstream.FetchMaxBytes(200)))
		take(e.cons.FetchNoWait(100))
		take(e.cons.Fetch(3, jetstream.FetchMaxWait(time.Millisecond)))
		take(e.cons.FetchNoWait(100))
	}
	log.complete(t, 500)
	mgEqual(t, "messages", log.distinct(t), 500)
}

func TestNextReturnsTimeoutWhenThereIsNothing(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	_, err := e.cons.Next(jetstream.FetchMaxWait(50 * time.Millisecond))
	mgSame(t, err, nats.ErrTimeout)
	// The server's word comes a second before the deadline.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	batch, err := e.cons.Fetch(5, jetstream.FetchContext(ctx))
	mgOK(t, err)
	_, err = e.cons.Next(jetstream.FetchContext(ctx))
	mgSame(t, err, nats.ErrTimeout)
	tpFetched(t, 0, batch, nil)
	mgOK(t, ctx.Err())
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = e.cons.Next(jetstream.FetchContext(ctx))
	mgSame(t, err, context.Canceled)
	_, err = e.cons.Next(jetstream.FetchContext(ctx))
	mgSame(t, err, context.Canceled)
	e.publish(1)
	m, err := e.cons.Next()
	mgOK(t, err)
	if string(m.Data()) != "1" {
		t.Errorf("message is %q", m.Data())
	}
}

func TestFetchFamilyRefusesBadInputBeforeSending(t *testing.T) {
	t.Parallel()
	// B43
	e := tpStart(t)
	pulls := e.pulls()
	subs := e.nc.NumSubscriptions()
	for _, n := range []int{0, -1, -1 << 40} {
		_, err := e.cons.Fetch(n)
		mgIs(t, err, nats.ErrInvalidArg)
		_, err = e.cons.FetchNoWait(n)
		mgIs(t, err, nats.ErrInvalidArg)
		if want := "nats: invalid argument: batch size must be at least 1"; err.Error() != want {
			t.Errorf("error is %q, want %q", err, want)
		}
	}
	_, err := e.cons.FetchBytes(-1)
	mgIs(t, err, nats.ErrInvalidArg)

	expired := mgExpired(t)
	ctx := mgContext(t)
	for _, c := range []struct {
		reason string
		opts   []jetstream.FetchOpt
	}{
		{"timeout value must be greater than 0", []jetstream.FetchOpt{jetstream.FetchMaxWait(0)}},
		{"timeout value must be greater than 0", []jetstream.FetchOpt{jetstream.FetchMaxWait(-1)}},
		{"timeout value must be greater than 0", []jetstream.FetchOpt{jetstream.FetchHeartbeat(0)}},
		{"min pending should be more than 0", []jetstream.FetchOpt{jetstream.FetchMinPending(0)}},
		{"min ack pending should be more than 0", []jetstream.FetchOpt{jetstream.FetchMinAckPending(0)}},
		{"max bytes must be greater than 0", []jetstream.FetchOpt{jetstream.FetchMaxBytes(0)}},
		{"context deadline already exceeded", []jetstream.FetchOpt{jetstream.FetchContext(expired)}},
		{"cannot specify both FetchContext and FetchMaxWait", []jetstream.FetchOpt{jetstream.FetchContext(ctx), jetstream.FetchMaxWait(time.Second)}},
		{"cannot specify both FetchContext and FetchMaxWait", []jetstream.FetchOpt{jetstream.FetchMaxWait(time.Second), jetstream.FetchContext(ctx)}},
		{"expiry time should be at least 2 times the heartbeat", []jetstream.FetchOpt{jetstream.FetchMaxWait(time.Second), jetstream.FetchHeartbeat(600 * time.Millisecond)}},
		{"option cannot be nil", []jetstream.FetchOpt{nil}},
		{"context cannot be nil", []jetstream.FetchOpt{jetstream.FetchContext(nil)}}, //nolint:staticcheck // that is the test
	} {
		_, err := e.cons.Fetch(1, c.opts...)
		tpOptionError(t, err, c.reason)
		_, err = e.cons.FetchBytes(1, c.opts...)
		tpOptionError(t, err, c.reason)
		_, err = e.cons.Next(c.opts...)
		tpOptionError(t, err, c.reason)
	}
	_, err = e.cons.FetchBytes(1, jetstream.FetchMaxBytes(1))
	tpOptionError(t, err, "FetchMaxBytes is only supported by Fetch")
	_, err = e.cons.Next(jetstream.FetchMaxBytes(1))
	tpOptionError(t, err, "FetchMaxBytes is only supported by Fetch")
	mgEqual(t, "subscriptions", e.nc.NumSubscriptions(), subs)
	e.settled()
	mgEqual(t, "requests", pulls.Len(), 0)
}

func TestFetchRequestsSayWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(100)
	fetch := func(opts ...jetstream.FetchOpt) func() (jetstream.MessageBatch, error) {
		return func() (jetstream.MessageBatch, error) { return e.cons.Fetch(3, opts...) }
	}
	deadline, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, c := range []struct {
		name string
		do   func() (jetstream.MessageBatch, error)
		want string
	}{
		{"default", fetch(), `{"expires":30000000000,"batch":3,"idle_heartbeat":5000000000}`},
		{"short", fetch(jetstream.FetchMaxWait(9 * time.Second)), `{"expires":9000000000,"batch":3}`},
		{"heartbeat", fetch(jetstream.FetchMaxWait(2*time.Second), jetstream.FetchHeartbeat(time.Second)), `{"expires":2000000000,"batch":3,"idle_heartbeat":1000000000}`},
		{"long", fetch(jetstream.FetchMaxWait(10 * time.Second)), `{"expires":10000000000,"batch":3,"idle_heartbeat":5000000000}`},
		{"context", fetch(jetstream.FetchContext(context.Background())), `{"expires":30000000000,"batch":3,"idle_heartbeat":5000000000}`},
		{"max bytes", fetch(jetstream.FetchMaxBytes(200)), `{"expires":30000000000,"batch":3,"max_bytes":200,"idle_heartbeat":5000000000}`},
		{"group", fetch(jetstream.FetchPriorityGroup("A")), `{"expires":30000000000,"batch":3,"idle_heartbeat":5000000000,"group":"A"}`},
		{"no wait", func() (jetstream.MessageBatch, error) { return e.cons.FetchNoWait(2) }, `{"batch":2,"no_wait":true}`},
		{"next", func() (jetstream.MessageBatch, error) { _, err := e.cons.Next(); return nil, err }, `{"expires":30000000000,"batch":1,"idle_heartbeat":5000000000}`},
	} {
		pulls := e.pulls()
		batch, err := c.do()
		mgOK(t, err)
		if batch != nil {
			tpBatch(t, batch, err)
		}
		if got := string(pulls.WaitN(t, 1, tpWait)[0].Body); got != c.want {
			t.Errorf("%s: request is %s, want %s", c.name, got, c.want)
		}
	}
	pulls := e.pulls()
	batch, err := fetch(jetstream.FetchContext(deadline))()
	tpFetched(t, 3, batch, err)
	if got := e.requested(pulls, 1)[0].Expires; got > 59*time.Second || got < 50*time.Second {
		t.Errorf("a minute on the client is %v on the server", got)
	}
	pulls.Reset()
	batch, err = e.cons.FetchBytes(200)
	tpBatch(t, batch, err)
	if body := string(pulls.WaitN(t, 1, tpWait)[0].Body); !strings.Contains(body, `"max_bytes":200`) {
		t.Errorf("request is %s", body)
	}
}

func TestFetchEndsWithTheServersError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code int
		text string
		want string
	}{
		{400, "Bad Request - why", "nats: API error: code=400 err_code=10003 description=bad request"},
		{404, "No Messages", ""},
		{408, "Request Timeout", ""},
		{408, "Requests Pending", ""},
		{409, "Message Size Exceeds MaxBytes", ""},
		{409, "Consumer Deleted", "nats: consumer deleted"},
		{409, "Leadership Change", "nats: leadership change"},
		{409, "Server Shutdown", "nats: server shutdown"},
		{409, "Consumer is push based", jetstream.ErrNotPullConsumer.Error()},
		{409, "Exceeded MaxWaiting", "nats: Exceeded MaxWaiting"},
		{412, "Required Api Level", "nats: Required Api Level"},
		{423, "Nats-Pin-Id mismatch", "nats: pin ID mismatch"},
		{503, "", "nats: no responders available for request"},
	} {
		cons, fake := tpFake(t)
		fake.OnPull(jstest.Status(c.code, c.text))
		text := func(err error) string {
			if err == nil {
				return ""
			}
			return err.Error()
		}
		batch, err := cons.Fetch(3)
		mgEqual(t, "messages", len(tpBatch(t, batch, err)), 0)
		if got := text(batch.Error()); got != c.want {
			t.Errorf("%d %s: batch ended with %q, want %q", c.code, c.text, got, c.want)
		}
		_, err = cons.Next()
		want := c.want
		if want == "" {
			want = nats.ErrTimeout.Error()
		}
		if got := text(err); got != want {
			t.Errorf("%d %s: Next returned %q, want %q", c.code, c.text, got, want)
		}
	}
}

func TestFetchOfMissingConsumerFailsAtOnce(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	mgOK(t, e.adminJS.DeleteConsumer(mgContext(t), tpStream, tpConsumer))
	started := time.Now()
	batch, err := e.cons.Fetch(1)
	tpBatch(t, batch, err)
	mgSame(t, batch.Error(), nats.ErrNoResponders)
	_, err = e.cons.Next()
	mgSame(t, err, nats.ErrNoResponders)
	batch, err = e.cons.FetchNoWait(1)
	tpBatch(t, batch, err)
	mgSame(t, batch.Error(), nats.ErrNoResponders)
	if d := time.Since(started); d > 15*time.Second {
		t.Errorf("that took %v", d)
	}
}

func TestFetchKeepsWhatCameBeforeTheConsumerWasDeleted(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(5)
	batch, err := e.cons.Fetch(10)
	mgOK(t, err)
	e.waitInfo("delivery", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 5 })
	mgOK(t, e.adminJS.DeleteConsumer(mgContext(t), tpStream, tpConsumer))
	mgEqual(t, "messages", len(tpBatch(t, batch, err)), 5)
	mgSame(t, batch.Error(), jetstream.ErrConsumerDeleted)
}

func TestFetchWithPriorityGroups(t *testing.T) {
	t.Parallel()
	short := jetstream.FetchMaxWait(200 * time.Millisecond)
	plain := tpStart(t)
	plain.publish(2)
	batch, err := plain.cons.Fetch(1, jetstream.FetchPriorityGroup("A"))
	tpFetched(t, 1, batch, err) // the server does not mind
	batch, err = plain.cons.Fetch(1, jetstream.FetchPriorityGroup("A"), jetstream.FetchMinPending(1))
	tpBatch(t, batch, err)
	mgIs(t, batch.Error(), jetstream.ErrBadRequest)

	over := tpStart(t, tpOverflow)
	batch, err = over.cons.Fetch(1, jetstream.FetchPriorityGroup("B"))
	tpBatch(t, batch, err)
	mgIs(t, batch.Error(), jetstream.ErrBadRequest)
	over.publish(10)
	batch, err = over.cons.Fetch(10, jetstream.FetchPriorityGroup("A"), jetstream.FetchMinPending(11), short)
	tpFetched(t, 0, batch, err)
	batch, err = over.cons.Fetch(10, jetstream.FetchPriorityGroup("A"), jetstream.FetchMinPending(10), jetstream.FetchMaxWait(2*time.Second))
	if n := len(tpBatch(t, batch, err)); n == 0 {
		t.Error("no messages although as many as asked for are pending")
	}
}

// B62
func TestFetchNoWaitWithoutItsPriorityGroupSaysThatItWasRefused(t *testing.T) {
	t.Parallel()
	e := tpStart(t, tpOverflow)
	e.publish(2)
	batch, err := e.cons.FetchNoWait(2)
	tpBatch(t, batch, err)
	mgIs(t, batch.Error(), jetstream.ErrBadRequest)
	// Fetch takes the group, and one message that is there ends it at once.
	batch, err = e.cons.Fetch(1, jetstream.FetchPriorityGroup("A"), jetstream.FetchMaxWait(tpWait))
	tpFetched(t, 1, batch, err)
}

func TestPinnedFetchLearnsThatItsPinIsGone(t *testing.T) {
	t.Parallel()
	e := tpStart(t, tpPinned)
	e.publish(20)
	group := jetstream.FetchPriorityGroup("A")
	batch, err := e.cons.Fetch(5, group)
	first := tpFetched(t, 5, batch, err)
	batch, err = e.cons.Fetch(1, group)
	second := tpFetched(t, 1, batch, err)
	id := first[0].Headers().Get("Nats-Pin-Id")
	if id == "" || second[0].Headers().Get("Nats-Pin-Id") != id {
		t.Errorf("pin ids are %q and %q", id, second[0].Headers().Get("Nats-Pin-Id"))
	}
	batch, err = e.again().Fetch(1, group, jetstream.FetchMaxWait(200*time.Millisecond))
	tpFetched(t, 0, batch, err)

	st, err := e.adminJS.Stream(mgContext(t), tpStream)
	mgOK(t, err)
	mgOK(t, st.UnpinConsumer(mgContext(t), tpConsumer, "A"))
	batch, err = e.cons.Fetch(5, group)
	mgEqual(t, "messages with a stale pin", len(tpBatch(t, batch, err)), 0)
	mgSame(t, batch.Error(), jetstream.ErrPinIDMismatch)
	batch, err = e.cons.Fetch(5, group)
	again := tpFetched(t, 5, batch, err)
	if got := again[0].Headers().Get("Nats-Pin-Id"); got == "" || got == id {
		t.Errorf("pin id after the loss of %q is %q", id, got)
	}
}

func TestFetchBeyondLimitsOfTheConsumerSaysSo(t *testing.T) {
	t.Parallel()
	// B17
	e := tpStart(t, func(cfg *jetstream.ConsumerConfig) { cfg.MaxRequestBatch = 3 })
	e.publish(3)
	batch, err := e.cons.Fetch(4, jetstream.FetchMaxWait(time.Second))
	tpBatch(t, batch, err)
	if err := batch.Error(); err == nil || err.Error() != "nats: Exceeded MaxRequestBatch of 3" {
		t.Errorf("the batch ended with %v", err)
	}
	batch, err = e.cons.Fetch(3)
	tpFetched(t, 3, batch, err)
}

func TestFetchNoticesMissingHeartbeat(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	cons, fake := tpFakeOver(t, e.nc, e.admin)
	hb := []jetstream.FetchOpt{jetstream.FetchMaxWait(10 * time.Second), jetstream.FetchHeartbeat(200 * time.Millisecond)}
	started := time.Now()
	batch, err := cons.Fetch(1, hb...)
	tpBatch(t, batch, err)
	mgSame(t, batch.Error(), jetstream.ErrNoHeartbeat)
	if d := time.Since(started); d < 400*time.Millisecond || d > 9*time.Second {
		t.Errorf("missing heartbeat was noticed after %v, want 400ms", d)
	}
	_, err = cons.Next(hb...)
	mgSame(t, err, jetstream.ErrNoHeartbeat)
	jstest.WaitFor(t, tpWait, "both requests to be seen", func() bool { return len(fake.Pulls()) == 2 })

	// As long as they come, all is well.
	batch, err = e.cons.Fetch(1, jetstream.FetchMaxWait(3*time.Second), jetstream.FetchHeartbeat(time.Second))
	tpFetched(t, 0, batch, err)
}

func TestFetchWithoutAnswerEndsWithTimeout(t *testing.T) {
	t.Parallel()
	// B27: only the server's word makes an empty batch a success.
	cons, _ := tpFake(t)
	batch, err := cons.Fetch(1, jetstream.FetchMaxWait(100*time.Millisecond))
	tpBatch(t, batch, err)
	mgIs(t, batch.Error(), nats.ErrTimeout)
	_, err = cons.Next(jetstream.FetchMaxWait(100 * time.Millisecond))
	mgSame(t, err, nats.ErrTimeout)
}

func TestFetchNoWaitWaitsForSlowAnswers(t *testing.T) {
	t.Parallel()
	// B27
	e := tpStart(t)
	e.publish(3)
	cons, fake := tpFakeOver(t, e.nc, e.admin)
	fake.OnPull(jstest.After(1300*time.Millisecond, jstest.Forward))
	batch, err := cons.FetchNoWait(3)
	tpFetched(t, 3, batch, err)
}

func TestBatchErrorMayBeReadAtAnyTime(t *testing.T) {
	t.Parallel()
	// A24
	e := tpStart(t)
	for range 20 {
		e.publish(10)
		batch, err := e.cons.Fetch(10, jetstream.FetchMaxWait(tpWait))
		mgOK(t, err)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 50 {
					if err := batch.Error(); err != nil {
						t.Errorf("error is %v", err)
					}
					runtime.Gosched()
				}
			})
		}
		tpFetched(t, 10, batch, err)
		wg.Wait()
	}
}

func TestFetchLoopOfSingleMessagesSeesNoError(t *testing.T) {
	t.Parallel()
	e := tpStart(t)
	e.publish(200)
	for range 200 {
		batch, err := e.cons.Fetch(1)
		mgOK(t, err)
		m := <-batch.Messages()
		mgOK(t, batch.Error())
		mgOK(t, m.Ack())
	}
}

func TestBatchThatIsNeverReadEndsAndLeavesNothingBehind(t *testing.T) {
	e := tpStart(t)
	e.publish(700)
	e.info()
	before, subs := tpRunning(), e.nc.NumSubscriptions()
	for i := range 100 {
		_, err := e.cons.Fetch(3)
		mgOK(t, err)
		_, err = e.cons.FetchBytes(150)
		mgOK(t, err)
		e.waitInfo("the requests to end", func(info *jetstream.ConsumerInfo) bool { return info.NumWaiting == 0 })
		if i%10 == 0 {
			e.settled()
		}
	}
	jstest.WaitFor(t, tpWait, "subscriptions to be put back", func() bool { return e.nc.NumSubscriptions() <= subs+16 })
	e.nc.Close()
	before.wait(t, 0)
}

func TestFetchesOneAfterTheOtherShareASubscription(t *testing.T) {
	t.Parallel()
	// A10 A26
	e := tpStart(t)
	pulls := e.pulls()
	subs := e.nc.NumSubscriptions()
	replies := make(map[string]bool)
	inboxes := make(map[string]bool)
	for i := range 300 {
		e.publish(3)
		e.known(3)
		batch, err := e.cons.Fetch(2)
		tpFetched(t, 2, batch, err)
		if i%100 == 0 {
			batch, err = e.cons.Fetch(2, jetstream.FetchMaxWait(2*time.Second))
		} else {
			batch, err = e.cons.FetchNoWait(2)
		}
		tpFetched(t, 1, batch, err)
		_, err = e.cons.Next(jetstream.FetchMaxWait(time.Millisecond))
		mgSame(t, err, nats.ErrTimeout)
	}
	if n := e.nc.NumSubscriptions(); n > subs+1 {
		t.Errorf("%d subscriptions for fetches one after the other", n-subs)
	}
	pulls.WaitN(t, 900, tpWait)
	for _, req := range pulls.Requests() {
		replies[req.Reply] = true
		inboxes[req.Reply[:strings.LastIndexByte(req.Reply, '.')]] = true
	}
	mgEqual(t, "inboxes", len(inboxes), 1)
	mgEqual(t, "reply subjects", len(replies), 900)
}

func TestConcurrentFetchesKeepApartAndKeepFewSubscriptions(t *testing.T) {
	t.Parallel()
	// A10
	e := tpStart(t)
	subs := e.nc.NumSubscriptions()
	other, err := e.js.CreateConsumer(mgContext(t), tpStream, jetstream.ConsumerConfig{Durable: "D", AckPolicy: jetstream.AckExplicitPolicy})
	mgOK(t, err)
	e.publish(2000)
	var logs [2]tpLog
	var wg sync.WaitGroup
	for i := range 40 {
		which, name := i%2, tpConsumer
		cons := e.cons
		if which == 1 {
			cons, name = other, "D"
		}
		wg.Go(func() {
			for logs[which].len() < 2000 {
				var batch jetstream.MessageBatch
				var err error
				switch i % 3 {
				case 0:
					batch, err = cons.Fetch(7, jetstream.FetchMaxWait(20*time.Millisecond))
				case 1:
					batch, err = cons.FetchNoWait(11)
				default:
					batch, err = cons.FetchBytes(500, jetstream.FetchMaxWait(20*time.Millisecond))
				}
				if err != nil {
					t.Errorf("fetch: %v", err)
					return
				}
				n := 0
				for m := range batch.Messages() {
					meta, err := m.Metadata()
					if err != nil || meta.Consumer != name {
						t.Errorf("message of %+v in a fetch of %s", meta, name)
					}
					logs[which].take(m)
					n++
				}
				if err := batch.Error(); err != nil {
					t.Errorf("batch: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for i := range logs {
		logs[i].complete(t, 2000)
		mgEqual(t, "messages", logs[i].len(), 2000)
	}
	jstest.WaitFor(t, tpWait, "surplus subscriptions to go", func() bool { return e.nc.NumSubscriptions() <= subs+16 })
}
