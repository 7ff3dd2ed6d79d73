package jetstream

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// peEpoch is when the tests of the pull engine begin.
var peEpoch = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// peRig is a pull engine with a clock, and with what it has asked for.
type peRig struct {
	*pullEngine
	t    *testing.T
	now  time.Time
	sent []peSent
}

// peSent is a request that the engine made.
type peSent struct {
	id  uint64
	req pullRequest
	at  time.Time
}

// peNew returns an engine as Consume makes it, on a connection that is up.
func peNew(t *testing.T, opts ...PullConsumeOpt) *peRig {
	t.Helper()
	return peNewFor(t, nil, opts...)
}

func peNewFor(t *testing.T, info *ConsumerInfo, opts ...PullConsumeOpt) *peRig {
	t.Helper()
	o, err := parseConsumeOpts(opts, false)
	if err != nil {
		t.Fatal(err)
	}
	e := &pullEngine{cfg: newPullConfig(&o, info, 1<<20), connected: true}
	e.cfg.roomy = false // see TestPullEngineLimitsNoBytesOfSmallWindows
	e.heartbeat = heartbeatClock{interval: o.heartbeat, lastLook: peEpoch}
	return &peRig{pullEngine: e, t: t, now: peEpoch}
}

// pump takes all requests that are due, as the subscription does, and returns
// them.
func (r *peRig) pump() []peSent {
	r.t.Helper()
	before := len(r.sent)
	for {
		id, req, ok := r.refill(r.now)
		if !ok {
			return r.sent[before:]
		}
		if req.batch <= 0 || (req.maxBytes <= 0) != r.cfg.roomy {
			r.t.Fatalf("request %d asks for %d messages and %d bytes", id, req.batch, req.maxBytes)
		}
		if r.sent = append(r.sent, peSent{id, req, r.now}); len(r.sent) > before+1000 {
			r.t.Fatal("the engine does not stop making requests")
		}
	}
}

// wants pumps and checks the batches that are asked for.
func (r *peRig) wants(batches ...int) []peSent {
	r.t.Helper()
	sent := r.pump()
	var got []int
	for _, s := range sent {
		got = append(got, s.req.batch)
	}
	if !slices.Equal(got, batches) {
		r.t.Fatalf("batches asked for are %v, want %v", got, batches)
	}
	return sent
}

// wantsBytes is wants for the byte budgets.
func (r *peRig) wantsBytes(budgets ...int) []peSent {
	r.t.Helper()
	sent := r.pump()
	var got []int
	for _, s := range sent {
		got = append(got, s.req.maxBytes)
	}
	if !slices.Equal(got, budgets) {
		r.t.Fatalf("bytes asked for are %v, want %v", got, budgets)
	}
	return sent
}

// consume lets n messages of a size be consumed, without asking for more.
func (r *peRig) consume(n, size int) {
	for range n {
		r.consumed(size)
	}
}

// silence lets time pass in which nothing arrives, and reports whether a heartbeat
// is missed before its end.
func (r *peRig) silence(d time.Duration) bool {
	for end := r.now.Add(d); r.now.Before(end); {
		if r.now = r.now.Add(r.wait(r.now)); r.now.After(end) {
			r.now = end
		}
		if r.missedHeartbeat(false, r.now) {
			return true
		}
	}
	return false
}

// end hands a status to the engine and checks the error that is reported.
func (r *peRig) end(id uint64, status pullStatus, report error) {
	r.t.Helper()
	v := r.ended(id, status, r.now)
	if v.fatal != nil {
		r.t.Fatalf("status %v ends the subscription: %v", status.err, v.fatal)
	}
	if errors.Is(report, errAny) && v.report != nil {
		return
	}
	if !errors.Is(v.report, report) {
		r.t.Fatalf("status %v: %v is reported, want %v", status.err, v.report, report)
	}
}

// errAny stands for any error.
var errAny = errors.New("any error")

// peStatus parses a status as the server sends it. pending are the messages and
// bytes that the request had left, if the server says so.
func peStatus(line string, pending ...int) pullStatus {
	m := &nats.Msg{Header: nats.Header{statusHeader: {line[:3]}}}
	if len(line) > 4 {
		m.Header.Set(descriptionHeader, line[4:])
	}
	if len(pending) > 0 {
		m.Header.Set(pendingMessagesHeader, strconv.Itoa(pending[0]))
		m.Header.Set(pendingBytesHeader, strconv.Itoa(pending[1]))
	}
	return parsePullStatus(m)
}

const (
	peTimeout    = "408 Request Timeout"
	peTooLarge   = "409 Message Size Exceeds MaxBytes"
	peComplete   = "409 Batch Completed"
	peLeader     = "409 Leadership Change"
	peShutdown   = "409 Server Shutdown"
	peMaxWaiting = "409 Exceeded MaxWaiting"
	peWrongPin   = "423 Nats-Wrong-Pin-Id"
	peStalePin   = "423 Nats-Pin-Id mismatch"
	peNobody     = "503"
)

func TestPullEngineRefillRule(t *testing.T) {
	t.Parallel()
	count := []PullConsumeOpt{PullMaxMessages(10), PullThresholdMessages(5)}
	bytes := []PullConsumeOpt{PullMaxBytes(1000), PullThresholdBytes(500)}
	limit := []PullConsumeOpt{PullMaxMessagesWithBytesLimit(10, 1000)}
	for _, test := range []struct {
		name                string
		opts                []PullConsumeOpt
		stopAfter           int
		done                int
		pendMsgs, pendBytes int
		batch, maxBytes     int // of the request, if any
	}{
		{"full", count, 0, 0, 10, 0, 0, 0},
		{"at the threshold", count, 0, 0, 5, 0, 0, 0},
		{"below the threshold", count, 0, 0, 4, 0, 6, pullByteBudget},
		{"empty", count, 0, 0, 0, 0, 10, pullByteBudget},
		{"stop ahead", count, 8, 2, 4, 0, 2, pullByteBudget},
		{"stop requested", count, 6, 0, 6, 0, 0, 0},
		{"stop requested, below the threshold", count, 6, 2, 4, 0, 0, 0},
		{"stop reached", count, 6, 6, 0, 0, 0, 0},
		{"bytes below the threshold", bytes, 0, 0, 0, 400, batchForBytes, 600},
		{"bytes with stop ahead", bytes, 8, 2, 4, 400, 2, 600},
		{"bytes with stop requested", bytes, 8, 2, 6, 400, 0, 0},
		{"bytes above the threshold", bytes, 0, 0, 0, 600, 0, 0},
		{"bytes at the threshold", bytes, 0, 0, 0, 500, 0, 0},
		{"bytes, few messages requested", bytes, 0, 0, 1, 600, 0, 0},
		{"bytes, many messages requested", bytes, 0, 0, 1_999_999, 400, batchForBytes, 600},
		{"byte limit with stop ahead", limit, 8, 2, 4, 0, 2, 1000},
		{"byte limit, many bytes requested", limit, 0, 0, 4, 5000, 6, 1000},
		{"byte limit, no bytes requested", limit, 0, 0, 5, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := peNew(t, test.opts...)
			r.cfg.stopAfter = test.stopAfter
			r.done, r.pendMsgs, r.pendBytes = test.done, test.pendMsgs, test.pendBytes
			_, req, ok := r.refill(r.now)
			if ok != (test.batch > 0) || req.batch != test.batch || req.maxBytes != test.maxBytes {
				t.Errorf("request is %d messages, %d bytes, want %d, %d", req.batch, req.maxBytes, test.batch, test.maxBytes)
			}
			if got, want := r.pendMsgs, test.pendMsgs+test.batch; got != want {
				t.Errorf("%d messages are pending, want %d", got, want)
			}
			if got, want := r.pendBytes, test.pendBytes+test.maxBytes; got != want {
				t.Errorf("%d bytes are pending, want %d", got, want)
			}
			if _, again, ok := r.refill(r.now); ok {
				t.Errorf("a second request follows: %+v", again)
			}
		})
	}
}

func TestPullEngineRequestCarriesTheOptions(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10), PullExpiry(5*time.Second), PullHeartbeat(time.Second), PullPriorityGroup("A"),
		PullMinPending(3), PullMinAckPending(4), PullPrioritized(2))
	r.pinID = "pin"
	got := string(r.wants(10)[0].req.appendBody(nil))
	want := `{"expires":5000000000,"batch":10,"max_bytes":33554432,"idle_heartbeat":1000000000,` +
		`"min_pending":3,"min_ack_pending":4,"id":"pin","group":"A","priority":2}`
	if got != want {
		t.Errorf("request is\n%s, want\n%s", got, want)
	}
}

// Small windows need no limit of bytes: they cannot hold too many, and with a
// limit the server would report the end of each request.
func TestPullEngineLimitsNoBytesOfSmallWindows(t *testing.T) {
	t.Parallel()
	last := &ConsumerInfo{Config: ConsumerConfig{DeliverPolicy: DeliverLastPerSubjectPolicy}}
	for _, test := range []struct {
		name       string
		info       *ConsumerInfo
		maxPayload int64
		opts       []PullConsumeOpt
		maxBytes   int
	}{
		{"one message", nil, 1 << 20, []PullConsumeOpt{PullMaxMessages(1)}, 0},
		{"as many as fit", nil, 1 << 20, []PullConsumeOpt{PullMaxMessages(31)}, 0},
		{"too many", nil, 1 << 20, []PullConsumeOpt{PullMaxMessages(32)}, pullByteBudget},
		{"large messages", nil, 16 << 20, []PullConsumeOpt{PullMaxMessages(2)}, pullByteBudget},
		{"small messages", nil, 64 << 10, []PullConsumeOpt{PullMaxMessages(127)}, 0},
		{"a window that is topped up", nil, 64 << 10, []PullConsumeOpt{PullMaxMessages(topUpFrom)}, pullByteBudget},
		{"last per subject", last, 1 << 20, []PullConsumeOpt{PullMaxMessages(1)}, 0},
		{"limit of the user", nil, 1 << 20, []PullConsumeOpt{PullMaxMessagesWithBytesLimit(1, 1000)}, 1000},
		{"limit of the consumer", &ConsumerInfo{Config: ConsumerConfig{MaxRequestMaxBytes: 1000}}, 1 << 20, []PullConsumeOpt{PullMaxMessages(1)}, 1000},
	} {
		o, err := parseConsumeOpts(test.opts, false)
		if err != nil {
			t.Fatal(err)
		}
		e := &pullEngine{cfg: newPullConfig(&o, test.info, test.maxPayload), connected: true}
		if _, req, _ := e.refill(peEpoch); req.maxBytes != test.maxBytes {
			t.Errorf("%s: the limit is %d bytes, want %d", test.name, req.maxBytes, test.maxBytes)
		}
	}
}

func TestPullEngineBudgetFitsTheLargestMessage(t *testing.T) {
	t.Parallel()
	o, err := parseConsumeOpts(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	for payload, want := range map[int64]int{1 << 20: 32 << 20, 16 << 20: 32 << 20, 64 << 20: 128 << 20} {
		if got := newPullConfig(&o, nil, payload).maxBytes; got != want {
			t.Errorf("max payload %d: budget is %d, want %d", payload, got, want)
		}
	}
}

func TestPullEngineAsksForMoreAsMessagesAreConsumed(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10))
	r.wants(10)
	r.consume(5, 100)
	r.wants()
	r.consume(1, 100)
	r.wants(6)
	r.consume(5, 100)
	r.wants()
	r.consume(1, 100)
	r.wants(6)
}

func TestPullEngineWithOneMessageAsksAfterEach(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(1))
	for range 5 {
		id := r.wants(1)[0].id
		r.wants()
		r.consume(1, 100)
		r.end(id, peStatus(peComplete, 0, pullByteBudget-100), nil)
	}
}

// What is asked for after all that was requested is lost, when some messages
// have been consumed before.
func TestPullEngineStartsOverWithinStopAfter(t *testing.T) {
	t.Parallel()
	resets := map[string]func(r *peRig){
		"missed heartbeat": func(r *peRig) {
			if pending := r.pendMsgs > 0; r.silence(time.Minute) != pending {
				r.t.Fatalf("that a heartbeat is missed is %v", !pending)
			}
		},
		"reconnect": func(r *peRig) {
			r.disconnected()
			r.wants()
			r.reconnected(0, 0, r.now)
		},
		"leadership change": func(r *peRig) {
			for _, s := range r.sent {
				r.ended(s.id, peStatus(peLeader), r.now)
			}
		},
		"pin mismatch": func(r *peRig) {
			r.pinID = "stale"
			for i := range r.pulls {
				r.pulls[i].pinID = "stale"
			}
			for _, s := range r.sent {
				r.ended(s.id, peStatus(peStalePin), r.now)
			}
			if r.pinID != "" {
				r.t.Error("the pin id is kept")
			}
		},
	}
	for name, reset := range resets {
		for _, test := range []struct{ max, stopAfter, done, want int }{
			{500, 0, 200, 500},
			{500, 800, 200, 500},
			{500, 450, 0, 450},
			{500, 450, 200, 250},
			{500, 450, 450, 0},
			{500, 8, 2, 6},
			{10, 0, 9, 10},
		} {
			r := peNew(t, PullMaxMessages(test.max))
			r.cfg.stopAfter = test.stopAfter
			r.pump()
			r.consume(test.done, 100)
			reset(r)
			asked := 0
			for _, s := range r.pump() {
				asked += s.req.batch
			}
			if asked != test.want || r.pendMsgs != test.want {
				t.Errorf("%s, %+v: %d messages are asked for, %d pending", name, test, asked, r.pendMsgs)
			}
		}
	}
}

func TestPullEngineMakesNoRequestsWithoutConnection(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10), PullHeartbeat(time.Second))
	r.wants(10)
	r.disconnected()
	r.consume(10, 100)
	r.wants()
	if r.silence(time.Hour) {
		t.Error("heartbeats are missed while there is no connection")
	}
	r.reconnected(0, 0, r.now)
	r.wants(10)
	if r.missedHeartbeat(false, r.now) {
		t.Error("a heartbeat is missed right after the reconnect")
	}
}

func TestPullEngineEndedRequestGivesBackWhatTheServerSays(t *testing.T) {
	t.Parallel()
	for _, status := range []pullStatus{
		peStatus(peTimeout, 4, 600),
		peStatus(peTooLarge, 4, 600),
		peStatus("408 Interest Expired", 4, 600),
	} {
		r := peNew(t, PullMaxMessages(10))
		id := r.wants(10)[0].id
		r.consume(6, 100)
		r.end(id, status, nil)
		if r.pendMsgs != 0 {
			t.Errorf("%v: %d messages are pending", status.err, r.pendMsgs)
		}
		r.wants(10)
	}
}

// Whoever the server gives the next message to, the sum of what can still come
// is the same.
func TestPullEngineSeveralRequestsServedInTurns(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(20), PullThresholdMessages(15))
	first := r.wants(20)[0].id
	r.consume(6, 100)
	second := r.wants(6)[0].id
	// From here on the server has given three messages to each.
	r.consume(6, 100)
	third := r.wants(6)[0].id
	r.end(second, peStatus(peTimeout, 3, pullByteBudget-300), nil)
	if r.pendMsgs != 17 {
		t.Errorf("%d messages are pending, want 17: 11 of the first request, 6 of the third", r.pendMsgs)
	}
	// The server does not say what the others had left, but the books do, since
	// there is the second request's account of what was not its own.
	r.end(third, peStatus(peMaxWaiting), errAny)
	if r.pendMsgs != 11 {
		t.Errorf("%d messages are pending, want 11 of the first request", r.pendMsgs)
	}
	r.end(first, peStatus(peLeader), ErrConsumerLeadershipChanged)
	if r.pendMsgs != 0 || r.pendBytes != 0 {
		t.Errorf("%d messages, %d bytes are pending without a request", r.pendMsgs, r.pendBytes)
	}
}

func TestPullEngineRejectedRequestGivesBackAllOfIt(t *testing.T) {
	t.Parallel()
	for _, line := range []string{peMaxWaiting, peStalePin, "412 Required Api Level", "404 No Messages", peNobody} {
		r := peNew(t, PullMaxMessages(20), PullThresholdMessages(15))
		r.wants(20)
		r.consume(6, 100)
		second := r.wants(6)[0].id
		r.consume(2, 100)
		r.ended(second, peStatus(line), r.now)
		if r.pendMsgs != 12 {
			t.Errorf("%s: %d messages are pending, want 12", line, r.pendMsgs)
		}
	}
}

func TestPullEngineIgnoresRequestsItGaveUp(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10))
	old := r.wants(10)[0].id
	r.reconnected(0, 0, r.now)
	r.wants(10)
	for _, line := range []string{peTimeout, peTooLarge, peComplete, peLeader, peShutdown, peMaxWaiting, peWrongPin, peNobody} {
		r.end(old, peStatus(line, 10, 1000), nil)
		r.wants()
	}
	if r.pendMsgs != 10 {
		t.Errorf("%d messages are pending, want 10", r.pendMsgs)
	}
	if v := r.ended(old, peStatus("409 Consumer Deleted"), r.now); !errors.Is(v.fatal, ErrConsumerDeleted) {
		t.Errorf("that the consumer is deleted goes unnoticed: %+v", v)
	}
}

func TestPullEngineFatalStatuses(t *testing.T) {
	t.Parallel()
	malformed := func(name string) pullStatus {
		return parsePullStatus(&nats.Msg{Header: nats.Header{statusHeader: {"408"}, name: {"many"}}})
	}
	for _, test := range []struct {
		status pullStatus
		want   string
	}{
		{peStatus("409 Consumer Deleted"), ErrConsumerDeleted.Error()},
		{peStatus("400 Bad Request - priority group missing"), ErrBadRequest.Error()},
		{peStatus("409 Consumer is push based"), ErrNotPullConsumer.Error()},
		{malformed(pendingMessagesHeader), "nats: invalid format of Nats-Pending-Messages"},
		{malformed(pendingBytesHeader), "nats: invalid format of Nats-Pending-Bytes"},
	} {
		r := peNew(t)
		id := r.wants(500)[0].id
		v := r.ended(id, test.status, r.now)
		if v.fatal == nil || v.fatal.Error() != test.want {
			t.Errorf("%v: verdict is %+v, want %s", test.status.err, v, test.want)
		}
	}
}

// The server ends a request whose bytes are used up exactly without a word.
func TestPullEngineNoticesUsedUpBytes(t *testing.T) {
	t.Parallel()
	t.Run("window of bytes", func(t *testing.T) {
		t.Parallel()
		r := peNew(t, PullMaxBytes(1000), PullThresholdBytes(1), StopAfter(25))
		r.wants(25)
		r.consume(9, 100)
		r.wants()
		r.consume(1, 100)
		r.wants(15)
		r.consume(10, 100)
		r.wants(5)
	})
	t.Run("limit of bytes", func(t *testing.T) {
		t.Parallel()
		r := peNew(t, PullMaxMessagesWithBytesLimit(10, 1000), PullThresholdMessages(1))
		r.wants(10)
		r.consume(3, 300)
		r.wants()
		r.consume(1, 100)
		r.wants(10)
	})
	t.Run("several requests", func(t *testing.T) {
		t.Parallel()
		r := peNew(t, PullMaxBytes(1000))
		r.wantsBytes(1000)
		r.consume(6, 100)
		r.wantsBytes(600)
		r.consume(10, 100)
		r.wantsBytes(1000)
	})
	t.Run("as many messages as asked for", func(t *testing.T) {
		t.Parallel()
		r := peNew(t, PullMaxMessagesWithBytesLimit(10, 1000), PullThresholdMessages(1))
		r.wants(10)
		r.consume(10, 100)
		r.wants(10)
	})
}

// Behind an import of another account, messages can be shorter than the server
// thinks, as their reply subject is.
func TestPullEngineGoesOnWhenTheServerCountsMoreBytes(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxBytes(1000), PullThresholdBytes(100))
	for range 5 {
		id := r.wantsBytes(1000)[0].id
		// Nine messages of 110 bytes, of which the client sees 80.
		r.consume(9, 80)
		r.wants()
		r.end(id, peStatus(peTooLarge, batchForBytes-9, 10), nil)
	}
}

// What had arrived before a reconnect is consumed after it, the statuses of
// requests that are gone among it.
func TestPullEngineReconnectsWithBacklog(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10))
	old := r.wants(10)[0].id
	r.disconnected()
	// The buffer holds six messages and two statuses.
	r.reconnected(8, 6*100+2*50, r.now)
	r.wants()
	r.consume(3, 100)
	r.wants()
	r.control(50) // a heartbeat
	fresh := r.wants(6)[0].id
	r.consume(3, 100)
	r.control(50)
	r.end(old, peStatus(peTimeout, 4, 500), nil)
	if r.pendMsgs != 6 || r.backlog != 0 {
		t.Errorf("%d messages are pending, %d buffered, want 6 and none", r.pendMsgs, r.backlog)
	}
	// From here on, a status is none that was taken for a message.
	r.control(50)
	if r.pendMsgs != 6 {
		t.Errorf("%d messages are pending, want 6", r.pendMsgs)
	}
	r.consume(2, 100)
	r.end(fresh, peStatus(peTimeout, 4, pullByteBudget-200), nil)
	r.wants(10)
}

func TestPullEngineReconnectsWithBacklogOfBytes(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxBytes(1000))
	r.wantsBytes(1000)
	r.disconnected()
	r.reconnected(5, 480, r.now)
	r.wantsBytes(520)
	r.consume(4, 100)
	r.control(80)
	if r.pendBytes != 520 {
		t.Errorf("%d bytes are pending, want 520", r.pendBytes)
	}
}

func TestPullEngineReconnectsWithFullBacklog(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10), StopAfter(12))
	r.wants(10)
	r.disconnected()
	r.reconnected(10, 1000, r.now)
	r.wants()
	r.consume(6, 100)
	r.wants(2)
	r.consume(4, 100)
	r.wants()
	r.consume(2, 100)
	r.wants()
	if !r.drained() {
		t.Error("twelve messages are consumed, and more are waited for")
	}
}
