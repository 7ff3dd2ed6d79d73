package jstest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func TestFakeAPIAnswersManagementRequests(t *testing.T) {
	t.Parallel()
	s := StartServer(t)
	fake := StartFakeAPI(t, Connect(t, s), "FAKE")
	nc := Connect(t, s)

	for _, tc := range []struct{ subject, body, stream, name string }{
		{"CONSUMER.CREATE.S.C", `{"stream_name":"S","config":{"name":"C","max_batch":7}}`, "S", "C"},
		{"CONSUMER.CREATE.S.C.some.filter", `{"stream_name":"S","config":{"name":"C","filter_subject":"some.filter"}}`, "S", "C"},
		{"CONSUMER.DURABLE.CREATE.S.D", `{"stream_name":"S","config":{"durable_name":"D"}}`, "S", "D"},
		{"CONSUMER.INFO.S.C", "", "S", "C"},
	} {
		msg, err := nc.Request("FAKE."+tc.subject, []byte(tc.body), kitWait)
		if err != nil {
			t.Fatalf("%s: %v", tc.subject, err)
		}
		var info server.JSApiConsumerInfoResponse
		if err := json.Unmarshal(msg.Data, &info); err != nil {
			t.Fatalf("%s: %v", tc.subject, err)
		}
		if info.Error != nil || info.ConsumerInfo == nil || info.Stream != tc.stream || info.Name != tc.name {
			t.Errorf("%s: %s", tc.subject, msg.Data)
		}
	}
	if got := len(fake.Seen("CONSUMER.CREATE.>")); got != 2 {
		t.Errorf("%d create requests seen, want 2", got)
	}

	fake.On("STREAM.INFO.GONE", Error(404, 10059, "stream not found"))
	for name, want := range map[string]int{"THERE": 0, "GONE": 404} {
		msg, err := nc.Request("FAKE.STREAM.INFO."+name, nil, kitWait)
		if err != nil {
			t.Fatal(err)
		}
		var info server.JSApiStreamInfoResponse
		if err := json.Unmarshal(msg.Data, &info); err != nil {
			t.Fatal(err)
		}
		if want == 0 && (info.Error != nil || info.StreamInfo == nil || info.Config.Name != name) {
			t.Errorf("info of %s: %s", name, msg.Data)
		}
		if want != 0 && (info.Error == nil || info.Error.Code != want) {
			t.Errorf("info of %s: %s", name, msg.Data)
		}
	}
}

func TestFakeAPIIgnoresDelaysAndForwardsPulls(t *testing.T) {
	t.Parallel()
	s := StartServer(t)
	fake := StartFakeAPI(t, Connect(t, s), "FAKE")
	nc := Connect(t, s)
	createPull(t, nc, 1)
	if _, err := nc.Request("s", []byte("real"), kitWait); err != nil {
		t.Fatal(err)
	}
	fake.OnPull(InTurn(
		Ignore,
		Status(409, "Leadership Change", "Nats-Pending-Messages", "3"),
		After(100*time.Millisecond, Status(408, "Request Timeout")),
		Forward,
	))

	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	// next sends one pull request after another until one is answered.
	next := func() *nats.Msg {
		t.Helper()
		if err := nc.PublishRequest("FAKE.CONSUMER.MSG.NEXT.S.C", inbox, []byte(`{"batch":5,"expires":30000000000}`)); err != nil {
			t.Fatal(err)
		}
		msg, err := sub.NextMsg(5 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	if err := nc.PublishRequest("FAKE.CONSUMER.MSG.NEXT.S.C", inbox, nil); err != nil {
		t.Fatal(err)
	}
	if msg := next(); msg.Header.Get("Status") != "409" || msg.Header.Get("Nats-Pending-Messages") != "3" || msg.Subject != inbox {
		t.Fatalf("second pull: %v, %v", msg.Subject, msg.Header)
	}
	start := time.Now()
	if msg := next(); msg.Header.Get("Status") != "408" || time.Since(start) < 90*time.Millisecond {
		t.Fatalf("third pull: %v after %v", msg.Header, time.Since(start))
	}
	if msg := next(); string(msg.Data) != "real" || msg.Subject != "s" {
		t.Fatalf("fourth pull: %s on %s", msg.Data, msg.Subject)
	}

	pulls := fake.Pulls()
	if len(pulls) != 4 {
		t.Fatalf("%d pulls seen, want 4", len(pulls))
	}
	pull, err := pulls[3].Pull()
	if err != nil || pull.Batch != 5 || pull.Expires != 30*time.Second || pulls[3].Reply != inbox {
		t.Fatalf("recorded pull %+v to %s, %v", pull, pulls[3].Reply, err)
	}
}

func TestFakeAPIForgetsDelayedAnswersAtTheEnd(t *testing.T) {
	t.Parallel()
	s := StartServer(t)
	nc := Connect(t, s)
	t.Run("with an answer under way", func(t *testing.T) {
		fake := StartFakeAPI(t, Connect(t, s), "FAKE")
		fake.OnPull(After(time.Hour, Status(408, "Request Timeout")))
		if err := nc.PublishRequest("FAKE.CONSUMER.MSG.NEXT.S.C", nc.NewInbox(), nil); err != nil {
			t.Fatal(err)
		}
		WaitFor(t, kitWait, "the pull request", func() bool { return len(fake.Pulls()) == 1 })
	})
}

func TestRecorderSeesPullsOnTheirWayToTheServer(t *testing.T) {
	t.Parallel()
	s := StartServer(t)
	nc := Connect(t, s)
	createPull(t, nc, 1)
	rec := RecordPulls(t, Connect(t, s), "S", "C")
	for _, body := range []string{`{"batch":3,"no_wait":true}`, "", "2"} {
		if err := nc.PublishRequest(realPrefix+"CONSUMER.MSG.NEXT.S.C", nc.NewInbox(), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	rec.WaitN(t, 3, kitWait)
	pulls := rec.Pulls(t)
	if pulls[0] != (PullRequest{Batch: 3, NoWait: true}) || pulls[1].Batch != 1 || pulls[2].Batch != 2 {
		t.Fatalf("recorded %+v", pulls)
	}
	rec.Reset()
	if rec.Len() != 0 {
		t.Fatal("requests left after a reset")
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, subject string
		want             bool
	}{
		{"STREAM.INFO.*", "STREAM.INFO.S", true},
		{"STREAM.INFO.*", "STREAM.INFO", false},
		{"STREAM.INFO.*", "STREAM.INFO.S.x", false},
		{"CONSUMER.CREATE.>", "CONSUMER.CREATE.S", true},
		{"CONSUMER.CREATE.>", "CONSUMER.CREATE.S.C.a.b", true},
		{"CONSUMER.CREATE.>", "CONSUMER.CREATE", false},
		{"CONSUMER.MSG.NEXT.S.C", "CONSUMER.MSG.NEXT.S.D", false},
	} {
		if got := matches(strings.Split(tc.pattern, "."), tc.subject); got != tc.want {
			t.Errorf("matches(%q, %q) = %v", tc.pattern, tc.subject, got)
		}
	}
}
