package jetstream_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// pubStart returns a connection to a new server and a handle on it.
func pubStart(t testing.TB, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, *nats.Conn) {
	t.Helper()
	nc := jstest.Connect(t, jstest.StartServer(t))
	return pubHandle(t, nc, opts...), nc
}

func pubHandle(t testing.TB, nc *nats.Conn, opts ...jetstream.JetStreamOpt) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// pubStream makes a stream named foo of foo and foo.>, with more configuration
// in JSON, such as `"no_ack":true`.
func pubStream(t testing.TB, nc *nats.Conn, more ...string) {
	t.Helper()
	config := `{"name":"foo","subjects":["foo","foo.>"],"storage":"memory","num_replicas":1`
	config = strings.Join(append([]string{config}, more...), ",") + "}"
	resp, err := nc.Request("$JS.API.STREAM.CREATE.foo", []byte(config), pubDeadline)
	if err != nil {
		t.Fatalf("create stream: %v", err)
	}
	if strings.Contains(string(resp.Data), `"error"`) {
		t.Fatalf("create stream: %s", resp.Data)
	}
}

// pubStored returns a message of the stream.
func pubStored(t testing.TB, nc *nats.Conn, seq uint64) *nats.RawStreamMsg {
	t.Helper()
	legacy, err := nc.JetStream(nats.MaxWait(pubDeadline))
	if err != nil {
		t.Fatal(err)
	}
	m, err := legacy.GetMsg("foo", seq)
	if err != nil {
		t.Fatalf("get message %d: %v", seq, err)
	}
	return m
}

// pubCount returns the number of messages in the stream.
func pubCount(t testing.TB, nc *nats.Conn) uint64 {
	t.Helper()
	legacy, err := nc.JetStream(nats.MaxWait(pubDeadline))
	if err != nil {
		t.Fatal(err)
	}
	info, err := legacy.StreamInfo("foo")
	if err != nil {
		t.Fatalf("stream info: %v", err)
	}
	return info.State.Msgs
}

func TestPublishReturnsAck(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t, func(o *server.Options) { o.JetStreamDomain = "test-domain" })
	nc := jstest.Connect(t, s)
	js := pubHandle(t, nc)
	pubStream(t, nc)
	ctx := t.Context()

	for _, test := range []struct {
		opts []jetstream.PublishOpt
		want jetstream.PubAck
	}{
		{nil, jetstream.PubAck{Stream: "foo", Sequence: 1, Domain: "test-domain"}},
		{[]jetstream.PublishOpt{jetstream.WithMsgID("1")}, jetstream.PubAck{Stream: "foo", Sequence: 2, Domain: "test-domain"}},
		{[]jetstream.PublishOpt{jetstream.WithMsgID("1")}, jetstream.PubAck{Stream: "foo", Sequence: 2, Domain: "test-domain", Duplicate: true}},
	} {
		ack, err := js.Publish(ctx, "foo.1", []byte("msg"), test.opts...)
		if err != nil {
			t.Fatal(err)
		}
		if *ack != test.want {
			t.Errorf("got %+v, want %+v", *ack, test.want)
		}
		if test.opts == nil {
			continue
		}
		f, err := js.PublishAsync("foo.1", []byte("msg"), test.opts...)
		if err != nil {
			t.Fatal(err)
		}
		want := test.want
		want.Duplicate = true
		select {
		case ack := <-f.Ok():
			if *ack != want {
				t.Errorf("async: got %+v, want %+v", *ack, want)
			}
		case err := <-f.Err():
			t.Fatal(err)
		}
	}
}

func TestPublishReturnsCounterValue(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	pubStream(t, nc, `"allow_msg_counter":true`, `"allow_direct":true`)
	for _, want := range []string{"2", "4"} {
		ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "foo", Header: nats.Header{"Nats-Incr": {"2"}}})
		if err != nil || ack.Value != want {
			t.Fatalf("got %+v, %v", ack, err)
		}
	}
}

func TestPublishLeavesHeaderNilWithoutOptions(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	pubStream(t, nc)
	for _, opts := range [][]jetstream.PublishOpt{nil, {}} {
		m := &nats.Msg{Subject: "foo", Data: []byte("x")}
		if _, err := js.PublishMsg(t.Context(), m, opts...); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m.Header, nats.Header(nil)) {
			t.Errorf("header is %#v", m.Header)
		}
		f, err := js.PublishMsgAsync(m, opts...)
		if err != nil {
			t.Fatal(err)
		}
		<-f.Ok()
		if f.Msg() != m || !reflect.DeepEqual(m.Header, nats.Header(nil)) || m.Reply != "" {
			t.Errorf("async: message is %#v", m)
		}
	}
}

// A42, B55
func TestPublishSetsNothingButOptionHeadersOnMessage(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	pubStream(t, nc)
	want := nats.Header{"Nats-Msg-Id": {"1"}, "Nats-Expected-Last-Sequence": {"0"}}
	opts := []jetstream.PublishOpt{
		jetstream.WithMsgID("0"), jetstream.WithMsgID("1"),
		jetstream.WithExpectLastSequence(0), jetstream.WithExpectStream("other"), jetstream.WithExpectStream(""),
	}
	m := &nats.Msg{Subject: "foo", Reply: "mine", Data: []byte("x")}
	if _, err := js.PublishMsg(t.Context(), m, opts...); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m.Header, want) || m.Reply != "mine" || m.Subject != "foo" {
		t.Errorf("message is %#v", m)
	}

	m = &nats.Msg{Subject: "foo", Header: nats.Header{"Nats-Msg-Id": {"x", "y"}, "mine": {"z"}}}
	f, err := js.PublishMsgAsync(m, jetstream.WithMsgID("2"))
	if err != nil {
		t.Fatal(err)
	}
	<-f.Ok()
	if want := (nats.Header{"Nats-Msg-Id": {"2"}, "mine": {"z"}}); !reflect.DeepEqual(m.Header, want) || m.Reply != "" {
		t.Errorf("async: message is %#v", m)
	}
}

func TestPublishRefusesOptionsBeforeTouchingMessage(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	pubStream(t, nc)
	tests := []struct {
		opt  jetstream.PublishOpt
		text string
	}{
		{jetstream.WithRetryAttempts(-1), "retry attempts cannot be negative"},
		{jetstream.WithRetryWait(-1), "retry wait should be more than 0"},
		{jetstream.WithStallWait(-1), "stall wait should be more than 0"},
		{jetstream.WithExpectLastSequenceForSubject(1, ""), "subject cannot be empty"},
		{jetstream.WithScheduleEvery(500 * time.Millisecond), "schedule interval must be at least 1s"},
		{jetstream.WithScheduleCron(""), "cron expression cannot be empty"},
		{jetstream.WithScheduleTarget(""), "schedule target subject cannot be empty"},
		{jetstream.WithScheduleSource(""), "schedule source subject cannot be empty"},
		{jetstream.WithScheduleTTL(0), "schedule TTL must be greater than 0"},
		{jetstream.WithScheduleTimeZone(""), "schedule time zone cannot be empty"},
		{nil, "option cannot be nil"},
	}
	for _, test := range tests {
		m := &nats.Msg{Subject: "foo"}
		opts := []jetstream.PublishOpt{jetstream.WithMsgID("1"), test.opt}
		_, err := js.PublishMsg(t.Context(), m, opts...)
		_, asyncErr := js.PublishMsgAsync(m, opts...)
		for _, err := range []error{err, asyncErr} {
			if !errors.Is(err, jetstream.ErrInvalidOption) || err.Error() != "nats: invalid jetstream option: "+test.text {
				t.Errorf("want %q, got %v", test.text, err)
			}
		}
		if m.Header != nil {
			t.Errorf("%s: header is %v", test.text, m.Header)
		}
	}
	_, err := js.Publish(t.Context(), "foo", nil, jetstream.WithStallWait(time.Second))
	if !errors.Is(err, jetstream.ErrInvalidOption) || err.Error() != "nats: invalid jetstream option: stall wait cannot be set to sync publish" {
		t.Errorf("stall wait: %v", err)
	}
	if n := pubCount(t, nc); n != 0 {
		t.Errorf("%d messages stored", n)
	}
}

func TestPublishOptionsBecomeHeaders(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	pubStream(t, nc, `"allow_msg_schedules":true`, `"allow_msg_ttl":true`, `"allow_rollup_hdrs":true`)
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	cest := time.FixedZone("CEST", 7200)
	target := jetstream.WithScheduleTarget("foo.target")
	tests := map[string]struct {
		opts []jetstream.PublishOpt
		want map[string]string
	}{
		"TTL":      {[]jetstream.PublishOpt{jetstream.WithMsgTTL(time.Second)}, map[string]string{"Nats-TTL": "1s"}},
		"no TTL":   {[]jetstream.PublishOpt{jetstream.WithMsgTTL(-1)}, map[string]string{"Nats-TTL": ""}},
		"at":       {[]jetstream.PublishOpt{target, jetstream.WithScheduleAt(at.In(cest))}, map[string]string{"Nats-Schedule": "@at " + at.UTC().Format("2006-01-02T15:04:05Z")}},
		"every":    {[]jetstream.PublishOpt{target, jetstream.WithScheduleEvery(5 * time.Second)}, map[string]string{"Nats-Schedule": "@every 5s", "Nats-Schedule-Target": "foo.target"}},
		"cron":     {[]jetstream.PublishOpt{target, jetstream.WithScheduleCron("0 30 * * * *")}, map[string]string{"Nats-Schedule": "0 30 * * * *"}},
		"hourly":   {[]jetstream.PublishOpt{target, jetstream.WithScheduleCron(jetstream.ScheduleHourly)}, map[string]string{"Nats-Schedule": "@hourly"}},
		"ttl":      {[]jetstream.PublishOpt{target, jetstream.WithScheduleEvery(time.Hour), jetstream.WithScheduleTTL(10 * time.Minute)}, map[string]string{"Nats-Schedule": "@every 1h0m0s", "Nats-Schedule-TTL": "10m0s"}},
		"ttlnever": {[]jetstream.PublishOpt{target, jetstream.WithScheduleEvery(time.Hour), jetstream.WithScheduleTTLNever()}, map[string]string{"Nats-Schedule-TTL": "never"}},
		"zone":     {[]jetstream.PublishOpt{target, jetstream.WithScheduleCron("0 0 9 * * *"), jetstream.WithScheduleTimeZone("America/New_York")}, map[string]string{"Nats-Schedule-Time-Zone": "America/New_York"}},
		"source":   {[]jetstream.PublishOpt{target, jetstream.WithScheduleEvery(time.Hour), jetstream.WithScheduleSource("foo.source")}, map[string]string{"Nats-Schedule-Source": "foo.source"}},
		"rollup":   {[]jetstream.PublishOpt{target, jetstream.WithScheduleEvery(time.Hour), jetstream.WithScheduleRollup()}, map[string]string{"Nats-Schedule-Rollup": "sub"}},
	}
	for name, test := range tests {
		ack, err := js.Publish(t.Context(), "foo.schedule", []byte("x"), test.opts...)
		if schedule := test.want["Nats-Schedule"]; jstest.ServerBefore("2.14") && !strings.Contains(name, "TTL") && !strings.HasPrefix(schedule, "@at ") {
			// It knows no schedules but single ones, and says so.
			if !errors.Is(err, jetstream.ErrSchedulePatternInvalid) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		stored := pubStored(t, nc, ack.Sequence)
		for header, want := range test.want {
			if got := stored.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}

	_, err := js.Publish(t.Context(), "foo.schedule", nil, jetstream.WithScheduleEvery(time.Hour))
	noTarget := jetstream.ErrScheduleTargetInvalid
	if jstest.ServerBefore("2.14") {
		noTarget = jetstream.ErrSchedulePatternInvalid
	}
	if !errors.Is(err, noTarget) {
		t.Errorf("no target: %v", err)
	}
	_, err = js.Publish(t.Context(), "foo.schedule", nil, target, jetstream.WithScheduleCron("no"))
	if !errors.Is(err, jetstream.ErrSchedulePatternInvalid) {
		t.Errorf("wrong pattern: %v", err)
	}
}

// B69
func TestWithScheduleAtRoundsFractionsUp(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	sub, err := nc.SubscribeSync("seen")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		fraction time.Duration
		want     string
	}{
		{0, "@at 2026-01-02T15:04:05Z"},
		{1, "@at 2026-01-02T15:04:06Z"},
		{900 * time.Millisecond, "@at 2026-01-02T15:04:06Z"},
	} {
		if _, err := js.PublishAsync("seen", nil, jetstream.WithScheduleAt(start.Add(test.fraction))); err != nil {
			t.Fatal(err)
		}
		m, err := sub.NextMsg(pubDeadline)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Header.Get("Nats-Schedule"); got != test.want {
			t.Errorf("%v: %q", test.fraction, got)
		}
	}
}

func TestPublishExpectations(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	pubStream(t, nc)
	ctx := t.Context()
	if _, err := js.Publish(ctx, "foo.1", nil, jetstream.WithMsgID("a"), jetstream.WithExpectLastSequence(0)); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		opt  jetstream.PublishOpt
		code jetstream.ErrorCode // zero for success
	}{
		"stream":              {jetstream.WithExpectStream("bar"), 10060},
		"sequence":            {jetstream.WithExpectLastSequence(0), jetstream.JSErrCodeStreamWrongLastSequence},
		"ID":                  {jetstream.WithExpectLastMsgID("b"), 10070},
		"subject":             {jetstream.WithExpectLastSequencePerSubject(7), jetstream.JSErrCodeStreamWrongLastSequence},
		"other subject":       {jetstream.WithExpectLastSequenceForSubject(0, "foo.1"), jetstream.JSErrCodeStreamWrongLastSequence},
		"right other subject": {jetstream.WithExpectLastSequenceForSubject(1, "foo.1"), 0},
	} {
		_, err := js.Publish(ctx, "foo.2", nil, test.opt)
		f, asyncErr := js.PublishAsync("foo.2", nil, test.opt)
		if asyncErr != nil {
			t.Fatal(asyncErr)
		}
		if test.code == 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			<-f.Ok()
			continue
		}
		var apiErr *jetstream.APIError
		if !errors.As(err, &apiErr) || apiErr.ErrorCode != test.code || apiErr.Code != 400 {
			t.Errorf("%s: %v", name, err)
		} else if err.Error() != "nats: "+apiErr.Error() {
			t.Errorf("%s: text is %q", name, err)
		}
		asyncErr = <-f.Err()
		if bare, ok := asyncErr.(*jetstream.APIError); !ok || bare.ErrorCode != test.code {
			t.Errorf("%s: async: %v", name, asyncErr)
		}
	}
}

func TestPublishErrors(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	pubStream(t, nc, `"max_msg_size":64`)
	if _, err := nc.Subscribe("junk", func(m *nats.Msg) { _ = m.Respond([]byte("hello")) }); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Subscribe("nameless", func(m *nats.Msg) { _ = m.Respond([]byte(`{"seq":1}`)) }); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	short, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	for name, test := range map[string]struct {
		ctx     context.Context
		subject string
		size    int
		want    error
	}{
		"ended context":   {ended, "foo", 0, context.Canceled},
		"short context":   {short, "foo", 0, context.DeadlineExceeded},
		"nil context":     {nil, "foo", 0, nats.ErrInvalidContext},
		"empty subject":   {t.Context(), "", 0, nats.ErrBadSubject},
		"invalid subject": {t.Context(), "a b", 0, nats.ErrBadSubject},
		"too big":         {t.Context(), "foo", 65, jetstream.ErrStreamMessageExceedsMaximum},
		"max payload":     {t.Context(), "foo", 2 << 20, nats.ErrMaxPayload},
		"not an ack":      {t.Context(), "junk", 0, jetstream.ErrInvalidJSAck},
		"no stream name":  {t.Context(), "nameless", 0, jetstream.ErrInvalidJSAck},
	} {
		if _, err := js.Publish(test.ctx, test.subject, make([]byte, test.size)); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	if _, err := js.PublishMsg(t.Context(), nil, jetstream.WithMsgID("1")); err != nats.ErrInvalidMsg {
		t.Errorf("nil message: %v", err)
	}
	if n := pubCount(t, nc); n != 0 {
		t.Errorf("%d messages stored", n)
	}
	nc.Close()
	if _, err := js.Publish(t.Context(), "foo", nil); err != nats.ErrConnectionClosed {
		t.Errorf("closed connection: %v", err)
	}
}

func TestPublishUsesDefaultTimeout(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t, jetstream.WithDefaultTimeout(200*time.Millisecond))
	pubStream(t, nc, `"no_ack":true`)
	start := time.Now()
	_, err := js.Publish(context.Background(), "foo", nil)
	if err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	// Without the option, it would take 5 seconds.
	if took := time.Since(start); took < 200*time.Millisecond || took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestPublishWorksWithOldRequestStyle(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	nc := jstest.Connect(t, s, nats.UseOldRequestStyle())
	pubStream(t, nc)
	js := pubHandle(t, nc)
	if _, err := js.Publish(t.Context(), "foo", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "none", nil, jetstream.WithRetryAttempts(0)); err != jetstream.ErrNoStreamResponse {
		t.Fatal(err)
	}
}

func TestPublishRetriesUntilStreamAppears(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	// Stands in for a stream: the first requests find no responders.
	start := time.Now()
	_, err := js.Publish(t.Context(), "none", nil)
	if err != jetstream.ErrNoStreamResponse {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 500*time.Millisecond {
		t.Errorf("two retries took %v", took)
	}
	done := make(chan error, 1)
	m := &nats.Msg{Subject: "foo"}
	ctx, cancel := context.WithTimeout(t.Context(), pubDeadline)
	defer cancel()
	go func() {
		_, err := js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(5000), jetstream.WithRetryWait(10*time.Millisecond))
		done <- err
	}()
	pubStream(t, nc)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := pubCount(t, nc); n != 1 {
		t.Errorf("%d messages stored", n)
	}
}

func TestPublishEndsRetriesWithContext(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	// Long enough for the message to be sent in any case.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	before := nc.Stats().OutMsgs
	_, err := js.Publish(ctx, "none", nil, jetstream.WithRetryWait(time.Hour))
	if err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	if sent := nc.Stats().OutMsgs - before; sent != 1 {
		t.Errorf("sent %d times", sent)
	}
}

func TestPublishEndsRetriesWithDefaultTimeout(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t, jetstream.WithDefaultTimeout(2*time.Second))
	before := nc.Stats().OutMsgs
	// The test would time out if the pause were an hour.
	_, err := js.Publish(context.Background(), "none", nil, jetstream.WithRetryWait(time.Hour))
	if err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	if sent := nc.Stats().OutMsgs - before; sent != 1 {
		t.Errorf("sent %d times", sent)
	}
}

func TestPublishSendsWithoutRetriesWhenTurnedOff(t *testing.T) {
	t.Parallel()
	js, nc := pubStart(t)
	before := nc.Stats().OutMsgs
	if _, err := js.Publish(t.Context(), "none", nil, jetstream.WithRetryAttempts(0), jetstream.WithRetryWait(time.Hour)); err != jetstream.ErrNoStreamResponse {
		t.Fatal(err)
	}
	if sent := nc.Stats().OutMsgs - before; sent != 1 {
		t.Errorf("sent %d times", sent)
	}
}
