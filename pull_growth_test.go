package jetstream

import (
	"testing"
	"time"
)

func TestPullGrowthDoublesUpToItsBounds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		size int // of messages
		want []int
	}{
		{"small messages", 200, []int{1000, 2000, 4000, 8000, 8192, 8192}},
		{"messages of 8 KiB", 8 << 10, []int{1000, 2000, 2048, 2048}},
		{"messages of 32 KiB", 32 << 10, []int{512, 512}},
		{"messages as large as the window allows", grownBytes / 500, []int{500, 500}},
		{"large messages", 1 << 20, []int{500, 500}},
		{"nothing seen", -1, []int{1000, 2000, 4000, 8000, 8192}},
	} {
		var g pullGrowth
		if got := g.window(500); got != 500 {
			t.Errorf("%s: the window begins with %d", test.name, got)
		}
		for range 1000 {
			if test.size >= 0 {
				g.note(test.size)
			}
		}
		for i, want := range test.want {
			g.double(500, grownWindow)
			// The average comes close to the size from below.
			if got := g.window(500); got < want || got > want+want/100 {
				t.Errorf("%s: after %d steps the window is %d, want %d", test.name, i+1, got, want)
			}
		}
	}
}

// Large messages after small ones must not meet a window made for small ones.
func TestPullGrowthShrinksSoonerThanItComesBack(t *testing.T) {
	t.Parallel()
	var g pullGrowth
	note := func(n, size int) {
		for range n {
			g.note(size)
		}
	}
	note(1000, 200)
	for range 10 {
		g.double(500, grownWindow)
	}
	note(8, 1<<20)
	if got := g.window(500); got != 500 {
		t.Errorf("after 8 large messages the window is %d, want 500", got)
	}
	note(64, 200)
	if got := g.window(500); got > 1000 {
		t.Errorf("64 small messages later it is %d, want 1000 at most", got)
	}
	note(1000, 200)
	if got := g.window(500); got != grownWindow {
		t.Errorf("1,000 small messages later it is %d, want %d", got, grownWindow)
	}
	// An average that rounds to nothing is no excuse.
	note(10_000, 0)
	if got := g.window(500); got != grownWindow {
		t.Errorf("with empty messages the window is %d, want %d", got, grownWindow)
	}
}

// peServed is the status of a request that has been served.
var peServed = peStatus(peComplete, 0, 1000)

// The default window is filled again when a request has been served, so that
// none of it lies idle for a round trip.
func TestPullEngineTopsUpWhenARequestIsServed(t *testing.T) {
	t.Parallel()
	r := peNew(t)
	first := r.wants(500)[0].id
	r.consume(250, 100)
	r.wants()
	r.consume(1, 100)
	second := r.wants(251)[0].id
	r.consume(249, 100)
	r.wants()
	r.end(first, peServed, nil)
	third := r.wants(249)[0].id
	r.consume(251, 100)
	fourth := r.wants(251)[0].id
	r.end(second, peServed, nil)
	r.wants()
	r.consume(249, 100)
	r.wants()
	r.end(third, peServed, nil)
	r.wants(249)
	// Too little is free to be worth a request now, or because of this later.
	r.consume(topUpFrom/topUpShare, 100)
	r.end(fourth, peServed, nil)
	r.wants()
	r.consume(200, 100)
	r.wants()
	r.consume(100, 100)
	r.wants(316)
}

func TestPullEngineKeepsToTheThresholdOtherwise(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		opts []PullConsumeOpt
	}{
		{"small window", []PullConsumeOpt{PullMaxMessages(topUpFrom - 1)}},
		{"threshold of the user", []PullConsumeOpt{PullThresholdMessages(250)}},
		{"limit of bytes", []PullConsumeOpt{PullMaxMessagesWithBytesLimit(500, 1<<20)}},
		{"priority group", []PullConsumeOpt{PullPriorityGroup("A")}},
	} {
		r := peNew(t, test.opts...)
		window := r.cfg.maxMessages
		first := r.wants(window)[0].id
		half := window - r.cfg.thresholdMessages + 1
		r.consume(half, 100)
		r.wants(half)
		r.consume(window-half, 100)
		r.end(first, peServed, nil)
		if sent := r.pump(); len(sent) > 0 {
			t.Errorf("%s: %d messages are asked for above the threshold", test.name, sent[0].req.batch)
		}
	}
}

func TestPullEngineTopsUpWithinStopAfter(t *testing.T) {
	t.Parallel()
	r := peNew(t, StopAfter(800))
	first := r.wants(500)[0].id
	r.consume(251, 100)
	r.wants(251)
	r.consume(249, 100)
	r.end(first, peServed, nil)
	r.wants(49)
	r.consume(300, 100)
	r.wants()
	if !r.drained() {
		t.Error("800 messages are consumed, and more are waited for")
	}
}

// Of large messages, the bytes of a request end before the window is below its
// threshold.
func TestPullEngineAsksForMoreOfLargeMessagesBeforeTheirBytesEnd(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	all := pullByteBudget / size
	for _, test := range []struct {
		name string
		info *ConsumerInfo
		opts []PullConsumeOpt
		more int // messages after which the next request follows; 0 for none
	}{
		{name: "by default", more: all/2 + 1},
		{name: "a larger window", opts: []PullConsumeOpt{PullMaxMessages(1000)}, more: all/2 + 1},
		{
			name: "requests of eight messages",
			info: &ConsumerInfo{Config: ConsumerConfig{MaxRequestMaxBytes: 8 * size}}, more: 5,
		},
		{name: "a small window", opts: []PullConsumeOpt{PullMaxMessages(100)}},
		{name: "the user's threshold", opts: []PullConsumeOpt{PullThresholdMessages(250)}},
		{name: "the user's limit", opts: []PullConsumeOpt{PullMaxMessagesWithBytesLimit(500, pullByteBudget)}},
		{name: "a group", opts: []PullConsumeOpt{PullPriorityGroup("g")}},
	} {
		r := peNewFor(t, test.info, test.opts...)
		first := r.wants(r.cfg.maxMessages)[0]
		for n := 1; n <= first.req.maxBytes/size-1; n++ {
			r.consume(1, size)
			if n != test.more {
				r.wants()
				continue
			}
			if next := r.wants(n)[0]; next.req.maxBytes != first.req.maxBytes {
				t.Errorf("%s: the next request may have %d bytes", test.name, next.req.maxBytes)
			}
		}
	}
}

func TestPullEngineForgetsToTopUpWhenAllIsGivenUp(t *testing.T) {
	t.Parallel()
	r := peNew(t)
	first := r.wants(500)[0].id
	r.consume(500, 100)
	r.disconnected()
	r.end(first, peServed, nil)
	r.wants()
	r.reconnected(300, 3000, r.now)
	r.wants()
}

// peOrdered returns an engine as Consume of an ordered consumer makes it.
func peOrdered(t *testing.T, policy DeliverPolicy, opts ...PullConsumeOpt) *peRig {
	t.Helper()
	o, err := parseConsumeOpts(opts, true)
	if err != nil {
		t.Fatal(err)
	}
	r := peNew(t)
	r.cfg = newPullConfig(&o, &ConsumerInfo{Config: ConsumerConfig{DeliverPolicy: policy}}, 1<<20)
	return r
}

func TestPullEngineGrowsForOrderedConsumersWithDefaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		policy DeliverPolicy
		opts   []PullConsumeOpt
		want   int
	}{
		{"defaults", DeliverAllPolicy, nil, grownWindow},
		{"other options", DeliverAllPolicy, []PullConsumeOpt{StopAfter(9), PullExpiry(time.Minute), PullHeartbeat(time.Second)}, grownWindow},
		{"messages of the user", DeliverAllPolicy, []PullConsumeOpt{PullMaxMessages(500)}, 0},
		{"threshold of the user", DeliverAllPolicy, []PullConsumeOpt{PullThresholdMessages(10)}, 0},
		{"bytes of the user", DeliverAllPolicy, []PullConsumeOpt{PullMaxBytes(1 << 20)}, 0},
		{"byte limit of the user", DeliverAllPolicy, []PullConsumeOpt{PullMaxMessagesWithBytesLimit(500, 1<<20)}, 0},
		{"last of each subject", DeliverLastPerSubjectPolicy, nil, 0},
	} {
		if got := peOrdered(t, test.policy, test.opts...).cfg.growTo; got != test.want {
			t.Errorf("%s: grows to %d, want %d", test.name, got, test.want)
		}
	}
	if r := peNew(t); r.cfg.growTo != 0 {
		t.Error("an ordinary consumer grows")
	}
}

func TestPullEngineGrowsWhenItRunsDry(t *testing.T) {
	t.Parallel()
	r := peOrdered(t, DeliverAllPolicy)
	id := r.wants(500)[0].id
	for _, step := range []struct{ batch, next int }{
		{500, 1000}, {1000, 2000}, {2000, 4000}, {4000, 8000}, {8000, 8192}, {8192, 8192},
	} {
		// All at once, as after a long way.
		r.growth.average = 0
		r.growth.fit()
		half := r.pendMsgs - r.threshold() + 1
		r.consume(half, 100)
		early := r.wants(half)[0]
		r.consume(step.batch-half, 100)
		r.end(id, peServed, nil)
		r.ranDry()
		late := r.wants(step.next - half)[0]
		if sum := early.req.maxBytes + late.req.maxBytes; sum > 2*pullByteBudget {
			t.Errorf("%d bytes are asked for", sum)
		}
		// They are served in one go.
		r.consume(half, 100)
		r.end(early.id, peServed, nil)
		r.pump()
		r.abandon(0, 0)
		id = r.wants(step.next)[0].id
	}
	r.reconnected(0, 0, r.now)
	r.wants(grownWindow)
}

// What a request for a part of a grown window may be answered with is a part of
// the budget, so that large messages that come by surprise do not flood the
// connection.
func TestPullEngineSharesTheBudgetOfAGrownWindow(t *testing.T) {
	t.Parallel()
	r := peOrdered(t, DeliverAllPolicy)
	r.growth.reached = 4000
	r.growth.fit()
	for _, test := range []struct{ pending, batch, bytes int }{
		{0, 4000, pullByteBudget / 4000 * 4000},
		{1000, 3000, pullByteBudget / 4000 * 3000},
		{1999, 2001, pullByteBudget / 4000 * 2001},
	} {
		r.abandon(test.pending, 0)
		req := r.pump()[0].req
		if req.batch != test.batch || req.maxBytes != test.bytes {
			t.Errorf("%d pending: request is %d messages, %d bytes, want %d, %d", test.pending, req.batch, req.maxBytes, test.batch, test.bytes)
		}
	}
	// One that does not fit a share gets the whole budget at once.
	r.abandon(0, 0)
	r.growth.reached = grownWindow
	r.abandon(grownWindow-grownWindow/2, 0)
	r.consume(1, 100)
	sent := r.pump()[0]
	r.end(sent.id, peStatus(peTooLarge, sent.req.batch, sent.req.maxBytes), nil)
	r.abandon(0, 0)
	r.wantsBytes(pullByteBudget)
}
