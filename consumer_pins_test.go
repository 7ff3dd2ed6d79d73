package jetstream

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"example.com/jetstream/internal/jstest"
)

func TestPinStoreKeepsOneIDPerGroup(t *testing.T) {
	t.Parallel()
	var p pinStore
	if got := p.get("A") + p.take("A"); got != "" {
		t.Errorf("an empty store has %q", got)
	}
	p.drop("A", "x")
	p.give("A", "a1")
	p.give("B", "b1")
	p.give("A", "a2")
	for range 2 {
		if a, b := p.get("A"), p.get("B"); a != "a2" || b != "b1" {
			t.Errorf("ids %q and %q", a, b)
		}
	}
	if got := p.take("A"); got != "a2" {
		t.Errorf("took %q", got)
	}
	if a, b := p.get("A"), p.get("B"); a != "" || b != "b1" {
		t.Errorf("ids %q and %q after one was taken", a, b)
	}
}

func TestPinStoreIgnoresEmptyGroupsAndIDs(t *testing.T) {
	t.Parallel()
	var p pinStore
	p.give("", "x")
	p.give("A", "")
	if len(p.ids) != 0 {
		t.Errorf("stored %v", p.ids)
	}
	p.give("A", "a1")
	p.give("A", "")
	if got := p.get("A"); got != "a1" {
		t.Errorf("an empty id replaced a1 by %q", got)
	}
	if got := p.get("") + p.take(""); got != "" {
		t.Errorf("no group has %q", got)
	}
}

func TestPinStoreDropsOnlyTheRefusedID(t *testing.T) {
	t.Parallel()
	var p pinStore
	p.give("A", "old")
	p.give("A", "new")
	p.drop("A", "old")
	if got := p.get("A"); got != "new" {
		t.Errorf("the id stored since is gone, %q is left", got)
	}
	p.drop("B", "new")
	p.drop("A", "new")
	if got := p.get("A"); got != "" {
		t.Errorf("a refused id is still there: %q", got)
	}
}

func TestPinStoreGivesAnIDToOneTakerOnly(t *testing.T) {
	t.Parallel()
	var p pinStore
	for round := range 200 {
		p.give("A", strconv.Itoa(round))
		taken := make(chan string, 4)
		var wg sync.WaitGroup
		for range cap(taken) {
			wg.Go(func() {
				if id := p.take("A"); id != "" {
					taken <- id
				}
			})
		}
		wg.Wait()
		if len(taken) != 1 || <-taken != strconv.Itoa(round) {
			t.Fatalf("round %d: not taken once", round)
		}
	}
}

// pinConsumer returns a handle whose cached information is info.
func pinConsumer(info *ConsumerInfo) *pullConsumer {
	c := new(pullConsumer)
	c.info.Store(info)
	return c
}

func TestPullingFromAPushConsumerIsRefused(t *testing.T) {
	t.Parallel()
	push := &ConsumerInfo{Config: ConsumerConfig{DeliverSubject: "d", PriorityGroups: []string{"A"}}}
	pull := &ConsumerInfo{}
	group := &ConsumerInfo{Config: ConsumerConfig{PriorityGroups: []string{"A"}, PriorityPolicy: PriorityPolicyPinned}}
	for _, tc := range []struct {
		name             string
		info             *ConsumerInfo
		group            string
		pull, consumable error
	}{
		{"nothing known", nil, "", nil, nil},
		{"pull", pull, "", nil, nil},
		{"push", push, "", ErrNotPullConsumer, ErrNotPullConsumer},
		{"push with a group", push, "A", ErrNotPullConsumer, ErrNotPullConsumer},
		{"pull with a group", group, "A", nil, nil},
		{"pull without its group", group, "", nil, ErrInvalidOption},
		{"pull with another group", group, "B", nil, ErrInvalidOption},
		{"pull with a group it does not have", pull, "A", nil, ErrInvalidOption},
	} {
		c := pinConsumer(tc.info)
		if err := c.checkPull(); err != tc.pull {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.pull)
		}
		if err := c.checkConsumable(tc.group); !errors.Is(err, tc.consumable) {
			t.Errorf("%s: consuming: %v, want %v", tc.name, err, tc.consumable)
		}
	}
}

func TestConfirmGoneTellsDeletionFromSilence(t *testing.T) {
	t.Parallel()
	js, fake := lsFake(t)
	c := newPullConsumer(js, "S", &ConsumerInfo{Name: "C"})
	if got, want := c.nextSubject, "FAKE.CONSUMER.MSG.NEXT.S.C"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	for _, tc := range []struct {
		name   string
		answer jstest.Answer
		want   error
	}{
		{"consumer is gone", jstest.Error(404, 10014, "consumer not found"), ErrConsumerNotFound},
		{"stream is gone", jstest.Error(404, 10059, "stream not found"), ErrStreamNotFound},
		{"another error", jstest.Error(503, 10008, "temporarily unavailable"), nil},
	} {
		fake.On("CONSUMER.INFO.S.C", tc.answer)
		if err := c.confirmGone(lsContext(t)); err != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	fake.On("CONSUMER.INFO.S.C", jstest.JSON(map[string]string{"stream_name": "S", "name": "C"}))
	if err := c.confirmGone(lsContext(t)); err != nil {
		t.Errorf("consumer is there: %v", err)
	}
	js.prefix = "NOBODY."
	if err := c.confirmGone(lsContext(t)); err != nil {
		t.Errorf("nobody answers: %v", err)
	}
	js.prefix = "FAKE."
	js.opts.DefaultTimeout = 20 * time.Millisecond
	fake.On("CONSUMER.INFO.S.C", jstest.Ignore)
	if err := c.confirmGone(t.Context()); err != nil {
		t.Errorf("the answer is lost: %v", err)
	}
}
