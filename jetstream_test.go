package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// mgHandle returns a handle on a server of its own.
func mgHandle(t *testing.T, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, *nats.Conn) {
	t.Helper()
	nc := jstest.Connect(t, jstest.StartServer(t))
	js, err := jetstream.New(nc, opts...)
	mgOK(t, err)
	return js, nc
}

// mgFake returns a handle whose requests go to a fake API.
func mgFake(t *testing.T, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, *jstest.FakeAPI) {
	t.Helper()
	s := jstest.StartServer(t)
	fake := jstest.StartFakeAPI(t, jstest.Connect(t, s), "FAKE")
	js, err := jetstream.NewWithAPIPrefix(jstest.Connect(t, s), "FAKE", opts...)
	mgOK(t, err)
	return js, fake
}

// mgConfigured starts a server with a configuration in the server's own format.
func mgConfigured(t *testing.T, conf string) *server.Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server.conf")
	mgOK(t, os.WriteFile(file, []byte(conf), 0o600))
	parsed, err := server.ProcessConfigFile(file)
	mgOK(t, err)
	return jstest.StartServer(t, func(o *server.Options) {
		parsed.Host, parsed.Port, parsed.StoreDir = o.Host, o.Port, o.StoreDir
		parsed.NoLog, parsed.NoSigs = true, true
		*o = *parsed
	})
}

// mgArrived returns how many requests a handle of mgFake has sent, as soon as all
// of them have arrived. Some may do so when their call is over.
func mgArrived(t *testing.T, js jetstream.JetStream, fake *jstest.FakeAPI) int {
	t.Helper()
	const mark = "ARRIVED"
	marks := len(fake.Seen(mark)) + 1
	mgOK(t, js.Conn().Publish("FAKE."+mark, nil))
	jstest.WaitFor(t, mgWait, "the requests to arrive", func() bool { return len(fake.Seen(mark)) == marks })
	return len(fake.Seen(">")) - marks
}

// mgWait is how long the tests of managing wait for what must happen.
const mgWait = 20 * time.Second

func mgContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// mgExpired returns a context that has run out.
func mgExpired(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	t.Cleanup(cancel)
	return ctx
}

func mgOK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func mgIs(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

// mgSame checks for the very error, as callers that compare with == see it.
func mgSame(t testing.TB, err, want error) {
	t.Helper()
	if err != want { // The identity is what is tested.
		t.Errorf("error is %v (%T), want %v itself", err, err, want)
	}
}

func mgEqual(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %+v, want %+v", what, got, want)
	}
}

// mgCode is what an API error is matched with by its code.
func mgCode(code jetstream.ErrorCode) error { return &jetstream.APIError{ErrorCode: code} }

// mgSubjects returns the subjects of requests.
func mgSubjects(requests []jstest.Request) []string {
	var subjects []string
	for _, r := range requests {
		subjects = append(subjects, r.Subject)
	}
	return subjects
}

func TestNewReportsBadArguments(t *testing.T) {
	t.Parallel()
	nc := jstest.Connect(t, jstest.StartServer(t))
	build := map[string]func(nc *nats.Conn, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, error){
		"New": jetstream.New,
		"NewWithAPIPrefix": func(nc *nats.Conn, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
			return jetstream.NewWithAPIPrefix(nc, "", opts...)
		},
		"NewWithDomain": func(nc *nats.Conn, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
			return jetstream.NewWithDomain(nc, "", opts...)
		},
	}
	for name, build := range build {
		js, err := build(nc, jetstream.WithPublishAsyncMaxPending(0))
		mgIs(t, err, jetstream.ErrInvalidOption)
		if js != nil {
			t.Errorf("%s returned a handle beside an error", name)
		}
		_, err = build(nc, jetstream.WithDefaultTimeout(0))
		mgIs(t, err, jetstream.ErrInvalidOption)
		_, err = build(nc, nil)
		mgIs(t, err, jetstream.ErrInvalidOption)
		_, err = build(nil)
		mgIs(t, err, nats.ErrInvalidConnection)
	}
	_, err := jetstream.NewWithAPIPrefix(nc, "")
	mgEqual(t, "text", err.Error(), "API prefix cannot be empty")
	_, err = jetstream.NewWithDomain(nc, "")
	mgEqual(t, "text", err.Error(), "domain cannot be empty")
}

func TestOptionsReportsACopy(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t, func(o *server.Options) { o.JetStreamDomain = "ABC" })
	nc := jstest.Connect(t, s)
	var sent []string
	trace := &jetstream.ClientTrace{RequestSent: func(subj string, _ []byte) { sent = append(sent, subj) }}
	js, err := jetstream.NewWithDomain(nc, "ABC", jetstream.WithClientTrace(trace))
	mgOK(t, err)
	if js.Conn() != nc {
		t.Error("Conn is another connection")
	}
	opts := js.Options()
	mgEqual(t, "domain", opts.Domain, "ABC")
	mgEqual(t, "prefix", opts.APIPrefix, "")
	mgEqual(t, "timeout", opts.DefaultTimeout, 5*time.Second)
	if opts.ClientTrace == trace {
		t.Error("the trace is not a copy")
	}
	opts.ClientTrace.RequestSent = nil
	opts.Domain = "XYZ"
	info, err := js.AccountInfo(mgContext(t))
	mgOK(t, err)
	mgEqual(t, "account's domain", info.Domain, "ABC")
	mgEqual(t, "requests", sent, []string{"$JS.ABC.API.INFO"})

	js, err = jetstream.NewWithAPIPrefix(nc, "main")
	mgOK(t, err)
	mgEqual(t, "prefix", js.Options().APIPrefix, "main")
}

func TestOptionThatAssignsPrefixDoesNotRedirectRequests(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t, func(o *jetstream.JetStreamOptions) error {
		o.APIPrefix = "elsewhere"
		return nil
	})
	mgEqual(t, "prefix", js.Options().APIPrefix, "elsewhere")
	_, err := js.AccountInfo(mgContext(t))
	mgOK(t, err)
}

func TestImportedAPIIsReachedUnderItsPrefix(t *testing.T) {
	t.Parallel()
	s := mgConfigured(t, `
		jetstream: enabled
		accounts: {
			OWNER: {
				jetstream: enabled
				users: [ {user: owner, password: x} ]
				exports: [ {service: "$JS.API.>"}, {service: "foo"} ]
			}
			USER: {
				users: [ {user: user, password: x} ]
				imports: [
					{service: {account: OWNER, subject: "$JS.API.>"}, to: "main.>"}
					{service: {account: OWNER, subject: "foo"}}
				]
			}
		}`)
	nc := jstest.Connect(t, s, nats.UserInfo("user", "x"))
	for _, prefix := range []string{"main", "main."} {
		js, err := jetstream.NewWithAPIPrefix(nc, prefix)
		mgOK(t, err)
		st, err := js.CreateStream(mgContext(t), jetstream.StreamConfig{Name: "TEST", Subjects: []string{"foo"}})
		mgOK(t, err)
		_, err = nc.Request("foo", []byte("hello"), mgWait)
		mgOK(t, err)
		msg, err := st.GetLastMsgForSubject(mgContext(t), "foo")
		mgOK(t, err)
		mgEqual(t, "data", string(msg.Data), "hello")
	}
}

func TestClientTraceSeesRequestAndResponse(t *testing.T) {
	t.Parallel()
	// Plain variables: the callbacks run on the calling goroutine.
	var sent, received [][]byte
	var subjects []string
	trace := &jetstream.ClientTrace{
		RequestSent: func(subj string, payload []byte) {
			subjects = append(subjects, subj)
			sent = append(sent, payload)
		},
		ResponseReceived: func(subj string, payload []byte, _ nats.Header) {
			subjects = append(subjects, subj)
			received = append(received, payload)
		},
	}
	js, _ := mgHandle(t, jetstream.WithClientTrace(trace))
	_, err := js.CreateStream(mgContext(t), jetstream.StreamConfig{Name: "foo", Subjects: []string{"FOO"}})
	mgOK(t, err)
	mgEqual(t, "subjects", subjects, []string{"$JS.API.STREAM.CREATE.foo", "$JS.API.STREAM.CREATE.foo"})
	if !bytes.Contains(sent[0], []byte(`"subjects":["FOO"]`)) || !bytes.Contains(received[0], []byte("stream_create_response")) {
		t.Errorf("payloads are %s and %s", sent, received)
	}

	subjects, sent, received = nil, nil, nil
	mgSame(t, js.DeleteStream(mgContext(t), "bar"), jetstream.ErrStreamNotFound)
	if len(sent) != 1 || sent[0] != nil || len(received) != 1 {
		t.Errorf("request without a body that fails: sent %q, received %q", sent, received)
	}
	subjects, sent, received = nil, nil, nil
	mgSame(t, js.DeleteStream(mgExpired(t), "bar"), context.DeadlineExceeded)
	if len(sent) != 1 || len(received) != 0 {
		t.Errorf("request with an expired context: sent %q, received %q", sent, received)
	}
}

func TestClientTraceSeesStatusOfDirectGet(t *testing.T) {
	t.Parallel()
	var hdr nats.Header
	js, _ := mgHandle(t, jetstream.WithClientTrace(&jetstream.ClientTrace{
		ResponseReceived: func(_ string, _ []byte, h nats.Header) { hdr = h },
	}))
	st, err := js.CreateStream(mgContext(t), jetstream.StreamConfig{Name: "S", AllowDirect: true})
	mgOK(t, err)
	_, err = st.GetMsg(mgContext(t), 9)
	mgSame(t, err, jetstream.ErrMsgNotFound)
	mgEqual(t, "status", hdr.Get("Status"), "404")
}

func TestAccountInfoReportsLimitsAndUsage(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	_, err := js.CreateStream(mgContext(t), jetstream.StreamConfig{Name: "S"})
	mgOK(t, err)
	info, err := js.AccountInfo(context.Background())
	mgOK(t, err)
	mgEqual(t, "streams", info.Streams, 1)
	mgEqual(t, "limits", info.Limits, jetstream.AccountLimits{
		MaxMemory: -1, MaxStore: -1, MaxStreams: -1, MaxConsumers: -1,
		MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1,
	})
	_, err = js.AccountInfo(mgExpired(t))
	mgSame(t, err, context.DeadlineExceeded)
}

func TestAccountInfoWithoutJetStreamForAccount(t *testing.T) {
	t.Parallel()
	s := mgConfigured(t, `
		jetstream: enabled
		no_auth_user: user
		accounts: {
			A: { jetstream: enabled }
			B: { users: [ {user: user, password: x} ] }
		}`)
	js, err := jetstream.New(jstest.Connect(t, s))
	mgOK(t, err)
	_, err = js.AccountInfo(mgContext(t))
	mgSame(t, err, jetstream.ErrJetStreamNotEnabledForAccount)
	mgEqual(t, "text", err.Error(), "nats: API error: code=503 err_code=10039 description=jetstream not enabled for account")
}

// A72
func TestServerWithoutJetStreamIsToldApart(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t, func(o *server.Options) { o.JetStream = false })
	js, err := jetstream.New(jstest.Connect(t, s))
	mgOK(t, err)
	ctx := mgContext(t)
	_, err = js.AccountInfo(ctx)
	mgSame(t, err, jetstream.ErrJetStreamNotEnabled)
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "S"})
	mgSame(t, err, nats.ErrNoResponders)
	_, err = js.Stream(ctx, "S")
	mgSame(t, err, nats.ErrNoResponders)
	_, err = js.Consumer(ctx, "S", "C")
	mgSame(t, err, nats.ErrNoResponders)
	l := js.StreamNames(ctx)
	for range l.Name() {
		t.Error("got a name")
	}
	mgSame(t, l.Err(), nats.ErrNoResponders)
}

// B67
func TestAccountInfoOutlastsAMomentWithoutResponders(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t, func(o *server.Options) { o.JetStream = false })
	responder := jstest.Connect(t, s)
	requests := 0
	// The first request finds nobody; its end is what makes somebody respond.
	trace := &jetstream.ClientTrace{RequestSent: func(string, []byte) {
		if requests++; requests == 2 {
			_, err := responder.Subscribe("$JS.API.INFO", func(m *nats.Msg) {
				if err := m.Respond([]byte(`{"streams":7}`)); err != nil {
					t.Error(err)
				}
			})
			mgOK(t, err)
			mgOK(t, responder.Flush())
		}
	}}
	js, err := jetstream.New(jstest.Connect(t, s), jetstream.WithClientTrace(trace))
	mgOK(t, err)
	info, err := js.AccountInfo(mgContext(t))
	mgOK(t, err)
	mgEqual(t, "streams", info.Streams, 7)
}

func TestAccountInfoDoesNotRetryBeyondItsContext(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t, func(o *server.Options) { o.JetStream = false })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	requests := 0
	js, err := jetstream.New(jstest.Connect(t, s), jetstream.WithClientTrace(&jetstream.ClientTrace{
		RequestSent: func(string, []byte) {
			if requests++; requests == 2 {
				cancel()
			}
		},
	}))
	mgOK(t, err)
	_, err = js.AccountInfo(ctx)
	// What the server said counts, not that there was no time to ask again.
	mgSame(t, err, jetstream.ErrJetStreamNotEnabled)
	mgEqual(t, "number of requests", requests, 2)
}

func TestAccountInfoAcceptsEmptyObject(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	fake.On("INFO", jstest.Bytes([]byte("{}")))
	info, err := js.AccountInfo(mgContext(t))
	mgOK(t, err)
	mgEqual(t, "info", *info, jetstream.AccountInfo{})
	fake.On("INFO", jstest.Error(503, 10076, "gone"))
	_, err = js.AccountInfo(mgContext(t))
	mgSame(t, err, jetstream.ErrJetStreamNotEnabled)
}

func TestErrorsOfCoreComeBackUnwrapped(t *testing.T) {
	t.Parallel()
	js, nc := mgHandle(t)
	nc.Close()
	_, err := js.Stream(mgContext(t), "S")
	mgSame(t, err, nats.ErrConnectionClosed)
	l := js.ListStreams(mgContext(t))
	for range l.Info() {
		t.Error("got a stream")
	}
	mgSame(t, l.Err(), nats.ErrConnectionClosed)
}

// B58
func TestMissingPermissionEndsTheRequest(t *testing.T) {
	t.Parallel()
	s := mgConfigured(t, `
		jetstream: enabled
		authorization: { users: [ {user: user, password: x, permissions: { publish: {deny: "$JS.API.STREAM.DELETE.S"} } } ] }`)
	errs := make(chan error, 1)
	nc := jstest.Connect(t, s, nats.UserInfo("user", "x"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { errs <- err }))
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(3*time.Second))
	mgOK(t, err)
	_, err = js.CreateStream(mgContext(t), jetstream.StreamConfig{Name: "S"})
	mgOK(t, err)
	err = js.DeleteStream(mgContext(t), "S")
	mgIs(t, err, nats.ErrPermissionViolation)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("only after its time: %v", err)
	}
	// The user's error handler is told as well.
	mgIs(t, <-errs, nats.ErrPermissionViolation)

	// A time-out of another request has nothing to do with it.
	_, err = js.ResetConsumer(context.Background(), "S", "nobody")
	mgSame(t, err, context.DeadlineExceeded)
}

// mgCalls are all methods that take a context, with arguments that are good.
func mgCalls(js jetstream.JetStream, st jetstream.Stream) map[string]func(ctx context.Context) error {
	cfg := jetstream.StreamConfig{Name: "S"}
	cons := jetstream.ConsumerConfig{Name: "C"}
	later := time.Now().Add(time.Hour)
	calls := map[string]func(ctx context.Context) error{
		"AccountInfo":          func(ctx context.Context) error { _, err := js.AccountInfo(ctx); return err },
		"CreateStream":         func(ctx context.Context) error { _, err := js.CreateStream(ctx, cfg); return err },
		"UpdateStream":         func(ctx context.Context) error { _, err := js.UpdateStream(ctx, cfg); return err },
		"CreateOrUpdateStream": func(ctx context.Context) error { _, err := js.CreateOrUpdateStream(ctx, cfg); return err },
		"Stream":               func(ctx context.Context) error { _, err := js.Stream(ctx, "S"); return err },
		"StreamNameBySubject":  func(ctx context.Context) error { _, err := js.StreamNameBySubject(ctx, "foo"); return err },
		"DeleteStream":         func(ctx context.Context) error { return js.DeleteStream(ctx, "S") },
		"js.CreateOrUpdateConsumer": func(ctx context.Context) error {
			_, err := js.CreateOrUpdateConsumer(ctx, "S", cons)
			return err
		},
		"js.CreateConsumer": func(ctx context.Context) error { _, err := js.CreateConsumer(ctx, "S", cons); return err },
		"js.UpdateConsumer": func(ctx context.Context) error { _, err := js.UpdateConsumer(ctx, "S", cons); return err },
		"js.Consumer":       func(ctx context.Context) error { _, err := js.Consumer(ctx, "S", "C"); return err },
		"js.DeleteConsumer": func(ctx context.Context) error { return js.DeleteConsumer(ctx, "S", "C") },
		"js.PauseConsumer":  func(ctx context.Context) error { _, err := js.PauseConsumer(ctx, "S", "C", later); return err },
		"js.ResumeConsumer": func(ctx context.Context) error { _, err := js.ResumeConsumer(ctx, "S", "C"); return err },
		"js.ResetConsumer":  func(ctx context.Context) error { _, err := js.ResetConsumer(ctx, "S", "C"); return err },
		"js.ResetConsumerToSequence": func(ctx context.Context) error {
			_, err := js.ResetConsumerToSequence(ctx, "S", "C", 1)
			return err
		},
		"ListStreams": func(ctx context.Context) error {
			l := js.ListStreams(ctx)
			for range l.Info() {
			}
			return l.Err()
		},
		"StreamNames": func(ctx context.Context) error {
			l := js.StreamNames(ctx)
			for range l.Name() {
			}
			return l.Err()
		},
		"Info":                   func(ctx context.Context) error { _, err := st.Info(ctx); return err },
		"Purge":                  func(ctx context.Context) error { return st.Purge(ctx) },
		"GetMsg":                 func(ctx context.Context) error { _, err := st.GetMsg(ctx, 1); return err },
		"GetLastMsgForSubject":   func(ctx context.Context) error { _, err := st.GetLastMsgForSubject(ctx, "foo"); return err },
		"DeleteMsg":              func(ctx context.Context) error { return st.DeleteMsg(ctx, 1) },
		"SecureDeleteMsg":        func(ctx context.Context) error { return st.SecureDeleteMsg(ctx, 1) },
		"CreateOrUpdateConsumer": func(ctx context.Context) error { _, err := st.CreateOrUpdateConsumer(ctx, cons); return err },
		"CreateConsumer":         func(ctx context.Context) error { _, err := st.CreateConsumer(ctx, cons); return err },
		"UpdateConsumer":         func(ctx context.Context) error { _, err := st.UpdateConsumer(ctx, cons); return err },
		"Consumer":               func(ctx context.Context) error { _, err := st.Consumer(ctx, "C"); return err },
		"DeleteConsumer":         func(ctx context.Context) error { return st.DeleteConsumer(ctx, "C") },
		"PauseConsumer":          func(ctx context.Context) error { _, err := st.PauseConsumer(ctx, "C", later); return err },
		"ResumeConsumer":         func(ctx context.Context) error { _, err := st.ResumeConsumer(ctx, "C"); return err },
		"ResetConsumer":          func(ctx context.Context) error { _, err := st.ResetConsumer(ctx, "C"); return err },
		"ResetConsumerToSequence": func(ctx context.Context) error {
			_, err := st.ResetConsumerToSequence(ctx, "C", 1)
			return err
		},
		"UnpinConsumer": func(ctx context.Context) error { return st.UnpinConsumer(ctx, "C", "g") },
		"ListConsumers": func(ctx context.Context) error {
			l := st.ListConsumers(ctx)
			for range l.Info() {
			}
			return l.Err()
		},
		"ConsumerNames": func(ctx context.Context) error {
			l := st.ConsumerNames(ctx)
			for range l.Name() {
			}
			return l.Err()
		},
	}
	return calls
}

// A69
func TestEveryRequestEndsWithItsContextOrTheDefaultTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Millisecond
	js, fake := mgFake(t, jetstream.WithDefaultTimeout(timeout))
	st, err := js.Stream(mgContext(t), "S")
	mgOK(t, err)
	cons, err := js.Consumer(mgContext(t), "S", "C")
	mgOK(t, err)
	fake.On(">", jstest.Ignore)
	calls := mgCalls(js, st)
	calls["Consumer.Info"] = func(ctx context.Context) error { _, err := cons.Info(ctx); return err }
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			mgSame(t, call(context.Background()), context.DeadlineExceeded)
			if took := time.Since(start); took < timeout {
				t.Errorf("default timeout after %v", took)
			}
			before := mgArrived(t, js, fake)
			mgSame(t, call(mgExpired(t)), context.DeadlineExceeded)
			canceled, cancel := context.WithCancel(context.Background())
			cancel()
			mgSame(t, call(canceled), context.Canceled)
			//nolint:staticcheck // It must be refused, not panic.
			mgIs(t, call(nil), nats.ErrInvalidContext)
			if sent := mgArrived(t, js, fake) - before; sent != 0 {
				t.Errorf("%d requests were sent for contexts that are no good", sent)
			}
			during, cancel := context.WithCancel(mgContext(t))
			defer cancel()
			fake.On(">", func(*jstest.Call) { cancel() })
			mgSame(t, call(during), context.Canceled)
			fake.On(">", jstest.Ignore)
		})
	}
}

// A22
func TestBrokenRepliesAreErrorsNotPanics(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	st, err := js.Stream(mgContext(t), "S")
	mgOK(t, err)
	calls := mgCalls(js, st)
	for _, reply := range []string{"", "garbage", `{"error":`, "[]", `"text"`, `{"total":"many"}`} {
		fake.On(">", jstest.Bytes([]byte(reply)))
		for name, call := range calls {
			// The answer to some of them has no total to be wrong about.
			if err := call(mgContext(t)); err == nil && !strings.Contains(reply, "total") {
				t.Errorf("%s takes reply %q for a success", name, reply)
			}
		}
	}
	for _, reply := range []string{"{}", "null", `{"type":"x"}`, `{"success":false}`, `{"error":null}`} {
		fake.On(">", jstest.Bytes([]byte(reply)))
		for _, call := range calls {
			// Whether that is an error depends on the call; see its own tests.
			_ = call(mgContext(t))
		}
	}
	fake.On(">", jstest.Bytes([]byte(`{"error":{"code":418,"err_code":4711,"description":"teapot"},"config":3,"total":"x"}`)))
	for name, call := range calls {
		if err := call(mgContext(t)); !errors.Is(err, mgCode(4711)) {
			t.Errorf("%s: the error of the reply must win, got %v", name, err)
		}
	}
}
