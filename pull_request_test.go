package jetstream

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// prBody is a pull request as the server's side of the protocol describes it.
type prBody struct {
	Expires       time.Duration `json:"expires,omitempty"`
	Batch         int           `json:"batch,omitempty"`
	MaxBytes      int           `json:"max_bytes,omitempty"`
	NoWait        bool          `json:"no_wait,omitempty"`
	Heartbeat     time.Duration `json:"idle_heartbeat,omitempty"`
	MinPending    int64         `json:"min_pending,omitempty"`
	MinAckPending int64         `json:"min_ack_pending,omitempty"`
	PinID         string        `json:"id,omitempty"`
	Group         string        `json:"group,omitempty"`
	Priority      uint8         `json:"priority,omitempty"`
}

func prBodyOf(r *pullRequest) prBody {
	return prBody{
		Expires: r.expires, Batch: r.batch, MaxBytes: r.maxBytes, NoWait: r.noWait, Heartbeat: r.heartbeat,
		MinPending: r.minPending, MinAckPending: r.minAckPending, PinID: r.pinID, Group: r.group, Priority: r.priority,
	}
}

// prMarshal renders v with encoding/json, without the escapes that are only of
// use within HTML.
func prMarshal(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestPullRequestBodyIsCompactAndInFieldOrder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		req  pullRequest
		want string
	}{
		{pullRequest{}, `{}`},
		{
			pullRequest{expires: 30 * time.Second, batch: 3, heartbeat: 5 * time.Second},
			`{"expires":30000000000,"batch":3,"idle_heartbeat":5000000000}`,
		},
		{
			pullRequest{expires: 30 * time.Second, batch: batchForBytes, maxBytes: 200, heartbeat: 5 * time.Second},
			`{"expires":30000000000,"batch":1000000,"max_bytes":200,"idle_heartbeat":5000000000}`,
		},
		{pullRequest{batch: 2, noWait: true}, `{"batch":2,"no_wait":true}`},
		{pullRequest{noWait: true}, `{"no_wait":true}`},
		{
			pullRequest{
				expires: time.Second, batch: 1, maxBytes: 1024, noWait: true, heartbeat: 500 * time.Millisecond,
				minPending: 4, minAckPending: 5, pinID: "abc", group: "A", priority: 9,
			},
			`{"expires":1000000000,"batch":1,"max_bytes":1024,"no_wait":true,"idle_heartbeat":500000000,` +
				`"min_pending":4,"min_ack_pending":5,"id":"abc","group":"A","priority":9}`,
		},
	} {
		if got := string(test.req.appendBody(nil)); got != test.want {
			t.Errorf("body is\n%s, want\n%s", got, test.want)
		}
	}
}

func TestPullRequestBodyEqualsThatOfEncodingJSON(t *testing.T) {
	t.Parallel()
	// Each value of each field, alone and together with all others.
	var reqs []pullRequest
	for mask := range 1 << 10 {
		var r pullRequest
		set := func(bit int, f func()) {
			if mask&(1<<bit) != 0 {
				f()
			}
		}
		set(0, func() { r.expires = 1500 * time.Millisecond })
		set(1, func() { r.batch = 500 })
		set(2, func() { r.maxBytes = 1 << 31 })
		set(3, func() { r.noWait = true })
		set(4, func() { r.heartbeat = 750 * time.Millisecond })
		set(5, func() { r.minPending = 1<<63 - 1 })
		set(6, func() { r.minAckPending = 12 })
		set(7, func() { r.pinID = "vP3oyAa6qmEVMmKfGVvB2w" })
		set(8, func() { r.group = "jobs" })
		set(9, func() { r.priority = 255 })
		reqs = append(reqs, r)
	}
	for _, r := range reqs {
		got, want := string(r.appendBody(nil)), prMarshal(t, prBodyOf(&r))
		if got != want {
			t.Errorf("body is\n%s, want\n%s", got, want)
		}
	}
}

func TestPullRequestBodyEqualsThatOfEncodingJSONForOddGroups(t *testing.T) {
	t.Parallel()
	for _, group := range []string{
		`"`, `\`, `\"`, `a"b\c/d`, "{}", `","batch":1,"x":"`, "a b", "<&>", "grün", "日本", "🙂", "\x7f", " ", "\u00a0", "\ufeff", "\ufffd",
	} {
		r := pullRequest{batch: 1, group: group, pinID: group}
		got, want := string(r.appendBody(nil)), prMarshal(t, prBodyOf(&r))
		if got != want {
			t.Errorf("group %q: body is\n%s, want\n%s", group, got, want)
		}
	}
	// encoding/json has more than one way to write these, so only the meaning is
	// compared.
	for c := range rune(' ') {
		r := pullRequest{batch: 1, group: "a" + string(c) + "b"}
		var got prBody
		if err := json.Unmarshal(r.appendBody(nil), &got); err != nil {
			t.Errorf("group %q: %v", r.group, err)
		} else if got != prBodyOf(&r) {
			t.Errorf("group %q comes back as %q", r.group, got.Group)
		}
	}
	for _, group := range []string{"\u2028", "\u2029"} {
		r := pullRequest{group: group}
		var got prBody
		if err := json.Unmarshal(r.appendBody(nil), &got); err != nil || got.Group != group {
			t.Errorf("group %q comes back as %q, %v", group, got.Group, err)
		}
	}
}

func TestPullRequestBodyIsAppended(t *testing.T) {
	t.Parallel()
	r := pullRequest{batch: 7, group: "g"}
	if got, want := string(r.appendBody([]byte("PUB x "))), `PUB x {"batch":7,"group":"g"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPullRequestBodyFitsTheBufferItIsWrittenTo(t *testing.T) {
	r := pullRequest{
		expires: 30 * time.Second, batch: 500, maxBytes: pullByteBudget, heartbeat: 15 * time.Second,
		pinID: "vP3oyAa6qmEVMmKfGVvB2w", group: "group",
	}
	b := make([]byte, 0, 160)
	if n := testing.AllocsPerRun(100, func() { b = r.appendBody(b[:0]) }); n != 0 {
		t.Errorf("rendering a request allocates %v times", n)
	}
}

func FuzzAppendJSONString(f *testing.F) {
	for _, s := range []string{"", "plain", `"`, `\`, "\x00\x01\x1f", "\b\f\n\r\t", "é", "\u2028", "🙂", "\xff", `\u0041`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendJSONString([]byte("x"), s)
		if b[0] != 'x' {
			t.Fatalf("%q: what was there is overwritten: %q", s, b)
		}
		if !json.Valid(b[1:]) {
			t.Fatalf("%q becomes %s, which is no JSON", s, b[1:])
		}
		var got string
		if err := json.Unmarshal(b[1:], &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if utf8.ValidString(s) && got != s {
			t.Fatalf("%q becomes %s, which is read as %q", s, b[1:], got)
		}
	})
}
