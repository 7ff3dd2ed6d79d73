package jetstream_test

import (
	"testing"
	"time"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestPriorityGroupMustBeOneOfTheConsumers(t *testing.T) {
	t.Parallel()
	e := tpStart(t, tpPinned)
	for reason, opts := range map[string][]jetstream.PullConsumeOpt{
		"priority group is required for priority consumer": nil,
		"invalid priority group":                           {jetstream.PullPriorityGroup("B")},
	} {
		_, err := e.cons.Consume(func(jetstream.Msg) {}, opts...)
		tpOptionError(t, err, reason)
	}
	_, err := e.cons.Messages()
	tpOptionError(t, err, "priority group is required for priority consumer")
	_, err = e.cons.Messages(jetstream.PullPriorityGroup("B"))
	tpOptionError(t, err, "invalid priority group")
}

func TestPullRequestsCarryPriorityOptions(t *testing.T) {
	t.Parallel()
	// A28
	for policy, adjust := range map[string]func(*jetstream.ConsumerConfig){"overflow": tpOverflow, "prioritized": tpPrioritized} {
		e := tpStart(t, adjust)
		pulls := e.pulls()
		var opts []jetstream.PullConsumeOpt
		var fetchOpts []jetstream.FetchOpt
		want := jstest.PullRequest{Group: "A"}
		if policy == "overflow" {
			opts = []jetstream.PullConsumeOpt{jetstream.PullPriorityGroup("A"), jetstream.PullMinPending(3), jetstream.PullMinAckPending(4)}
			fetchOpts = []jetstream.FetchOpt{jetstream.FetchPriorityGroup("A"), jetstream.FetchMinPending(3), jetstream.FetchMinAckPending(4)}
			want.MinPending, want.MinAckPending = 3, 4
		} else {
			opts = []jetstream.PullConsumeOpt{jetstream.PullPriorityGroup("A"), jetstream.PullPrioritized(7)}
			fetchOpts = []jetstream.FetchOpt{jetstream.FetchPriorityGroup("A"), jetstream.FetchPrioritized(7)}
			want.Priority = 7
		}
		cc, err := e.cons.Consume(func(jetstream.Msg) {}, opts...)
		mgOK(t, err)
		e.requested(pulls, 1)
		batch, err := e.cons.Fetch(1, append(fetchOpts, jetstream.FetchMaxWait(50*time.Millisecond))...)
		mgEqual(t, "fetched", len(tpBatch(t, batch, err)), 0)
		mgOK(t, batch.Error())
		for _, got := range e.requested(pulls, 2) {
			got.Batch, got.MaxBytes, got.Expires, got.IdleHeartbeat = 0, 0, 0, 0
			mgEqual(t, policy, got, want)
		}
		cc.Stop()
	}
}

func TestRequestOfHighestPriorityIsServedFirst(t *testing.T) {
	t.Parallel()
	// A28
	e := tpStart(t, tpPrioritized)
	group := jetstream.PullPriorityGroup("A")
	var low, high tpLog
	ccLow, err := e.cons.Consume(low.take, group, jetstream.PullPrioritized(1))
	mgOK(t, err)
	defer ccLow.Stop()
	ccHigh, err := e.again().Consume(high.take, group, jetstream.PullPrioritized(0))
	mgOK(t, err)
	defer ccHigh.Stop()
	e.waitInfo("both requests to wait", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 2 })
	e.publish(100)
	high.wait(t, 100)
	mgEqual(t, "messages of lower priority", low.len(), 0)
}

func TestOnlyOneConsumeOfAHandleIsPinned(t *testing.T) {
	t.Parallel()
	// B14
	e := tpStart(t, tpPinned)
	group := jetstream.PullPriorityGroup("A")
	var logs [2]tpLog
	var ccs [2]jetstream.ConsumeContext
	for i := range logs {
		var err error
		ccs[i], err = e.cons.Consume(logs[i].take, group, jetstream.PullMaxMessages(5))
		mgOK(t, err)
		t.Cleanup(ccs[i].Stop)
	}
	e.settled()
	e.publish(200)
	jstest.WaitFor(t, tpWait, "all messages", func() bool { return logs[0].len()+logs[1].len() == 200 })
	if logs[0].len() != 200 && logs[1].len() != 200 {
		t.Errorf("exclusive group is split %d to %d", logs[0].len(), logs[1].len())
	}
	winner, other := 0, 1
	if logs[1].len() == 200 {
		winner, other = 1, 0
	}
	for _, m := range logs[winner].all() {
		if m.Headers().Get("Nats-Pin-Id") == "" {
			t.Fatal("message of a pinned consumer without its pin id")
		}
	}
	// The other one takes over when the pin is taken away.
	ccs[winner].Stop()
	st, err := e.adminJS.Stream(mgContext(t), tpStream)
	mgOK(t, err)
	mgOK(t, e.nc.Flush())
	mgOK(t, st.UnpinConsumer(mgContext(t), tpConsumer, "A"))
	e.publish(50)
	logs[other].wait(t, 50)
}

func TestLostPinLeadsToAnImmediateRequest(t *testing.T) {
	t.Parallel()
	// A27
	e := tpStart(t, tpPinned)
	pulls := e.pulls()
	var log tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(log.take, jetstream.PullPriorityGroup("A"), jetstream.PullMaxMessages(10), errs.handler())
	mgOK(t, err)
	defer cc.Stop()
	e.publish(20)
	log.wait(t, 20)
	seen := e.requested(pulls, 3)
	if seen[0].ID != "" || seen[len(seen)-1].ID == "" {
		t.Errorf("pin ids of requests are %q and %q", seen[0].ID, seen[len(seen)-1].ID)
	}
	st, err := e.adminJS.Stream(mgContext(t), tpStream)
	mgOK(t, err)
	mgOK(t, st.UnpinConsumer(mgContext(t), tpConsumer, "A"))
	e.publish(20)
	// Before the heartbeat could help it on.
	log.wait(t, 40)
	for _, err := range errs.all() {
		mgSame(t, err, jetstream.ErrPinIDMismatch)
	}
	log.complete(t, 40)
}

func TestOverflowRequestsWaitForTheirMinimum(t *testing.T) {
	t.Parallel()
	e := tpStart(t, tpOverflow)
	var log tpLog
	var errs tpErrors
	cc, err := e.cons.Consume(log.take, jetstream.PullPriorityGroup("A"), jetstream.PullMinPending(110),
		jetstream.PullExpiry(2*time.Second), errs.handler())
	mgOK(t, err)
	e.publish(100)
	e.known(100)
	// A request has waited for its whole time.
	pulls := e.pulls()
	pulls.WaitN(t, 2, tpWait)
	mgEqual(t, "messages below the minimum", log.len(), 0)
	e.publish(100)
	log.wait(t, 91)
	time.Sleep(100 * time.Millisecond)
	mgEqual(t, "messages above the minimum", log.len(), 91)
	cc.Stop()
	tpDone(t, "the end", cc.Closed())
	errs.none(t)
}
