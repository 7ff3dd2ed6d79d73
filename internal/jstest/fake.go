package jstest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

const realPrefix = "$JS.API."

// FakeAPI is a stand-in for the JetStream API under a prefix of its own, for
// handles made with NewWithAPIPrefix. It makes lost requests, silent APIs and
// odd statuses happen on demand.
//
// Without further instructions it plays a server on which every stream and
// every consumer exists and can be deleted: it answers STREAM.INFO and
// CONSUMER.CREATE, DURABLE.CREATE, INFO and DELETE. All else, pull requests
// included, is ignored. [FakeAPI.On] changes what happens.
//
// Messages of a real stream cannot be made up, since the server lets nobody
// publish with an acknowledgement subject as reply. To have real ones delivered,
// make a real stream and [Forward] the pull requests.
type FakeAPI struct {
	t      testing.TB
	nc     *nats.Conn
	prefix string
	rec    Recorder

	mu     sync.Mutex
	rules  []rule // the last match counts
	closed bool
	timers map[*time.Timer]struct{}
	// running counts delayed answers that are being sent.
	running sync.WaitGroup
}

// rule says what happens to requests whose subject, without the prefix, matches
// a pattern.
type rule struct {
	pattern []string
	answer  Answer
}

// Answer is what a [FakeAPI] does about one request. It runs on the goroutine
// that takes requests in, so it must not block.
type Answer func(*Call)

// Call is a request a [FakeAPI] is to answer.
type Call struct {
	Request
	// API is the subject without the prefix, such as CONSUMER.INFO.S.C.
	API string

	fake *FakeAPI
}

// StartFakeAPI answers requests to the given prefix (such as "FAKE", without the
// final dot) over nc until the test ends. nc should not be the connection under
// test.
func StartFakeAPI(t testing.TB, nc *nats.Conn, prefix string) *FakeAPI {
	t.Helper()
	f := &FakeAPI{t: t, nc: nc, prefix: prefix + ".", timers: make(map[*time.Timer]struct{})}
	f.On("STREAM.INFO.*", fakeStreamInfo)
	f.On("CONSUMER.CREATE.>", fakeConsumerInfo)
	f.On("CONSUMER.DURABLE.CREATE.*.*", fakeConsumerInfo)
	f.On("CONSUMER.INFO.*.*", fakeConsumerInfo)
	f.On("CONSUMER.DELETE.*.*", JSON(map[string]bool{"success": true}))
	sub, err := nc.Subscribe(f.prefix+">", f.handle)
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatalf("start fake API: %v", err)
	}
	t.Cleanup(func() { f.close(sub) })
	return f
}

// On sets what happens to requests whose subject without the prefix matches
// pattern, in which * and > work as they do in NATS subjects. Later calls go
// before earlier ones.
func (f *FakeAPI) On(pattern string, answer Answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, rule{strings.Split(pattern, "."), answer})
}

// OnPull is [FakeAPI.On] for all pull requests.
func (f *FakeAPI) OnPull(answer Answer) { f.On("CONSUMER.MSG.NEXT.*.*", answer) }

// Seen returns the requests that matched pattern so far, answered or not.
func (f *FakeAPI) Seen(pattern string) []Request {
	tokens := strings.Split(pattern, ".")
	return slices.DeleteFunc(f.rec.Requests(), func(r Request) bool {
		return !matches(tokens, strings.TrimPrefix(r.Subject, f.prefix))
	})
}

// Pulls returns the pull requests seen so far.
func (f *FakeAPI) Pulls() []Request { return f.Seen("CONSUMER.MSG.NEXT.*.*") }

func (f *FakeAPI) handle(msg *nats.Msg) {
	call := &Call{Request: f.rec.add(msg), API: strings.TrimPrefix(msg.Subject, f.prefix), fake: f}
	f.mu.Lock()
	answer := Ignore
	for _, r := range slices.Backward(f.rules) {
		if matches(r.pattern, call.API) {
			answer = r.answer
			break
		}
	}
	f.mu.Unlock()
	answer(call)
}

// after runs do when d has passed, unless the fake is closed before that.
func (f *FakeAPI) after(d time.Duration, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.running.Add(1)
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		defer f.running.Done()
		f.mu.Lock()
		delete(f.timers, timer)
		f.mu.Unlock()
		do()
	})
	f.timers[timer] = struct{}{}
}

func (f *FakeAPI) close(sub *nats.Subscription) {
	if err := sub.Unsubscribe(); err != nil && !f.nc.IsClosed() {
		f.t.Errorf("stop fake API: %v", err)
	}
	f.mu.Lock()
	f.closed = true
	for timer := range f.timers {
		if timer.Stop() {
			f.running.Done()
		}
	}
	f.mu.Unlock()
	f.running.Wait()
}

// send publishes an answer, if one is wanted. A connection that is closed at the
// end of a test has nobody left to disappoint.
func (f *FakeAPI) send(msg *nats.Msg) {
	if msg.Subject == "" {
		return
	}
	if err := f.nc.PublishMsg(msg); err != nil && !f.nc.IsClosed() {
		f.t.Errorf("fake API: answer to %s: %v", msg.Subject, err)
	}
}

// Reply answers with a body as it is.
func (c *Call) Reply(body []byte) {
	c.fake.send(&nats.Msg{Subject: c.Request.Reply, Data: body})
}

// Status answers with a status message, such as 409 "Leadership Change". Further
// headers come in pairs of name and value.
func (c *Call) Status(code int, description string, headers ...string) {
	hdr := nats.Header{"Status": {strconv.Itoa(code)}}
	if description != "" {
		hdr["Description"] = []string{description}
	}
	for pair := range slices.Chunk(headers, 2) {
		hdr[pair[0]] = []string{pair[1]}
	}
	c.fake.send(&nats.Msg{Subject: c.Request.Reply, Header: hdr})
}

// Forward hands the request to the real API, which answers the caller itself.
func (c *Call) Forward() {
	c.fake.send(&nats.Msg{Subject: realPrefix + c.API, Reply: c.Request.Reply, Header: c.Header, Data: c.Body})
}

// Ignore does nothing: the request is lost.
func Ignore(*Call) {}

// Forward hands requests to the real API.
func Forward(c *Call) { c.Forward() }

// Bytes answers with a body as it is, to be as broken as a test likes.
func Bytes(body []byte) Answer {
	return func(c *Call) { c.Reply(body) }
}

// JSON answers with v. It panics when v cannot be encoded.
func JSON(v any) Answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("fake answer: %v", err))
	}
	return Bytes(body)
}

// Error answers with an API error.
func Error(code, errCode int, description string) Answer {
	return JSON(map[string]any{"error": map[string]any{
		"code": code, "err_code": errCode, "description": description,
	}})
}

// Status answers with a status message, see [Call.Status].
func Status(code int, description string, headers ...string) Answer {
	return func(c *Call) { c.Status(code, description, headers...) }
}

// After does what answer does, d later. Requests taken in meanwhile are not held
// up by that.
func After(d time.Duration, answer Answer) Answer {
	return func(c *Call) { c.fake.after(d, func() { answer(c) }) }
}

// InTurn uses the first answer for the first request, the second for the second,
// and the last one for all that follow.
func InTurn(first Answer, rest ...Answer) Answer {
	var mu sync.Mutex
	answers := append([]Answer{first}, rest...)
	return func(c *Call) {
		mu.Lock()
		answer := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		mu.Unlock()
		answer(c)
	}
}

// fakeStreamInfo answers with an empty stream of the name that was asked for.
func fakeStreamInfo(c *Call) {
	stream := strings.TrimPrefix(c.API, "STREAM.INFO.")
	JSON(map[string]any{
		"type":    "io.nats.jetstream.api.v1.stream_info_response",
		"config":  map[string]any{"name": stream, "subjects": []string{stream}, "retention": "limits", "storage": "memory", "num_replicas": 1},
		"created": c.At.UTC(),
		"state":   map[string]any{"messages": 0, "bytes": 0, "first_seq": 0, "last_seq": 0, "consumer_count": 0},
		"ts":      c.At.UTC(),
	})(c)
}

// fakeConsumerInfo answers with a pull consumer of the configuration in the
// request, or one of the name in the subject.
func fakeConsumerInfo(c *Call) {
	var create struct {
		Stream string         `json:"stream_name"`
		Config map[string]any `json:"config"`
	}
	// Requests for information have no body, and the subject says it all.
	tokens := strings.Split(c.API, ".")
	if len(c.Body) > 0 {
		if err := json.Unmarshal(c.Body, &create); err != nil {
			Error(400, 10025, "invalid JSON")(c)
			return
		}
	}
	name, _ := create.Config["name"].(string)
	if name == "" {
		name, _ = create.Config["durable_name"].(string)
	}
	switch {
	case tokens[1] == "INFO":
		create.Stream, name = tokens[2], tokens[3]
	case create.Stream == "" && tokens[1] == "DURABLE":
		create.Stream = tokens[3]
	case create.Stream == "":
		create.Stream = tokens[2]
	}
	if name == "" {
		name = "fake"
	}
	if create.Config == nil {
		create.Config = map[string]any{"name": name, "durable_name": name, "ack_policy": "explicit", "deliver_policy": "all", "replay_policy": "instant"}
	}
	JSON(map[string]any{
		"type":        "io.nats.jetstream.api.v1.consumer_info_response",
		"stream_name": create.Stream,
		"name":        name,
		"config":      create.Config,
		"created":     c.At.UTC(),
		"delivered":   map[string]any{"consumer_seq": 0, "stream_seq": 0},
		"ack_floor":   map[string]any{"consumer_seq": 0, "stream_seq": 0},
		"ts":          c.At.UTC(),
	})(c)
}

// matches reports whether a subject matches a pattern given as tokens.
func matches(pattern []string, subject string) bool {
	tokens := strings.Split(subject, ".")
	for i, p := range pattern {
		if p == ">" {
			return len(tokens) > i
		}
		if i >= len(tokens) || (p != "*" && p != tokens[i]) {
			return false
		}
	}
	return len(tokens) == len(pattern)
}
