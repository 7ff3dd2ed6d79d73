package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// mgConsumers is what [jetstream.JetStream] and [jetstream.Stream] offer alike
// for the consumers of one stream.
type mgConsumers struct {
	createOrUpdate, create, update func(ctx context.Context, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error)

	get     func(ctx context.Context, name string) (jetstream.Consumer, error)
	del     func(ctx context.Context, name string) error
	pause   func(ctx context.Context, name string, until time.Time) (*jetstream.ConsumerPauseResponse, error)
	resume  func(ctx context.Context, name string) (*jetstream.ConsumerPauseResponse, error)
	reset   func(ctx context.Context, name string) (*jetstream.ConsumerResetResponse, error)
	resetTo func(ctx context.Context, name string, seq uint64) (*jetstream.ConsumerResetResponse, error)
}

func mgConsumersOf(st jetstream.Stream) mgConsumers {
	return mgConsumers{
		st.CreateOrUpdateConsumer, st.CreateConsumer, st.UpdateConsumer, st.Consumer, st.DeleteConsumer,
		st.PauseConsumer, st.ResumeConsumer, st.ResetConsumer, st.ResetConsumerToSequence,
	}
}

func mgShortcuts(js jetstream.JetStream, stream string) mgConsumers {
	type (
		ctx  = context.Context
		cfg  = jetstream.ConsumerConfig
		cons = jetstream.Consumer
	)
	return mgConsumers{
		createOrUpdate: func(ctx ctx, cfg cfg) (cons, error) { return js.CreateOrUpdateConsumer(ctx, stream, cfg) },
		create:         func(ctx ctx, cfg cfg) (cons, error) { return js.CreateConsumer(ctx, stream, cfg) },
		update:         func(ctx ctx, cfg cfg) (cons, error) { return js.UpdateConsumer(ctx, stream, cfg) },
		get:            func(ctx ctx, name string) (cons, error) { return js.Consumer(ctx, stream, name) },
		del:            func(ctx ctx, name string) error { return js.DeleteConsumer(ctx, stream, name) },
		pause: func(ctx ctx, name string, until time.Time) (*jetstream.ConsumerPauseResponse, error) {
			return js.PauseConsumer(ctx, stream, name, until)
		},
		resume: func(ctx ctx, name string) (*jetstream.ConsumerPauseResponse, error) {
			return js.ResumeConsumer(ctx, stream, name)
		},
		reset: func(ctx ctx, name string) (*jetstream.ConsumerResetResponse, error) {
			return js.ResetConsumer(ctx, stream, name)
		},
		resetTo: func(ctx ctx, name string, seq uint64) (*jetstream.ConsumerResetResponse, error) {
			return js.ResetConsumerToSequence(ctx, stream, name, seq)
		},
	}
}

// mgBothManagers runs a test with the methods of the stream and with the
// shortcuts, on a stream "foo" with the subjects FOO.*.
func mgBothManagers(t *testing.T, test func(t *testing.T, nc *nats.Conn, m mgConsumers)) {
	t.Helper()
	for _, name := range []string{"stream", "shortcut"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js, nc := mgHandle(t)
			st := mgStream(t, js, jetstream.StreamConfig{Name: "foo", Subjects: []string{"FOO.*"}})
			m := mgConsumersOf(st)
			if name == "shortcut" {
				m = mgShortcuts(js, "foo")
			}
			test(t, nc, m)
		})
	}
}

// mgPull pulls messages through core and returns their stream sequences.
func mgPull(t *testing.T, nc *nats.Conn, consumer string, batch int) []string {
	t.Helper()
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	mgOK(t, err)
	mgOK(t, nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.foo."+consumer, inbox, fmt.Appendf(nil, `{"batch":%d,"expires":%d}`, batch, mgWait)))
	var seqs []string
	for range batch {
		msg, err := sub.NextMsg(mgWait)
		mgOK(t, err)
		seqs = append(seqs, strings.Split(msg.Reply, ".")[5])
	}
	mgOK(t, sub.Unsubscribe())
	return seqs
}

func TestConsumerNamesAreCheckedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	st, err := js.Stream(mgContext(t), "foo")
	mgOK(t, err)
	before := len(fake.Seen(">"))
	for _, m := range []mgConsumers{mgConsumersOf(st), mgShortcuts(js, "foo")} {
		calls := map[string]func(name string) error{
			"get":     func(name string) error { _, err := m.get(mgExpired(t), name); return err },
			"delete":  func(name string) error { return m.del(mgExpired(t), name) },
			"pause":   func(name string) error { _, err := m.pause(mgExpired(t), name, time.Now()); return err },
			"resume":  func(name string) error { _, err := m.resume(mgExpired(t), name); return err },
			"reset":   func(name string) error { _, err := m.reset(mgExpired(t), name); return err },
			"resetTo": func(name string) error { _, err := m.resetTo(mgExpired(t), name, 3); return err },
			"unpin":   func(name string) error { return st.UnpinConsumer(mgExpired(t), name, "g") },
		}
		puts := map[string]func(cfg jetstream.ConsumerConfig) error{
			"create":         func(cfg jetstream.ConsumerConfig) error { _, err := m.create(mgExpired(t), cfg); return err },
			"update":         func(cfg jetstream.ConsumerConfig) error { _, err := m.update(mgExpired(t), cfg); return err },
			"createOrUpdate": func(cfg jetstream.ConsumerConfig) error { _, err := m.createOrUpdate(mgExpired(t), cfg); return err },
		}
		for name, call := range calls {
			err := call("")
			mgIs(t, err, jetstream.ErrInvalidConsumerName)
			mgEqual(t, name, err.Error(), "nats: invalid consumer name: name is required")
		}
		for name, put := range puts {
			calls[name+" name"] = func(name string) error {
				return put(jetstream.ConsumerConfig{Name: name, Durable: "fine", FilterSubject: ".bad"})
			}
			calls[name+" durable"] = func(name string) error { return put(jetstream.ConsumerConfig{Durable: name}) }
			for _, filter := range []string{".foo", "foo.", ">.foo", "a b", "a\tb"} {
				mgIs(t, put(jetstream.ConsumerConfig{FilterSubject: filter}), jetstream.ErrInvalidSubject)
			}
			// The config is encoded before its name is looked at.
			err := put(jetstream.ConsumerConfig{Name: "a.b", AckPolicy: 99})
			if err == nil || !strings.Contains(err.Error(), "unknown acknowledgement policy") {
				t.Errorf("%s with bad enum: %v", name, err)
			}
		}
		for name, call := range calls {
			for _, bad := range []string{"test.123", "*", ">", "a b", "a/b", `a\b`, "a\tb", "a\rb", "a\nb"} {
				err := call(bad)
				mgIs(t, err, jetstream.ErrInvalidConsumerName)
				mgEqual(t, name, err.Error(), fmt.Sprintf("nats: invalid consumer name: %q", bad))
			}
		}
	}
	mgEqual(t, "requests", len(fake.Seen(">"))-before, 0)
}

func TestConsumerCreateRequests(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	st, err := js.Stream(mgContext(t), "foo")
	mgOK(t, err)
	const defaults = `"deliver_policy":"all","ack_policy":"explicit","replay_policy":"instant","num_replicas":0`
	for _, m := range []mgConsumers{mgConsumersOf(st), mgShortcuts(js, "foo")} {
		for _, test := range []struct {
			put           func(ctx context.Context, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error)
			cfg           jetstream.ConsumerConfig
			subject, body string
		}{
			{
				m.create,
				jetstream.ConsumerConfig{Name: "C"},
				`C`, `{"stream_name":"foo","config":{"name":"C",` + defaults + `},"action":"create"}`,
			},
			{
				m.update,
				jetstream.ConsumerConfig{Durable: "D"},
				`D`, `{"stream_name":"foo","config":{"durable_name":"D",` + defaults + `},"action":"update"}`,
			},
			{
				m.createOrUpdate,
				jetstream.ConsumerConfig{Name: "C", Durable: "C", FilterSubject: "FOO.A"},
				`C\.FOO\.A`, `{"stream_name":"foo","config":{"name":"C","durable_name":"C","deliver_policy":"all",` +
					`"ack_policy":"explicit","filter_subject":"FOO.A","replay_policy":"instant","num_replicas":0},"action":""}`,
			},
			// The name that is made up is nowhere but in the subject.
			{m.create, jetstream.ConsumerConfig{}, `[0-9A-Za-z]{8}`, `{"stream_name":"foo","config":{` + defaults + `},"action":"create"}`},
			{m.create, jetstream.ConsumerConfig{FilterSubject: "FOO.*"}, `[0-9A-Za-z]{8}\.FOO\.\*`, ""},
			{m.create, jetstream.ConsumerConfig{Name: "C", FilterSubjects: []string{"FOO.A"}}, `C`, ""},
			{m.create, jetstream.ConsumerConfig{Name: "C", FilterSubject: ".bad", FilterSubjects: []string{"FOO.A"}}, `C`, ""},
		} {
			_, err := test.put(mgContext(t), test.cfg)
			mgOK(t, err)
			seen := fake.Seen(">")
			last := seen[len(seen)-1]
			if !regexp.MustCompile(`^FAKE\.CONSUMER\.CREATE\.foo\.` + test.subject + `$`).MatchString(last.Subject) {
				t.Errorf("subject is %s, want %s", last.Subject, test.subject)
			}
			if test.body != "" {
				mgEqual(t, "body", string(last.Body), test.body)
			}
		}
	}
}

func TestCreateConsumerReportsConflict(t *testing.T) {
	t.Parallel()
	mgBothManagers(t, func(t *testing.T, _ *nats.Conn, m mgConsumers) {
		ctx := mgContext(t)
		cfg := jetstream.ConsumerConfig{Durable: "C", Description: "one"}
		_, err := m.update(ctx, cfg)
		mgIs(t, err, jetstream.ErrConsumerDoesNotExist)
		for range 2 {
			_, err := m.create(context.Background(), cfg)
			mgOK(t, err)
		}
		cfg.Description = "two"
		_, err = m.create(ctx, cfg)
		mgIs(t, err, jetstream.ErrConsumerExists)
		for _, put := range []func(context.Context, jetstream.ConsumerConfig) (jetstream.Consumer, error){m.update, m.createOrUpdate} {
			cons, err := put(ctx, cfg)
			mgOK(t, err)
			mgEqual(t, "description", cons.CachedInfo().Config.Description, "two")
			bad := cfg
			bad.AckPolicy = jetstream.AckAllPolicy
			_, err = put(ctx, bad)
			mgIs(t, err, jetstream.ErrConsumerCreate)
		}
		_, err = m.createOrUpdate(ctx, jetstream.ConsumerConfig{Name: "A", Durable: "B"})
		mgIs(t, err, mgCode(10017))
	})
}

func TestConsumerFilters(t *testing.T) {
	t.Parallel()
	mgBothManagers(t, func(t *testing.T, _ *nats.Conn, m mgConsumers) {
		ctx := mgContext(t)
		for _, put := range []func(context.Context, jetstream.ConsumerConfig) (jetstream.Consumer, error){m.create, m.createOrUpdate} {
			_, err := put(ctx, jetstream.ConsumerConfig{FilterSubject: "FOO.A", FilterSubjects: []string{"FOO.B"}})
			mgIs(t, err, jetstream.ErrDuplicateFilterSubjects)
			_, err = put(ctx, jetstream.ConsumerConfig{FilterSubjects: []string{"FOO.*", "FOO.B"}})
			mgIs(t, err, jetstream.ErrOverlappingFilterSubjects)
			_, err = put(ctx, jetstream.ConsumerConfig{FilterSubjects: []string{"FOO.A", ""}})
			mgIs(t, err, jetstream.ErrEmptyFilter)
		}
		filters := []string{"FOO.A", "FOO.B"}
		_, err := m.create(ctx, jetstream.ConsumerConfig{Durable: "many", FilterSubjects: filters, AckPolicy: jetstream.AckAllPolicy})
		mgOK(t, err)
		cons, err := m.get(ctx, "many")
		mgOK(t, err)
		mgEqual(t, "filters", cons.CachedInfo().Config.FilterSubjects, filters)
		mgEqual(t, "ack policy", cons.CachedInfo().Config.AckPolicy, jetstream.AckAllPolicy)
		_, err = m.create(ctx, jetstream.ConsumerConfig{Durable: "one", FilterSubject: "FOO.A"})
		mgOK(t, err)
		cons, err = m.get(ctx, "one")
		mgOK(t, err)
		mgEqual(t, "filter", cons.CachedInfo().Config.FilterSubject, "FOO.A")
		mgEqual(t, "filters", cons.CachedInfo().Config.FilterSubjects, []string(nil))
	})
}

func TestFiltersTheServerDroppedAreReported(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	fake.On("CONSUMER.CREATE.>", jstest.Bytes([]byte(`{"name":"C"}`)))
	cfg := jetstream.ConsumerConfig{Name: "C", FilterSubjects: []string{"a", "b"}}
	m := mgShortcuts(js, "foo")
	for _, put := range []func(context.Context, jetstream.ConsumerConfig) (jetstream.Consumer, error){m.create, m.update, m.createOrUpdate} {
		cons, err := put(mgContext(t), cfg)
		mgSame(t, err, jetstream.ErrConsumerMultipleFilterSubjectsNotSupported)
		if cons != nil {
			t.Error("got a handle beside an error")
		}
	}
}

func TestConsumerOfUnknownStream(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	ctx := mgContext(t)
	m := mgShortcuts(js, "nope")
	cfg := jetstream.ConsumerConfig{Name: "C"}
	for _, put := range []func(context.Context, jetstream.ConsumerConfig) (jetstream.Consumer, error){m.create, m.update, m.createOrUpdate} {
		_, err := put(ctx, cfg)
		mgSame(t, err, jetstream.ErrStreamNotFound)
	}
	_, err := m.get(ctx, "C")
	mgIs(t, err, jetstream.ErrStreamNotFound)
	mgIs(t, m.del(ctx, "C"), jetstream.ErrStreamNotFound)
}

func TestTooManyConsumers(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	mgStream(t, js, jetstream.StreamConfig{Name: "foo", MaxConsumers: 1})
	m := mgShortcuts(js, "foo")
	_, err := m.create(mgContext(t), jetstream.ConsumerConfig{Durable: "A"})
	mgOK(t, err)
	_, err = m.create(mgContext(t), jetstream.ConsumerConfig{Durable: "B"})
	mgSame(t, err, jetstream.ErrMaximumConsumersLimit)
}

func TestPullMethodsMakePushConsumersButDoNotFindThem(t *testing.T) {
	t.Parallel()
	mgBothManagers(t, func(t *testing.T, _ *nats.Conn, m mgConsumers) {
		cons, err := m.createOrUpdate(mgContext(t), jetstream.ConsumerConfig{Durable: "push", DeliverSubject: "here"})
		mgOK(t, err)
		mgEqual(t, "deliver subject", cons.CachedInfo().Config.DeliverSubject, "here")
		_, err = m.get(mgContext(t), "push")
		mgSame(t, err, jetstream.ErrNotPullConsumer)
	})
}

func TestConsumerHandlesAreIndependent(t *testing.T) {
	t.Parallel()
	mgBothManagers(t, func(t *testing.T, _ *nats.Conn, m mgConsumers) {
		ctx := mgContext(t)
		cfg := jetstream.ConsumerConfig{Durable: "C", Description: "one", Metadata: map[string]string{"foo": "bar"}}
		first, err := m.create(ctx, cfg)
		mgOK(t, err)
		mgEqual(t, "metadata", first.CachedInfo().Config.Metadata["foo"], "bar")
		cfg.Description = "two"
		_, err = m.update(ctx, cfg)
		mgOK(t, err)
		second, err := m.get(context.Background(), "C")
		mgOK(t, err)
		mgEqual(t, "first handle's cache", first.CachedInfo().Config.Description, "one")
		mgEqual(t, "second handle's cache", second.CachedInfo().Config.Description, "two")
		info, err := first.Info(context.Background())
		mgOK(t, err)
		mgEqual(t, "info", info.Config.Description, "two")
		if info != first.CachedInfo() {
			t.Error("the result of Info is not what is cached")
		}
	})
}

func TestConsumerConfigSurvivesRoundTrip(t *testing.T) {
	t.Parallel()
	mgBothManagers(t, func(t *testing.T, _ *nats.Conn, m mgConsumers) {
		start := time.Now().UTC()
		cfg := jetstream.ConsumerConfig{
			Name: "C", Durable: "C", Description: "desc", DeliverPolicy: jetstream.DeliverByStartTimePolicy,
			OptStartTime: &start, AckPolicy: jetstream.AckAllPolicy, AckWait: time.Second, MaxDeliver: 5,
			BackOff: []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, ReplayPolicy: jetstream.ReplayOriginalPolicy,
			SampleFrequency: "50%", MaxWaiting: 100, MaxAckPending: 1000, HeadersOnly: true, MaxRequestBatch: 100,
			MaxRequestExpires: 10 * time.Second, MaxRequestMaxBytes: 1000, InactiveThreshold: 20 * time.Second, Replicas: 1,
			MemoryStorage: true, FilterSubjects: []string{"FOO.A", "FOO.B"}, PriorityPolicy: jetstream.PriorityPolicyPinned,
			PinnedTTL: time.Minute, PriorityGroups: []string{"g"},
		}
		cons, err := m.create(mgContext(t), cfg)
		mgOK(t, err)
		cons.CachedInfo().Config.Metadata = nil
		mgEqual(t, "config", cons.CachedInfo().Config, cfg)
	})
}

func TestEphemeralConsumerCanBeLookedUpByItsName(t *testing.T) {
	t.Parallel()
	mgBothManagers(t, func(t *testing.T, _ *nats.Conn, m mgConsumers) {
		names := map[string]bool{}
		for range 3 {
			cons, err := m.create(mgContext(t), jetstream.ConsumerConfig{})
			mgOK(t, err)
			name := cons.CachedInfo().Name
			names[name] = true
			_, err = m.get(mgContext(t), name)
			mgOK(t, err)
		}
		mgEqual(t, "number of names", len(names), 3)
	})
}

func TestDeleteConsumerRemovesIt(t *testing.T) {
	t.Parallel()
	mgBothManagers(t, func(t *testing.T, _ *nats.Conn, m mgConsumers) {
		ctx := mgContext(t)
		cons, err := m.create(ctx, jetstream.ConsumerConfig{Durable: "C"})
		mgOK(t, err)
		cached := cons.CachedInfo()
		mgOK(t, m.del(context.Background(), "C"))
		mgSame(t, m.del(ctx, "C"), jetstream.ErrConsumerNotFound)
		_, err = cons.Info(ctx)
		mgSame(t, err, jetstream.ErrConsumerNotFound)
		if cons.CachedInfo() != cached {
			t.Error("a failed Info must leave the cache alone")
		}
		_, err = m.get(ctx, "C")
		mgSame(t, err, jetstream.ErrConsumerNotFound)
		_, err = m.pause(ctx, "C", time.Now().Add(time.Hour))
		mgSame(t, err, jetstream.ErrConsumerNotFound)
		_, err = m.resume(ctx, "C")
		mgSame(t, err, jetstream.ErrConsumerNotFound)
	})
}

func TestPauseAndResumeConsumer(t *testing.T) {
	t.Parallel()
	mgBothManagers(t, func(t *testing.T, _ *nats.Conn, m mgConsumers) {
		ctx := mgContext(t)
		cons, err := m.create(ctx, jetstream.ConsumerConfig{Durable: "C"})
		mgOK(t, err)
		check := func(paused bool) {
			t.Helper()
			info, err := cons.Info(ctx)
			mgOK(t, err)
			mgEqual(t, "paused", info.Paused, paused)
			mgEqual(t, "has remaining time", info.PauseRemaining > 0, paused)
			if !paused {
				mgEqual(t, "pause in config", info.Config.PauseUntil, (*time.Time)(nil))
			}
		}
		check(false)
		until := time.Now().Add(time.Hour)
		resp, err := m.pause(context.Background(), "C", until)
		mgOK(t, err)
		if !resp.Paused || !resp.PauseUntil.Equal(until) || resp.PauseRemaining <= 0 {
			t.Errorf("response to pause until %v is %+v", until, resp)
		}
		mgEqual(t, "cached paused", cons.CachedInfo().Paused, false)
		check(true)
		resp, err = m.resume(context.Background(), "C")
		mgOK(t, err)
		mgEqual(t, "response to resume", *resp, jetstream.ConsumerPauseResponse{})
		check(false)
		for _, past := range []time.Time{{}, time.Now().Add(-time.Hour)} {
			_, err = m.pause(ctx, "C", until)
			mgOK(t, err)
			resp, err = m.pause(ctx, "C", past)
			mgOK(t, err)
			mgEqual(t, "paused until the past", resp.Paused, false)
		}
		_, err = m.pause(ctx, "C", time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC))
		if err == nil {
			t.Error("a time that cannot be encoded must be refused")
		}
	})
}

func TestPauseRequests(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	fake.On("CONSUMER.PAUSE.>", jstest.Bytes([]byte("{}")))
	m := mgShortcuts(js, "foo")
	resp, err := m.pause(mgContext(t), "C", time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC))
	mgOK(t, err)
	mgEqual(t, "response", *resp, jetstream.ConsumerPauseResponse{})
	_, err = m.resume(mgContext(t), "C")
	mgOK(t, err)
	seen := fake.Seen(">")
	mgEqual(t, "subjects", mgSubjects(seen), []string{"FAKE.CONSUMER.PAUSE.foo.C", "FAKE.CONSUMER.PAUSE.foo.C"})
	mgEqual(t, "pause", string(seen[0].Body), `{"pause_until":"2030-01-02T03:04:05.000000006Z"}`)
	mgEqual(t, "resume", string(seen[1].Body), `{}`)
}

func TestResetConsumer(t *testing.T) {
	t.Parallel()
	mgBothManagers(t, func(t *testing.T, nc *nats.Conn, m mgConsumers) {
		ctx := mgContext(t)
		cons, err := m.create(ctx, jetstream.ConsumerConfig{Durable: "C"})
		mgOK(t, err)
		for range 10 {
			mgStore(t, nc, "FOO.A", "x")
		}
		mgEqual(t, "pulled", mgPull(t, nc, "C", 3), []string{"1", "2", "3"})
		if jstest.ServerBefore("2.14") {
			// Nobody there knows the request, or answers it.
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			_, err = m.reset(short, "C")
			mgSame(t, err, context.DeadlineExceeded)
			return
		}
		resp, err := m.reset(context.Background(), "C")
		mgOK(t, err)
		mgEqual(t, "reset to", resp.ResetSeq, uint64(1))
		mgEqual(t, "pending", resp.NumPending, uint64(10))
		mgEqual(t, "cached pending", cons.CachedInfo().NumPending, uint64(0))
		mgEqual(t, "pulled", mgPull(t, nc, "C", 3), []string{"1", "2", "3"})
		resp, err = m.resetTo(context.Background(), "C", 7)
		mgOK(t, err)
		mgEqual(t, "reset to", resp.ResetSeq, uint64(7))
		mgEqual(t, "pending", resp.NumPending, uint64(4))
		mgEqual(t, "pulled", mgPull(t, nc, "C", 1), []string{"7"})
		resp, err = m.resetTo(ctx, "C", 0)
		mgOK(t, err)
		mgEqual(t, "reset to", resp.ResetSeq, uint64(7))

		_, err = m.create(ctx, jetstream.ConsumerConfig{Durable: "late", DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 5})
		mgOK(t, err)
		_, err = m.resetTo(ctx, "late", 3)
		mgSame(t, err, jetstream.ErrConsumerInvalidReset)
		_, err = m.resetTo(ctx, "late", 6)
		mgOK(t, err)

		short, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err = m.reset(short, "nobody")
		mgSame(t, err, context.DeadlineExceeded)
	})
}

// A71
func TestResetReplyWithoutConsumerInfo(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	m := mgShortcuts(js, "foo")
	for _, reply := range []string{"{}", "null", `{"type":"x"}`, `{"reset_seq":5}`} {
		fake.On("CONSUMER.RESET.foo.C", jstest.Bytes([]byte(reply)))
		_, err := m.reset(mgContext(t), "C")
		mgSame(t, err, jetstream.ErrConsumerResetResponseEmpty)
		_, err = m.resetTo(mgContext(t), "C", 5)
		mgSame(t, err, jetstream.ErrConsumerResetResponseEmpty)
	}
	fake.On("CONSUMER.RESET.foo.C", jstest.Bytes([]byte(`{"name":"C","reset_seq":5}`)))
	_, err := m.resetTo(mgContext(t), "C", 0)
	mgOK(t, err)
	resp, err := m.resetTo(mgContext(t), "C", 18446744073709551615)
	mgOK(t, err)
	mgEqual(t, "name", resp.Name, "C")
	mgEqual(t, "reset to", resp.ResetSeq, uint64(5))
	seen := fake.Seen("CONSUMER.RESET.foo.C")
	mgEqual(t, "reset", string(seen[0].Body), `{}`)
	mgEqual(t, "reset to 5", string(seen[1].Body), `{"seq":5}`)
	mgEqual(t, "reset to 0", string(seen[len(seen)-2].Body), `{}`)
	mgEqual(t, "reset to max", string(seen[len(seen)-1].Body), `{"seq":18446744073709551615}`)
	fake.On("CONSUMER.RESET.foo.C", jstest.Error(400, 10204, "below start sequence"))
	_, err = m.resetTo(mgContext(t), "C", 5)
	mgSame(t, err, jetstream.ErrConsumerInvalidReset)
}

func TestUnpinConsumer(t *testing.T) {
	t.Parallel()
	js, nc := mgHandle(t)
	ctx := mgContext(t)
	st := mgStream(t, js, jetstream.StreamConfig{Name: "foo", Subjects: []string{"FOO.*"}})
	cons, err := st.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "C", PriorityPolicy: jetstream.PriorityPolicyPinned, PinnedTTL: time.Hour, PriorityGroups: []string{"A"},
	})
	mgOK(t, err)
	mgEqual(t, "policy", cons.CachedInfo().Config.PriorityPolicy, jetstream.PriorityPolicyPinned)
	mgEqual(t, "TTL", cons.CachedInfo().Config.PinnedTTL, time.Hour)
	mgStore(t, nc, "FOO.A", "x")
	sub, err := nc.SubscribeSync(nats.NewInbox())
	mgOK(t, err)
	mgOK(t, nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.foo.C", sub.Subject, fmt.Appendf(nil, `{"batch":1,"group":"A","expires":%d}`, mgWait)))
	_, err = sub.NextMsg(mgWait)
	mgOK(t, err)
	pinned := func() string {
		info, err := cons.Info(ctx)
		mgOK(t, err)
		return info.PriorityGroups[0].PinnedClientID
	}
	if pinned() == "" {
		t.Fatal("no client is pinned")
	}
	mgOK(t, st.UnpinConsumer(context.Background(), "C", "A"))
	jstest.WaitFor(t, mgWait, "the client to be unpinned", func() bool { return pinned() == "" })
	mgIs(t, st.UnpinConsumer(ctx, "C", ""), mgCode(10025))
	mgIs(t, st.UnpinConsumer(ctx, "C", "B"), mgCode(10160))
	mgSame(t, st.UnpinConsumer(ctx, "nobody", "A"), jetstream.ErrConsumerNotFound)
}

func TestConsumerRepliesWithoutPayload(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	ctx := mgContext(t)
	st, err := js.Stream(ctx, "foo")
	mgOK(t, err)
	cons, err := st.Consumer(ctx, "C")
	mgOK(t, err)
	cached := cons.CachedInfo()
	for _, reply := range []string{"{}", "null", `{"type":"whatever"}`} {
		fake.On(">", jstest.Bytes([]byte(reply)))
		for _, m := range []mgConsumers{mgConsumersOf(st), mgShortcuts(js, "foo")} {
			for _, put := range []func(context.Context, jetstream.ConsumerConfig) (jetstream.Consumer, error){m.create, m.update, m.createOrUpdate} {
				_, err := put(ctx, jetstream.ConsumerConfig{})
				mgSame(t, err, jetstream.ErrConsumerCreationResponseEmpty)
			}
			_, err := m.get(ctx, "C")
			mgIs(t, err, jetstream.ErrConsumerNotFound)
			mgIs(t, err, jetstream.ErrInvalidJetStreamResponse)
			mgSame(t, m.del(ctx, "C"), jetstream.ErrInvalidJetStreamResponse)
		}
		_, err := cons.Info(ctx)
		mgIs(t, err, jetstream.ErrConsumerNotFound)
		mgIs(t, err, jetstream.ErrInvalidJetStreamResponse)
		mgOK(t, st.UnpinConsumer(ctx, "C", "A"))
	}
	if cons.CachedInfo() != cached {
		t.Error("a failed Info must leave the cache alone")
	}
	// Other errors are the server's own.
	fake.On(">", jstest.Error(404, 10059, "stream not found"))
	_, err = cons.Info(ctx)
	mgIs(t, err, jetstream.ErrStreamNotFound)
	var apiErr *jetstream.APIError
	if errors.Is(err, jetstream.ErrConsumerNotFound) || !errors.As(err, &apiErr) {
		t.Errorf("error is %v", err)
	}
}

func TestSlowConsumerInfoDoesNotReplaceNewerOne(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	cons, err := js.Consumer(mgContext(t), "foo", "C")
	mgOK(t, err)
	infoAt := func(second int) jstest.Answer {
		return jstest.Bytes(fmt.Appendf(nil, `{"ts":"2024-01-01T00:00:%02dZ"}`, second))
	}
	asked, release := make(chan struct{}), make(chan struct{})
	fake.On("CONSUMER.INFO.foo.C", jstest.InTurn(
		func(c *jstest.Call) {
			go func() { <-release; infoAt(1)(c) }()
			close(asked)
		},
		infoAt(2)))
	done := make(chan error)
	go func() {
		_, err := cons.Info(mgContext(t))
		done <- err
	}()
	<-asked
	newer, err := cons.Info(mgContext(t))
	mgOK(t, err)
	close(release)
	mgOK(t, <-done)
	if cons.CachedInfo() != newer {
		t.Errorf("cached info is of %v", cons.CachedInfo().TimeStamp)
	}
}
