package jetstream

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

// poOption is an option of both Consume and Messages.
type poOption interface {
	PullConsumeOpt
	PullMessagesOpt
}

// poParse hands the same options to both entry points and returns what they
// agree on.
func poParse(t *testing.T, ordered bool, opts ...poOption) (consumeOpts, error) {
	t.Helper()
	var forConsume []PullConsumeOpt
	var forMessages []PullMessagesOpt
	for _, opt := range opts {
		forConsume, forMessages = append(forConsume, opt), append(forMessages, opt)
	}
	consume, consumeErr := parseConsumeOpts(forConsume, ordered)
	messages, messagesErr := parseMessagesOpts(forMessages, ordered)
	if (consumeErr == nil) != (messagesErr == nil) || (consumeErr != nil && consumeErr.Error() != messagesErr.Error()) {
		t.Errorf("Consume: %v, Messages: %v", consumeErr, messagesErr)
	}
	if consumeErr != nil {
		return consumeOpts{}, consumeErr
	}
	if !reflect.DeepEqual(consume, messages) {
		t.Errorf("options of Consume are %+v, of Messages %+v", consume, messages)
	}
	return consume, nil
}

// poRefused checks the whole text of an option error.
func poRefused(t *testing.T, err error, want string) {
	t.Helper()
	if !errors.Is(err, ErrInvalidOption) || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

const poPrefix = "nats: invalid jetstream option: "

// A21
func TestConsumeAndMessagesRefuseInvalidOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		opts   []poOption
		reason string
	}{
		{"no messages", []poOption{PullMaxMessages(0)}, "maxMessages size must be at least 1"},
		{"negative messages", []poOption{PullMaxMessages(-1)}, "maxMessages size must be at least 1"},
		{"no bytes", []poOption{PullMaxBytes(0)}, "max bytes must be greater than 0"},
		{"negative bytes", []poOption{PullMaxBytes(-1)}, "max bytes must be greater than 0"},
		{"byte limit without messages", []poOption{PullMaxMessagesWithBytesLimit(0, 1)}, "maxMessages size must be at least 1"},
		{"byte limit with negative messages", []poOption{PullMaxMessagesWithBytesLimit(-1, 1)}, "maxMessages size must be at least 1"},
		{"no byte limit", []poOption{PullMaxMessagesWithBytesLimit(1, 0)}, "maxBytes size must be at least 1"},
		{"negative byte limit", []poOption{PullMaxMessagesWithBytesLimit(1, -1)}, "maxBytes size must be at least 1"},
		{"neither of both limits", []poOption{PullMaxMessagesWithBytesLimit(0, 0)}, "maxMessages size must be at least 1"},
		{"byte limit after messages", []poOption{PullMaxMessages(5), PullMaxMessagesWithBytesLimit(5, 100)}, "maxMessages already set"},
		{"short expiry", []poOption{PullExpiry(time.Second - 1)}, "expires value must be at least 1s"},
		{"no expiry", []poOption{PullExpiry(0)}, "expires value must be at least 1s"},
		{"negative expiry", []poOption{PullExpiry(-time.Minute)}, "expires value must be at least 1s"},
		{"short heartbeat", []poOption{PullHeartbeat(500*time.Millisecond - 1)}, "idle_heartbeat value must be within 500ms-30s range"},
		{"no heartbeat", []poOption{PullHeartbeat(0)}, "idle_heartbeat value must be within 500ms-30s range"},
		{"negative heartbeat", []poOption{PullHeartbeat(-time.Second)}, "idle_heartbeat value must be within 500ms-30s range"},
		{"long heartbeat", []poOption{PullExpiry(time.Hour), PullHeartbeat(30*time.Second + 1)}, "idle_heartbeat value must be within 500ms-30s range"},
		{"stop before the first message", []poOption{StopAfter(0)}, "auto stop after value cannot be less than 1"},
		{"stop before that", []poOption{StopAfter(-1)}, "auto stop after value cannot be less than 1"},
		{"no pending", []poOption{PullMinPending(0)}, "min pending should be more than 0"},
		{"negative pending", []poOption{PullMinPending(-1)}, "min pending should be more than 0"},
		{"no ack pending", []poOption{PullMinAckPending(0)}, "min pending should be more than 0"},
		{"negative ack pending", []poOption{PullMinAckPending(-1)}, "min pending should be more than 0"},
		{"negative threshold", []poOption{PullThresholdMessages(-1)}, "threshold of messages cannot be negative: -1"},
		{"negative threshold of bytes", []poOption{PullMaxBytes(10), PullThresholdBytes(-2)}, "threshold of bytes cannot be negative: -2"},
		{"heartbeat above half of the expiry", []poOption{PullExpiry(time.Second), PullHeartbeat(500*time.Millisecond + 1)}, "the value of Heartbeat must be less than 50% of expiry"},
		{"heartbeat above half of the default expiry", []poOption{PullHeartbeat(16 * time.Second)}, "the value of Heartbeat must be less than 50% of expiry"},
		{"the first of two", []poOption{StopAfter(0), PullExpiry(0)}, "auto stop after value cannot be less than 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := poParse(t, false, test.opts...)
			poRefused(t, err, poPrefix+poPrefix+test.reason)
		})
	}
}

func TestConsumeAndMessagesRefuseMessagesTogetherWithBytes(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]poOption{
		{PullMaxMessages(5), PullMaxBytes(100)},
		{PullMaxBytes(100), PullMaxMessages(5)},
	} {
		_, err := poParse(t, false, opts...)
		poRefused(t, err, poPrefix+"only one of MaxMessages and MaxBytes can be specified")
	}
}

func TestConsumeAndMessagesRefuseNilOptions(t *testing.T) {
	t.Parallel()
	_, err := parseConsumeOpts([]PullConsumeOpt{nil}, false)
	poRefused(t, err, poPrefix+"option cannot be nil")
	_, err = parseMessagesOpts([]PullMessagesOpt{nil}, false)
	poRefused(t, err, poPrefix+"option cannot be nil")
}

func TestConsumeAndMessagesOptionsAtTheirBounds(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]poOption{
		{PullMaxMessages(1)},
		{PullMaxBytes(1)},
		{PullMaxMessagesWithBytesLimit(1, 1)},
		{PullExpiry(time.Second)},
		{PullHeartbeat(500 * time.Millisecond)},
		{PullHeartbeat(15 * time.Second)},
		{PullExpiry(time.Second), PullHeartbeat(500 * time.Millisecond)},
		{PullExpiry(time.Minute), PullHeartbeat(30 * time.Second)},
		{PullHeartbeat(30 * time.Second), PullExpiry(time.Minute)},
		{StopAfter(1)},
		{PullMinPending(1)},
		{PullMinAckPending(1)},
		{PullThresholdMessages(0)},
		{PullThresholdBytes(0)},
		{PullPrioritized(255)},
		{PullPriorityGroup("")},
	} {
		if _, err := poParse(t, false, opts...); err != nil {
			t.Errorf("%v: %v", opts, err)
		}
	}
}

// poDefaults is what Consume and Messages work with unless told otherwise.
func poDefaults() consumeOpts {
	return consumeOpts{
		maxMessages: 500, thresholdMessages: 250, expires: 30 * time.Second, heartbeat: 15 * time.Second,
		defaultWindow: true, defaultThreshold: true,
	}
}

func TestConsumeAndMessagesDeriveTheirOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		opts    []poOption
		ordered bool
		want    func(*consumeOpts)
	}{
		{"none", nil, false, func(*consumeOpts) {}},
		{"messages", []poOption{PullMaxMessages(10)}, false, func(o *consumeOpts) { o.maxMessages, o.thresholdMessages = 10, 5; o.defaultWindow = false }},
		{"odd messages", []poOption{PullMaxMessages(7)}, false, func(o *consumeOpts) { o.maxMessages, o.thresholdMessages = 7, 4; o.defaultWindow = false }},
		{"one message", []poOption{PullMaxMessages(1)}, false, func(o *consumeOpts) { o.maxMessages, o.thresholdMessages = 1, 1; o.defaultWindow = false }},
		{"bytes", []poOption{PullMaxBytes(1000)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 1_000_000, 500_000
			o.defaultWindow = false
			o.maxBytes, o.thresholdBytes = 1000, 500
		}},
		{"odd bytes", []poOption{PullMaxBytes(5)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 1_000_000, 500_000
			o.defaultWindow = false
			o.maxBytes, o.thresholdBytes = 5, 3
		}},
		{"byte limit", []poOption{PullMaxMessagesWithBytesLimit(10, 1000)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 10, 5
			o.defaultWindow = false
			o.maxBytes, o.thresholdBytes, o.byteLimit = 1000, 500, true
		}},
		{"messages after byte limit", []poOption{PullMaxMessagesWithBytesLimit(10, 1000), PullMaxMessages(20)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 20, 10
			o.defaultWindow = false
			o.maxBytes, o.thresholdBytes, o.byteLimit = 1000, 500, true
		}},
		{"bytes after byte limit", []poOption{PullMaxMessagesWithBytesLimit(10, 1000), PullMaxBytes(2000)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 10, 5
			o.defaultWindow = false
			o.maxBytes, o.thresholdBytes, o.byteLimit = 2000, 1000, true
		}},
		{"bytes before byte limit", []poOption{PullMaxBytes(2000), PullMaxMessagesWithBytesLimit(10, 1000)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 10, 5
			o.defaultWindow = false
			o.maxBytes, o.thresholdBytes, o.byteLimit = 1000, 500, true
		}},
		{"threshold", []poOption{PullMaxMessages(10), PullThresholdMessages(9)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 10, 9
			o.defaultWindow, o.defaultThreshold = false, false
		}},
		{"threshold before the limit", []poOption{PullThresholdMessages(2), PullMaxMessages(10)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 10, 2
			o.defaultWindow, o.defaultThreshold = false, false
		}},
		{"threshold above the limit", []poOption{PullMaxMessages(10), PullThresholdMessages(11)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 10, 10
			o.defaultWindow, o.defaultThreshold = false, false
		}},
		{"threshold of bytes", []poOption{PullMaxBytes(1000), PullThresholdBytes(900)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 1_000_000, 500_000
			o.defaultWindow = false
			o.maxBytes, o.thresholdBytes = 1000, 900
		}},
		{"threshold of bytes above the limit", []poOption{PullMaxBytes(1000), PullThresholdBytes(1001)}, false, func(o *consumeOpts) {
			o.maxMessages, o.thresholdMessages = 1_000_000, 500_000
			o.defaultWindow = false
			o.maxBytes, o.thresholdBytes = 1000, 1000
		}},
		{"expiry", []poOption{PullExpiry(5 * time.Second)}, false, func(o *consumeOpts) { o.expires, o.heartbeat = 5*time.Second, 2500*time.Millisecond }},
		{"least expiry", []poOption{PullExpiry(time.Second)}, false, func(o *consumeOpts) { o.expires, o.heartbeat = time.Second, 500*time.Millisecond }},
		{"long expiry", []poOption{PullExpiry(time.Hour)}, false, func(o *consumeOpts) { o.expires, o.heartbeat = time.Hour, 30*time.Second }},
		{"heartbeat", []poOption{PullHeartbeat(time.Second)}, false, func(o *consumeOpts) { o.heartbeat = time.Second }},
		{"window like the default", []poOption{PullMaxMessages(500)}, false, func(o *consumeOpts) { o.defaultWindow = false }},
		{"threshold like the default", []poOption{PullThresholdMessages(250)}, false, func(o *consumeOpts) { o.defaultThreshold = false }},
		{"ordered", nil, true, func(o *consumeOpts) { o.heartbeat = 5 * time.Second }},
		{"ordered with expiry", []poOption{PullExpiry(10 * time.Second)}, true, func(o *consumeOpts) { o.expires, o.heartbeat = 10*time.Second, 5*time.Second }},
		{"ordered with short expiry", []poOption{PullExpiry(9 * time.Second)}, true, func(o *consumeOpts) { o.expires, o.heartbeat = 9*time.Second, 4500*time.Millisecond }},
		{"ordered with heartbeat", []poOption{PullHeartbeat(10 * time.Second)}, true, func(o *consumeOpts) { o.heartbeat = 10 * time.Second }},
		{"stop", []poOption{StopAfter(3)}, false, func(o *consumeOpts) { o.stopAfter = 3 }},
		{"group", []poOption{PullPriorityGroup("A"), PullMinPending(2), PullMinAckPending(3), PullPrioritized(4)}, false, func(o *consumeOpts) {
			o.group, o.minPending, o.minAckPending, o.priority = "A", 2, 3, 4
		}},
		{"the last of two", []poOption{StopAfter(3), PullExpiry(time.Second), StopAfter(4), PullExpiry(30 * time.Second)}, false, func(o *consumeOpts) { o.stopAfter = 4 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := poParse(t, test.ordered, test.opts...)
			if err != nil {
				t.Fatal(err)
			}
			want := poDefaults()
			want.ordered = test.ordered
			test.want(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("options are\n%+v, want\n%+v", got, want)
			}
		})
	}
}

func TestConsumeErrHandlerIsKept(t *testing.T) {
	t.Parallel()
	var got error
	handler := ConsumeErrHandler(func(_ ConsumeContext, err error) { got = err })
	o, err := parseConsumeOpts([]PullConsumeOpt{handler}, false)
	if err != nil {
		t.Fatal(err)
	}
	o.errHandler(nil, ErrNoHeartbeat)
	if !errors.Is(got, ErrNoHeartbeat) {
		t.Error("the handler is not the one that was given")
	}
	var push pushConsumeOpts
	if err := handler.configurePushConsume(&push); err != nil || push.errHandler == nil {
		t.Errorf("push consumers do not take the handler: %v", err)
	}
}

func TestMessagesReportsMissingHeartbeatsUnlessToldNotTo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		opts   []PullMessagesOpt
		silent bool
	}{
		{nil, false},
		{[]PullMessagesOpt{WithMessagesErrOnMissingHeartbeat(true)}, false},
		{[]PullMessagesOpt{WithMessagesErrOnMissingHeartbeat(false)}, true},
	} {
		o, err := parseMessagesOpts(test.opts, false)
		if err != nil || o.silentHeartbeat != test.silent {
			t.Errorf("silent is %v, want %v; error %v", o.silentHeartbeat, test.silent, err)
		}
	}
}

func TestPriorityGroupIsComparedWithTheConsumer(t *testing.T) {
	t.Parallel()
	plain := &ConsumerInfo{}
	grouped := &ConsumerInfo{Config: ConsumerConfig{PriorityGroups: []string{"A", "B"}}}
	for _, test := range []struct {
		name   string
		info   *ConsumerInfo
		group  string
		reason string
	}{
		{"nothing known", nil, "A", ""},
		{"no groups and none given", plain, "", ""},
		{"first group", grouped, "A", ""},
		{"last group", grouped, "B", ""},
		{"group missing", grouped, "", "priority group is required for priority consumer"},
		{"unknown group", grouped, "C", "invalid priority group"},
		{"other letter case", grouped, "a", "invalid priority group"},
		{"group without groups", plain, "A", "priority group is not supported for this consumer"},
	} {
		err := checkPriorityGroup(test.info, test.group)
		switch {
		case test.reason != "":
			poRefused(t, err, poPrefix+test.reason)
		case err != nil:
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// poStarter takes the place of a consumer, to see what would be sent.
type poStarter struct{ started []pullRequest }

func (s *poStarter) startFetch(req *pullRequest, sink fetchSink) error {
	s.started = append(s.started, *req)
	sink.finish(nats.ErrTimeout)
	return nil
}

// poFetch resolves the options of Fetch.
func poFetch(opts ...FetchOpt) (*pullRequest, error) {
	req := &pullRequest{batch: 1}
	err := req.applyFetchOpts(opts)
	return req, err
}

func TestFetchRefusesInvalidOptions(t *testing.T) {
	t.Parallel()
	past, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	var none context.Context
	for _, test := range []struct {
		name   string
		opts   []FetchOpt
		reason string
	}{
		{"no wait", []FetchOpt{FetchMaxWait(0)}, "timeout value must be greater than 0"},
		{"negative wait", []FetchOpt{FetchMaxWait(-1)}, "timeout value must be greater than 0"},
		{"no heartbeat", []FetchOpt{FetchHeartbeat(0)}, "timeout value must be greater than 0"},
		{"negative heartbeat", []FetchOpt{FetchHeartbeat(-1)}, "timeout value must be greater than 0"},
		{"no pending", []FetchOpt{FetchMinPending(0)}, "min pending should be more than 0"},
		{"negative pending", []FetchOpt{FetchMinPending(-1)}, "min pending should be more than 0"},
		{"no ack pending", []FetchOpt{FetchMinAckPending(0)}, "min ack pending should be more than 0"},
		{"negative ack pending", []FetchOpt{FetchMinAckPending(-1)}, "min ack pending should be more than 0"},
		{"no bytes", []FetchOpt{FetchMaxBytes(0)}, "max bytes must be greater than 0"},
		{"negative bytes", []FetchOpt{FetchMaxBytes(-1)}, "max bytes must be greater than 0"},
		{"past deadline", []FetchOpt{FetchContext(past)}, "context deadline already exceeded"},
		{"nil context", []FetchOpt{FetchContext(none)}, "context cannot be nil"},
		{"context and wait", []FetchOpt{FetchContext(context.Background()), FetchMaxWait(time.Second)}, "cannot specify both FetchContext and FetchMaxWait"},
		{"wait and context", []FetchOpt{FetchMaxWait(time.Second), FetchContext(context.Background())}, "cannot specify both FetchContext and FetchMaxWait"},
		{"heartbeat above half of the wait", []FetchOpt{FetchMaxWait(time.Second), FetchHeartbeat(time.Second/2 + 1)}, "expiry time should be at least 2 times the heartbeat"},
		{"heartbeat above half of the default", []FetchOpt{FetchHeartbeat(15*time.Second + 1)}, "expiry time should be at least 2 times the heartbeat"},
		{"nil option", []FetchOpt{nil}, "option cannot be nil"},
		{"the first of two", []FetchOpt{FetchMinPending(0), FetchMaxWait(0)}, "min pending should be more than 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := poFetch(test.opts...)
			poRefused(t, err, poPrefix+test.reason)
			err = new(pullRequest).fetchBytes(1000, test.opts)
			poRefused(t, err, poPrefix+test.reason)
			starter := &poStarter{}
			_, err = awaitNext(starter, test.opts)
			poRefused(t, err, poPrefix+test.reason)
			if len(starter.started) != 0 {
				t.Error("a request was made in spite of the error")
			}
		})
	}
}

func TestOnlyFetchTakesFetchMaxBytes(t *testing.T) {
	t.Parallel()
	if req, err := poFetch(FetchMaxBytes(100)); err != nil || req.maxBytes != 100 {
		t.Errorf("Fetch: max bytes %d, %v", req.maxBytes, err)
	}
	err := new(pullRequest).fetchBytes(1000, []FetchOpt{FetchMaxBytes(100)})
	poRefused(t, err, poPrefix+"FetchMaxBytes is only supported by Fetch")
	_, err = awaitNext(&poStarter{}, []FetchOpt{FetchMaxBytes(100)})
	poRefused(t, err, poPrefix+"FetchMaxBytes is only supported by Fetch")
}

func TestFetchRefusesEmptyBatches(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{0, -1, math.MinInt} {
		err := checkBatch(batch)
		if !errors.Is(err, nats.ErrInvalidArg) || err.Error() != "nats: invalid argument: batch size must be at least 1" {
			t.Errorf("batch %d: %v", batch, err)
		}
	}
	if err := checkBatch(1); err != nil {
		t.Error(err)
	}
	if err := new(pullRequest).fetchBytes(-1, nil); !errors.Is(err, nats.ErrInvalidArg) {
		t.Errorf("negative bytes: %v", err)
	}
	var req pullRequest
	if err := req.fetchBytes(0, nil); err != nil || req.maxBytes != 0 {
		t.Errorf("bytes without limit: %+v, %v", req, err)
	}
}

func TestFetchDerivesExpiryAndHeartbeat(t *testing.T) {
	t.Parallel()
	// In a bubble, no time passes between making a context and looking at it.
	synctest.Test(t, func(t *testing.T) {
		within := func(d time.Duration) FetchOpt {
			ctx, cancel := context.WithTimeout(context.Background(), d)
			t.Cleanup(cancel)
			return FetchContext(ctx)
		}
		for _, test := range []struct {
			name               string
			opts               []FetchOpt
			expires, heartbeat time.Duration
		}{
			{"default", nil, 30 * time.Second, 5 * time.Second},
			{"wait", []FetchOpt{FetchMaxWait(10 * time.Second)}, 10 * time.Second, 5 * time.Second},
			{"short wait", []FetchOpt{FetchMaxWait(10*time.Second - 1)}, 10*time.Second - 1, 0},
			{"heartbeat", []FetchOpt{FetchHeartbeat(15 * time.Second)}, 30 * time.Second, 15 * time.Second},
			{"heartbeat of a short wait", []FetchOpt{FetchHeartbeat(time.Second), FetchMaxWait(2 * time.Second)}, 2 * time.Second, time.Second},
			{"context without deadline", []FetchOpt{FetchContext(context.Background())}, 30 * time.Second, 5 * time.Second},
			{"short deadline", []FetchOpt{within(time.Second)}, 900 * time.Millisecond, 0},
			{"deadline", []FetchOpt{within(10 * time.Second)}, 9 * time.Second, 0},
			{"long deadline", []FetchOpt{within(time.Minute)}, 59 * time.Second, 5 * time.Second},
		} {
			req, err := poFetch(test.opts...)
			if err != nil || req.expires != test.expires || req.heartbeat != test.heartbeat {
				t.Errorf("%s: expiry %v, heartbeat %v, error %v; want %v, %v",
					test.name, req.expires, req.heartbeat, err, test.expires, test.heartbeat)
			}
		}
	})
}

func TestFetchOptionsReachTheRequest(t *testing.T) {
	t.Parallel()
	starter := &poStarter{}
	_, err := awaitNext(starter, []FetchOpt{
		FetchMaxWait(2 * time.Second), FetchHeartbeat(time.Second), FetchMinPending(3), FetchMinAckPending(4),
		FetchPrioritized(5), FetchPriorityGroup("A"),
	})
	if !errors.Is(err, nats.ErrTimeout) {
		t.Fatalf("error is %v", err)
	}
	want := `{"expires":2000000000,"batch":1,"idle_heartbeat":1000000000,"min_pending":3,"min_ack_pending":4,"group":"A","priority":5}`
	if got := string(starter.started[0].appendBody(nil)); got != want {
		t.Errorf("request is\n%s, want\n%s", got, want)
	}
}

func TestNextOptions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var none context.Context
	for _, test := range []struct {
		name    string
		opts    []NextOpt
		timeout time.Duration
		ctx     context.Context
	}{
		{"none", nil, 0, nil},
		{"wait", []NextOpt{NextMaxWait(time.Second)}, time.Second, nil},
		{"no wait", []NextOpt{NextMaxWait(0)}, 0, nil},
		{"negative wait", []NextOpt{NextMaxWait(-time.Second)}, 0, nil},
		{"context", []NextOpt{NextContext(ctx)}, 0, ctx},
		{"nil context", []NextOpt{NextContext(none)}, 0, nil},
		{"wait and nil context", []NextOpt{NextMaxWait(time.Second), NextContext(none)}, time.Second, nil},
		{"context and no wait", []NextOpt{NextContext(ctx), NextMaxWait(0)}, 0, ctx},
	} {
		got, err := parseNextOpts(test.opts)
		if err != nil || got.timeout != test.timeout || got.ctx != test.ctx {
			t.Errorf("%s: %+v, %v", test.name, got, err)
		}
	}
	for _, opts := range [][]NextOpt{
		{NextMaxWait(time.Second), NextContext(ctx)},
		{NextContext(ctx), NextMaxWait(time.Second)},
	} {
		_, err := parseNextOpts(opts)
		poRefused(t, err, poPrefix+"cannot specify both NextMaxWait and NextContext")
	}
	_, err := parseNextOpts([]NextOpt{nil})
	poRefused(t, err, poPrefix+"option cannot be nil")
}
