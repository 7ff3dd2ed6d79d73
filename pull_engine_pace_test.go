package jetstream

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// peFlood runs the engine for a while against a server that answers each
// request at once, and returns when requests were made and what was reported.
func (r *peRig) peFlood(d time.Duration, answer func(peSent) pullStatus) (reports []error) {
	r.t.Helper()
	active := false
	for end := r.now.Add(d); r.now.Before(end); {
		for sent := r.pump(); len(sent) > 0; sent = r.pump() {
			if n := r.sentSince(r.now); n > 200 {
				r.t.Fatalf("%d requests are made at the same instant", n)
			}
			for _, s := range sent {
				status := answer(s)
				v := r.ended(s.id, status, r.now)
				if v.fatal != nil {
					r.t.Fatal(v.fatal)
				}
				if v.report != nil {
					reports = append(reports, v.report)
				}
				active = active || !errors.Is(status.err, nats.ErrNoResponders)
			}
		}
		r.now = r.now.Add(r.wait(r.now))
		r.missedHeartbeat(active, r.now)
		active = false
	}
	return reports
}

// sentSince counts the requests made at or after an instant.
func (r *peRig) sentSince(from time.Time) int {
	n := 0
	for _, s := range r.sent {
		if !s.at.Before(from) {
			n++
		}
	}
	return n
}

func TestPullEngineBacksOffFromAServerThatEndsEachRequest(t *testing.T) {
	t.Parallel()
	always := func(line string, pending ...int) func(peSent) pullStatus {
		return func(peSent) pullStatus { return peStatus(line, pending...) }
	}
	untouched := func(line string) func(peSent) pullStatus {
		return func(s peSent) pullStatus { return peStatus(line, s.req.batch, s.req.maxBytes) }
	}
	count := []PullConsumeOpt{PullMaxMessages(100)}
	bytes := []PullConsumeOpt{PullMaxBytes(1000)}
	small := &ConsumerInfo{Config: ConsumerConfig{MaxRequestBatch: 10}}
	for _, test := range []struct {
		name   string
		info   *ConsumerInfo
		opts   []PullConsumeOpt
		answer func(peSent) pullStatus
		// How many requests may be made in the first second, and later in a
		// minute.
		first, later int
	}{
		{"leadership change", nil, count, always(peLeader), 6, 20},
		{"leadership change, bytes", nil, bytes, always(peLeader), 6, 20},
		{"no responders", nil, count, always(peNobody), 7, 20},
		{"no responders, bytes", nil, bytes, always(peNobody), 7, 20},
		{"stale pin", nil, count, always(peStalePin), 6, 20},
		{"wrong pin", nil, count, untouched(peWrongPin), 6, 20},
		{"shutdown", nil, count, untouched(peShutdown), 1, 60},
		{"too many waiting", nil, count, always(peMaxWaiting), 7, 20},
		{"limit that is kept", nil, count, always("409 Exceeded MaxRequestBatch of 100"), 8, 20},
		{"no messages", nil, count, always("404 No Messages"), 7, 20},
		{"unknown status", nil, count, always("499 Something New"), 7, 20},
		{"too large for the window", nil, bytes, untouched(peTooLarge), 6, 12},
		{"too large for the limit", nil, []PullConsumeOpt{PullMaxMessagesWithBytesLimit(10, 1000)}, untouched(peTooLarge), 6, 12},
		{"too large for any budget", nil, count, untouched(peTooLarge), 16, 12},
		{"small requests, leadership change", small, count, always(peLeader), 6 * maxClampedPulls, 20 * maxClampedPulls},
		{"small requests, no responders", small, count, always(peNobody), 7 * maxClampedPulls, 20 * maxClampedPulls},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := peNewFor(t, test.info, test.opts...)
			r.peFlood(time.Second, test.answer)
			if n := len(r.sent); n > test.first || n == 0 {
				t.Errorf("%d requests are made in the first second, want 1 to %d", n, test.first)
			}
			r.peFlood(4*time.Minute, test.answer)
			minute := r.now
			r.peFlood(time.Minute, test.answer)
			if n := r.sentSince(minute); n > test.later || n == 0 {
				t.Errorf("%d requests are made in a minute, want 1 to %d", n, test.later)
			}
		})
	}
}

func TestPullEnginePausesDouble(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		opts  []PullConsumeOpt
		line  string
		first time.Duration
		limit time.Duration
	}{
		{nil, peMaxWaiting, 50 * time.Millisecond, 5 * time.Second},
		{nil, peNobody, 50 * time.Millisecond, 5 * time.Second},
		{[]PullConsumeOpt{PullMaxBytes(1000), PullHeartbeat(2 * time.Second)}, peTooLarge, 100 * time.Millisecond, 2 * time.Second},
	} {
		r := peNew(t, test.opts...)
		pause := test.first
		for i := range 40 {
			sent := r.pump()
			if len(sent) != 1 {
				t.Fatalf("%s: %d requests in round %d", test.line, len(sent), i)
			}
			r.ended(sent[0].id, peStatus(test.line), r.now)
			if got := r.retryAt.Sub(r.now); got < pause*3/4 || got > pause*5/4 {
				t.Errorf("%s: pause %d is %v, want %v plus or minus a quarter", test.line, i, got, pause)
			}
			if r.wait(r.now) > r.retryAt.Sub(r.now) {
				t.Errorf("%s: the engine wants to be left alone beyond the end of the pause", test.line)
			}
			r.now = r.retryAt.Add(-1)
			r.wants()
			r.now = r.retryAt
			pause = min(2*pause, test.limit)
		}
	}
}

func TestPullEngineMessageEndsSeriesOfFailures(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(2), PullThresholdMessages(2))
	for range 3 {
		id := r.wants(2)[0].id
		r.end(id, peStatus(peLeader), ErrConsumerLeadershipChanged)
		second := r.wants(2)[0].id // at once
		r.end(second, peStatus(peLeader), ErrConsumerLeadershipChanged)
		r.wants()
		r.now = r.retryAt
		third := r.wants(2)[0].id
		r.consume(1, 100)
		fourth := r.wants(1)[0].id
		r.consume(1, 100)
		r.end(third, peStatus(peTimeout, 1, 100), nil)
		r.end(fourth, peStatus(peComplete, 0, 100), nil)
	}
}

func TestPullEngineReportsOnceThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10))
	if reports := r.peFlood(20*time.Second, func(peSent) pullStatus { return peStatus(peNobody) }); len(reports) != 1 ||
		!errors.Is(reports[0], nats.ErrNoResponders) {
		t.Errorf("reports are %v, want one", reports)
	}
	r.alive()
	r.end(r.wants(10)[0].id, peStatus(peNobody), nats.ErrNoResponders)
}

func TestPullEngineLeavesAServerThatShutsDownAlone(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10))
	id := r.wants(10)[0].id
	r.consume(2, 100)
	r.end(id, peStatus(peShutdown, 8, 1000), ErrServerShutdown)
	r.now = r.now.Add(time.Second - 1)
	r.wants()
	r.now = peEpoch.Add(2 * time.Second)
	r.wants(10)
}

func TestPullEngineTakesBackWhatCouldNotBeSent(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10))
	r.unsent(r.wants(10)[0].id, r.now)
	if r.pendMsgs != 0 || r.pendBytes != 0 || len(r.pulls) != 0 {
		t.Errorf("%d messages, %d bytes are pending", r.pendMsgs, r.pendBytes)
	}
	r.wants()
	r.now = r.retryAt
	r.wants(10)
}

func TestPullEngineReportsMessageThatNeverFits(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxBytes(1000))
	for range 3 {
		id := r.wantsBytes(1000)[0].id
		r.end(id, peStatus(peTooLarge, batchForBytes, 1000), ErrMaxBytesExceeded)
		r.wants()
		r.now = r.retryAt
	}
	// A request that was of use is no occasion to report anything.
	id := r.wantsBytes(1000)[0].id
	r.consume(1, 400)
	r.end(id, peStatus(peTooLarge, batchForBytes-1, 600), nil)
	r.wantsBytes(1000)
}

func TestPullEngineRaisesItsOwnBudgetButNotTheUsers(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10))
	for budget := pullByteBudget; budget <= 1<<30; budget *= 2 {
		s := r.wantsBytes(budget)[0]
		if budget == 1<<30 {
			r.end(s.id, peStatus(peTooLarge, 10, budget), ErrMaxBytesExceeded)
		} else {
			r.end(s.id, peStatus(peTooLarge, 10, budget), nil)
		}
	}
	r.now = r.retryAt
	r.wantsBytes(1 << 30)

	r = peNew(t, PullMaxMessagesWithBytesLimit(10, 1000))
	r.end(r.wantsBytes(1000)[0].id, peStatus(peTooLarge, 10, 1000), ErrMaxBytesExceeded)
	r.now = r.retryAt
	r.wantsBytes(1000)
}

// A message that does not fit what the window has free is no reason to ask for
// the same again and again.
func TestPullEngineStarvedRequestWaitsForRoom(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) (r *peRig, first uint64) {
		t.Helper()
		r = peNew(t, PullMaxBytes(1000))
		first = r.wantsBytes(1000)[0].id
		r.consume(6, 100)
		second := r.wantsBytes(600)[0].id
		r.end(second, peStatus(peTooLarge, batchForBytes, 600), nil)
		r.wants()
		return r, first
	}
	t.Run("until another request ends", func(t *testing.T) {
		r, first := start(t)
		r.end(first, peStatus(peTooLarge, batchForBytes-6, 400), nil)
		r.wantsBytes(1000)
	})
	t.Run("until a message is consumed", func(t *testing.T) {
		r, _ := start(t)
		r.consume(1, 100)
		r.wantsBytes(700)
	})
	t.Run("until a reconnect", func(t *testing.T) {
		r, _ := start(t)
		r.disconnected()
		r.reconnected(0, 0, r.now)
		r.wantsBytes(1000)
	})
	t.Run("until a heartbeat is missed", func(t *testing.T) {
		r, _ := start(t)
		if !r.silence(time.Minute) {
			t.Error("no heartbeat is missed")
		}
		r.wantsBytes(1000)
	})
}

func TestPullEngineKeepsWithinKnownLimits(t *testing.T) {
	t.Parallel()
	limited := func(cfg ConsumerConfig) *ConsumerInfo { return &ConsumerInfo{Config: cfg} }
	r := peNewFor(t, limited(ConsumerConfig{MaxRequestBatch: 10}), PullMaxMessages(500))
	r.wants(10, 10, 10, 10, 10, 10, 10, 10)
	r.consume(10, 100)
	r.wants(10)
	r = peNewFor(t, limited(ConsumerConfig{MaxRequestBatch: 10}), PullMaxMessages(25), StopAfter(22))
	r.wants(10, 10)
	r.consume(8, 100)
	r.wants(2)
	r = peNewFor(t, limited(ConsumerConfig{MaxRequestMaxBytes: 100}), PullMaxBytes(350), PullThresholdBytes(350))
	r.wantsBytes(100, 100, 100, 50)
	r = peNewFor(t, limited(ConsumerConfig{MaxRequestMaxBytes: 100}), PullMaxMessages(10))
	r.wantsBytes(100)
	r = peNewFor(t, limited(ConsumerConfig{MaxRequestExpires: 3 * time.Second}))
	if req := r.wants(500)[0].req; req.expires != 3*time.Second || req.heartbeat != 1500*time.Millisecond {
		t.Errorf("expiry is %v, heartbeat %v", req.expires, req.heartbeat)
	}
}

func TestPullEngineLearnsLimits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line string
		ok   func(pullRequest) bool
	}{
		{"409 Exceeded MaxRequestBatch of 7", func(r pullRequest) bool { return r.batch == 7 && r.maxBytes == pullByteBudget }},
		{"409 Exceeded MaxRequestMaxBytes of 7000", func(r pullRequest) bool { return r.batch == 10 && r.maxBytes == 7000 }},
		{"409 Exceeded MaxRequestExpires of 1m30s", func(r pullRequest) bool { return r.expires == 90*time.Second && r.heartbeat == 30*time.Second }},
		{"409 Exceeded MaxRequestExpires of 2s", func(r pullRequest) bool { return r.expires == 2*time.Second && r.heartbeat == time.Second }},
	} {
		r := peNew(t, PullMaxMessages(10), PullExpiry(time.Hour))
		r.end(r.wants(10)[0].id, peStatus(test.line), errAny)
		sent := r.pump()
		if len(sent) == 0 || !test.ok(sent[0].req) {
			t.Errorf("%s: next requests are %+v", test.line, sent)
		}
	}
}

// Requests that were sent before the limit was known are refused, too, but that
// is neither news nor a reason to wait.
func TestPullEngineLearnsALimitOnce(t *testing.T) {
	t.Parallel()
	info := &ConsumerInfo{Config: ConsumerConfig{MaxRequestBatch: 10}}
	r := peNewFor(t, info, PullMaxMessages(30), PullThresholdMessages(30))
	sent := r.wants(10, 10, 10)
	const line = "409 Exceeded MaxRequestBatch of 4"
	r.end(sent[0].id, peStatus(line), errAny)
	r.wants(4, 4, 2)
	r.end(sent[1].id, peStatus(line), nil)
	r.end(sent[2].id, peStatus(line), nil)
	if len(r.pump()) == 0 {
		t.Error("the engine pauses although its last requests keep within the limit")
	}
}

func TestPullEngineDoesNotLearnNonsense(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"409 Exceeded MaxRequestBatch of ", "409 Exceeded MaxRequestBatch of 0", "409 Exceeded MaxRequestBatch of -1", "409 Exceeded MaxRequestBatch of many",
		"409 Exceeded MaxRequestMaxBytes of 0", "409 Exceeded MaxRequestMaxBytes of x",
		"409 Exceeded MaxRequestExpires of 0s", "409 Exceeded MaxRequestExpires of 7", "409 Exceeded MaxRequestExpires of -1s",
		"409 Exceeded MaxWaiting", "409 Exceeded Patience of 5",
	} {
		r := peNew(t, PullMaxMessages(10))
		r.end(r.wants(10)[0].id, peStatus(line), errAny)
		r.wants()
		r.now = r.retryAt
		r.wants(10)
	}
}

// A threshold at the limit makes a small request of each message consumed.
func TestPullEngineKeepsTrackOfManySmallRequests(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(500), PullThresholdMessages(500))
	first := r.wants(500)[0].id
	for range 300 {
		r.consume(1, 100)
		r.pump()
	}
	if len(r.pulls) > maxTrackedPulls {
		t.Errorf("%d requests are tracked", len(r.pulls))
	}
	// All were served by the first request, the others expire.
	for _, s := range r.sent[1:] {
		r.end(s.id, peStatus(peTimeout, s.req.batch, s.req.maxBytes), nil)
	}
	if r.pendMsgs != 200 {
		t.Errorf("%d messages are pending, want the 200 that the first request has left", r.pendMsgs)
	}
	r.end(first, peStatus(peTimeout, 200, 1000), nil)
	r.wants(500)
}

func TestPullEnginePauseAndRestart(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10), PullHeartbeat(time.Second), StopAfter(12))
	old := r.wants(10)[0].id
	r.consume(2, 100)
	r.pause()
	r.wants()
	if r.silence(time.Hour) {
		t.Error("heartbeats are missed during a pause")
	}
	if r.knows(old) {
		t.Error("the request to the consumer that is gone is still expected to end")
	}
	r.restart(1, r.now)
	r.wants(9) // and one in hand
	r.end(old, peStatus(peTimeout, 8, 100), nil)
	r.consume(1, 100)
	r.wants()
	r.consume(9, 100)
	r.wants()
	if !r.drained() {
		t.Errorf("%d messages are consumed, and more are waited for", r.done)
	}

	// During the pause, the message in hand may be finished.
	r = peNew(t, PullMaxMessages(10))
	r.wants(10)
	r.consume(2, 100)
	r.pause()
	r.consume(1, 100)
	r.restart(0, r.now)
	r.wants(10)
}

func TestPullEngineHeartbeatIsMissedAfterTwiceTheInterval(t *testing.T) {
	t.Parallel()
	const interval = time.Second
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not a secret
	for range 200 {
		r := peNew(t, PullMaxMessages(10), PullHeartbeat(interval))
		r.wants(10)
		// A server that is alive for a while and then falls silent.
		last := r.now
		active := false
		alive := time.Duration(rng.IntN(20)) * interval / 3
		next := r.now.Add(interval)
		for {
			tick := r.now.Add(r.wait(r.now))
			for next.Sub(peEpoch) < alive && !next.After(tick) {
				last, active = next, true
				next = next.Add(interval/2 + time.Duration(rng.Int64N(int64(interval))))
			}
			r.now = tick
			if r.missedHeartbeat(active, r.now) {
				break
			}
			active = false
		}
		if d := r.now.Sub(last); d < 2*interval || d > 2*interval+interval/4 {
			t.Errorf("a heartbeat is missed after %v of silence", d)
		}
		// If the silence lasts, so do the reports.
		r.wants(10)
		for i := range 3 {
			from := r.now
			for missed := false; !missed; missed = r.missedHeartbeat(false, r.now) {
				r.now = r.now.Add(r.wait(r.now))
			}
			if d := r.now.Sub(from); d != 2*interval {
				t.Errorf("the next one is missed after %v", d)
			}
			if doubt := r.doubtful(); !doubt {
				t.Errorf("after %d missed heartbeats, the consumer is not in doubt", i+2)
			}
			r.wants(10)
		}
		r.alive()
		if r.doubtful() {
			t.Error("a consumer that gives a sign of life is in doubt")
		}
	}
}

func TestPullEngineHeartbeatIsNotExpectedWithoutRequest(t *testing.T) {
	t.Parallel()
	r := peNew(t, PullMaxMessages(10), PullHeartbeat(time.Second), StopAfter(20))
	if r.silence(time.Hour) {
		t.Error("a heartbeat is missed before the first request")
	}
	id := r.wants(10)[0].id
	if r.silence(time.Second) {
		t.Error("a heartbeat is missed a second after the first request")
	}
	r.consume(10, 100)
	r.end(id, peStatus(peComplete, 0, 1000), nil)
	r.now = r.now.Add(time.Hour)
	r.wants(10)
	if r.silence(2*time.Second - 1) {
		t.Error("a heartbeat is missed too early after an idle hour")
	}
	if !r.silence(1) {
		t.Error("no heartbeat is missed")
	}
	if r.missedHeartbeat(true, r.now.Add(time.Hour)) {
		t.Error("a heartbeat is missed although something came")
	}
}

func TestJitterIsAQuarterAtMost(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{1, 2, 3, 50 * time.Millisecond, time.Second} {
		for range 1000 {
			if got := jitter(d); got < d-d/4 || got > d+d/4+1 {
				t.Fatalf("jitter makes %v of %v", got, d)
			}
		}
	}
}

// The heartbeats of other requests hide that one is lost, whose credit would be
// missing in the window for good.
func TestPullEngineGivesUpRequestsThatTheServerDropsInSilence(t *testing.T) {
	t.Parallel()
	r := peNew(t)
	first := r.wants(500)[0]
	r.consume(251, 100)
	dropped := r.wants(251)[0]
	r.consume(249, 100)
	r.end(first.id, peServed, nil)
	for last := r.now; last.Sub(dropped.at) < DefaultExpires+2*r.cfg.heartbeat; last = r.now {
		// What is served is booked on the request that is lost.
		next := r.wants(249)[0]
		r.consume(249, 100)
		r.releaseLost(r.now)
		r.wants()
		r.end(next.id, peServed, nil)
		r.now = r.now.Add(DefaultExpires / 2)
		r.heartbeat.start(r.now)
	}
	last := r.wants(249)[0]
	r.consume(100, 100)
	r.releaseLost(r.now)
	r.wants(351)
	r.consume(149, 100)
	r.end(last.id, peServed, nil)
	if r.pendMsgs != 351 {
		t.Errorf("the credit is %d, want 351", r.pendMsgs)
	}
	r.end(dropped.id, peServed, nil)
	if r.pendMsgs != 351 {
		t.Errorf("a late word about the request makes the credit %d", r.pendMsgs)
	}
}
