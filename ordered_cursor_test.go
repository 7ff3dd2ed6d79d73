package jetstream

import (
	"reflect"
	"testing"
	"time"
)

// Both what the first consumer of the server looks like, and what a later one
// does once a message has been seen.
func TestOrderedConfigMapping(t *testing.T) {
	t.Parallel()
	start := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	// base is what all of them have in common.
	base := ConsumerConfig{
		Name:              "p_1",
		AckPolicy:         AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: 5 * time.Minute,
	}
	resumed := func(c *ConsumerConfig) {
		c.DeliverPolicy, c.OptStartSeq = DeliverByStartSequencePolicy, 8
	}
	for _, tc := range []struct {
		name    string
		cfg     OrderedConsumerConfig
		initial func(*ConsumerConfig)
		later   func(*ConsumerConfig)
	}{
		{name: "nothing set"},
		{
			name: "all",
			cfg:  OrderedConsumerConfig{DeliverPolicy: DeliverAllPolicy, OptStartSeq: 5, OptStartTime: &start},
		},
		{
			name:    "new",
			cfg:     OrderedConsumerConfig{DeliverPolicy: DeliverNewPolicy, OptStartSeq: 5, OptStartTime: &start},
			initial: func(c *ConsumerConfig) { c.DeliverPolicy = DeliverNewPolicy },
		},
		{
			name:    "last",
			cfg:     OrderedConsumerConfig{DeliverPolicy: DeliverLastPolicy, OptStartSeq: 5, OptStartTime: &start},
			initial: func(c *ConsumerConfig) { c.DeliverPolicy = DeliverLastPolicy },
		},
		{
			name: "last per subject without filter",
			cfg:  OrderedConsumerConfig{DeliverPolicy: DeliverLastPerSubjectPolicy},
			initial: func(c *ConsumerConfig) {
				c.DeliverPolicy, c.FilterSubjects = DeliverLastPerSubjectPolicy, []string{">"}
			},
		},
		{
			name: "last per subject with a filter",
			cfg:  OrderedConsumerConfig{DeliverPolicy: DeliverLastPerSubjectPolicy, FilterSubjects: []string{"a.*"}},
			initial: func(c *ConsumerConfig) {
				c.DeliverPolicy, c.FilterSubject = DeliverLastPerSubjectPolicy, "a.*"
			},
			later: func(c *ConsumerConfig) { c.FilterSubject = "a.*" },
		},
		{
			name: "start sequence",
			cfg:  OrderedConsumerConfig{DeliverPolicy: DeliverByStartSequencePolicy, OptStartSeq: 5, OptStartTime: &start},
			initial: func(c *ConsumerConfig) {
				c.DeliverPolicy, c.OptStartSeq = DeliverByStartSequencePolicy, 5
			},
		},
		{
			name: "start time",
			cfg:  OrderedConsumerConfig{DeliverPolicy: DeliverByStartTimePolicy, OptStartSeq: 5, OptStartTime: &start},
			initial: func(c *ConsumerConfig) {
				c.DeliverPolicy, c.OptStartTime = DeliverByStartTimePolicy, &start
			},
		},
		{
			name: "replay policy is not passed on",
			cfg:  OrderedConsumerConfig{ReplayPolicy: ReplayOriginalPolicy},
		},
		{
			name: "one filter",
			cfg:  OrderedConsumerConfig{FilterSubjects: []string{"a"}},
			initial: func(c *ConsumerConfig) {
				c.FilterSubject = "a"
			},
			later: func(c *ConsumerConfig) { c.FilterSubject = "a" },
		},
		{
			name: "two filters",
			cfg:  OrderedConsumerConfig{FilterSubjects: []string{"a", "b"}},
			initial: func(c *ConsumerConfig) {
				c.FilterSubjects = []string{"a", "b"}
			},
			later: func(c *ConsumerConfig) { c.FilterSubjects = []string{"a", "b"} },
		},
		{
			name: "inactivity, headers only, metadata",
			cfg:  OrderedConsumerConfig{InactiveThreshold: time.Minute, HeadersOnly: true, Metadata: map[string]string{"k": "v"}},
			initial: func(c *ConsumerConfig) {
				c.InactiveThreshold, c.HeadersOnly, c.Metadata = time.Minute, true, map[string]string{"k": "v"}
			},
			later: func(c *ConsumerConfig) {
				c.InactiveThreshold, c.HeadersOnly, c.Metadata = time.Minute, true, map[string]string{"k": "v"}
			},
		},
		{
			name: "attempts and prefix are not the server's",
			cfg:  OrderedConsumerConfig{MaxResetAttempts: 4, NamePrefix: "ignored here"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var cursor orderedCursor
			cursor.renew(0)
			want := base
			if tc.initial != nil {
				tc.initial(&want)
			}
			if got := cursor.config(&tc.cfg, "p"); !reflect.DeepEqual(*got, want) {
				t.Errorf("first consumer:\n got %+v\nwant %+v", *got, want)
			}

			// Anchored or not, a message that was seen decides.
			cursor.drop(tc.cfg.DeliverPolicy, orderedInfo(2))
			cursor.advance(7, 3)
			cursor.renew(0)
			want = base
			want.Name = "p_2"
			resumed(&want)
			if tc.later != nil {
				tc.later(&want)
			}
			if got := cursor.config(&tc.cfg, "p"); !reflect.DeepEqual(*got, want) {
				t.Errorf("later consumer:\n got %+v\nwant %+v", *got, want)
			}
		})
	}
}

// orderedInfo is the info of a consumer that starts behind a stream sequence.
func orderedInfo(streamSeq uint64) *ConsumerInfo {
	return &ConsumerInfo{Delivered: SequenceInfo{Stream: streamSeq}}
}

// B4, A34
func TestOrderedConfigBeforeTheFirstMessageKeepsItsStart(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for _, tc := range []struct {
		name   string
		cfg    OrderedConsumerConfig
		policy DeliverPolicy
		seq    uint64
		time   *time.Time
	}{
		{"all", OrderedConsumerConfig{}, DeliverAllPolicy, 0, nil},
		{"start sequence", OrderedConsumerConfig{DeliverPolicy: DeliverByStartSequencePolicy, OptStartSeq: 40}, DeliverByStartSequencePolicy, 40, nil},
		{"start time", OrderedConsumerConfig{DeliverPolicy: DeliverByStartTimePolicy, OptStartTime: &start}, DeliverByStartTimePolicy, 0, &start},
		{"new", OrderedConsumerConfig{DeliverPolicy: DeliverNewPolicy}, DeliverByStartSequencePolicy, 18, nil},
		{"last", OrderedConsumerConfig{DeliverPolicy: DeliverLastPolicy}, DeliverByStartSequencePolicy, 18, nil},
		{"last per subject", OrderedConsumerConfig{DeliverPolicy: DeliverLastPerSubjectPolicy}, DeliverByStartSequencePolicy, 18, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var cursor orderedCursor
			cursor.renew(0)
			cursor.drop(tc.cfg.DeliverPolicy, orderedInfo(17))
			// However many consumers come to nothing.
			for range 3 {
				cursor.renew(0)
				got := cursor.config(&tc.cfg, "p")
				if got.DeliverPolicy != tc.policy || got.OptStartSeq != tc.seq || got.OptStartTime != tc.time {
					t.Errorf("start is %v, %d, %v, want %v, %d, %v",
						got.DeliverPolicy, got.OptStartSeq, got.OptStartTime, tc.policy, tc.seq, tc.time)
				}
				if len(got.FilterSubjects) != 0 {
					t.Errorf("filters are %q, want none", got.FilterSubjects)
				}
			}
		})
	}
}

func TestOrderedAnchorOfAnEmptyStreamIsItsBeginning(t *testing.T) {
	t.Parallel()
	cfg := OrderedConsumerConfig{DeliverPolicy: DeliverNewPolicy}
	var cursor orderedCursor
	cursor.drop(cfg.DeliverPolicy, orderedInfo(0))
	cursor.renew(0)
	got := cursor.config(&cfg, "p")
	if got.DeliverPolicy != DeliverByStartSequencePolicy || got.OptStartSeq != 1 {
		t.Errorf("start is %v, %d, want by sequence, 1", got.DeliverPolicy, got.OptStartSeq)
	}
}

func TestOrderedCursorAcceptsOnlyTheNextMessage(t *testing.T) {
	t.Parallel()
	var cursor orderedCursor
	cursor.renew(0)
	for _, tc := range []struct {
		seq  uint64
		want bool
	}{{0, false}, {2, false}, {1, true}} {
		if got := cursor.accepts(tc.seq); got != tc.want {
			t.Errorf("new consumer: accepts(%d) is %v", tc.seq, got)
		}
	}
	// Stream sequences may have gaps, by filters and deletions.
	cursor.advance(10, 1)
	cursor.advance(25, 2)
	for _, tc := range []struct {
		seq  uint64
		want bool
	}{{1, false}, {2, false}, {4, false}, {3, true}} {
		if got := cursor.accepts(tc.seq); got != tc.want {
			t.Errorf("after two messages: accepts(%d) is %v", tc.seq, got)
		}
	}
	cursor.renew(0)
	if !cursor.accepts(1) || cursor.accepts(3) {
		t.Error("the next consumer does not count from one")
	}
	if cursor.stream != 25 {
		t.Errorf("stream position is %d after renewal, want 25", cursor.stream)
	}
}

func TestOrderedCursorNumbersItsConsumers(t *testing.T) {
	t.Parallel()
	var cursor orderedCursor
	for _, tc := range []struct {
		skip uint64
		want string
	}{{0, "a_b_1"}, {0, "a_b_2"}, {40, "a_b_43"}, {0, "a_b_44"}} {
		cursor.renew(tc.skip)
		if got := cursor.name("a_b"); got != tc.want {
			t.Errorf("name is %q, want %q", got, tc.want)
		}
	}
}

func TestOrderedConfigIsCopied(t *testing.T) {
	t.Parallel()
	start := time.Now()
	cfg := OrderedConsumerConfig{
		FilterSubjects: []string{"a"},
		Metadata:       map[string]string{"k": "v"},
		OptStartTime:   &start,
	}
	kept := cloneOrderedConfig(cfg)
	cfg.FilterSubjects[0] = "b"
	cfg.Metadata["k"] = "w"
	*cfg.OptStartTime = time.Time{}
	if kept.FilterSubjects[0] != "a" || kept.Metadata["k"] != "v" || kept.OptStartTime.IsZero() {
		t.Errorf("a change of the caller's config shows: %+v", kept)
	}
}

// A33
func TestOrderedRunIgnoresMessagesOfAnotherConsumer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, reply string
		recovering  bool
		want        bool
	}{
		{name: "its own", reply: "$JS.ACK.S.p_2.1.9.1.1700000000000000000.0", want: true},
		{name: "of an earlier consumer", reply: "$JS.ACK.S.p_1.1.9.1.1700000000000000000.0"},
		{name: "while a new one is being made", reply: "$JS.ACK.S.p_2.1.9.1.1700000000000000000.0", recovering: true},
		{name: "of nobody", reply: "_INBOX.x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			run := &orderedRun{name: "p_2", recovering: tc.recovering}
			reply, err := parseAckReply(tc.reply)
			if (err != nil) != (tc.reply == "_INBOX.x") {
				t.Fatal(err)
			}
			if got := run.admit(&reply); got != tc.want {
				t.Errorf("admitted: %v, want %v", got, tc.want)
			}
			want := uint64(0)
			if tc.want {
				want = 9
			}
			if run.cursor.stream != want {
				t.Errorf("the cursor is at %d, want %d", run.cursor.stream, want)
			}
		})
	}
}
