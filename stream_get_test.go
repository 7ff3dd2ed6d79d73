package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

func TestPurge(t *testing.T) {
	t.Parallel()
	js, nc := mgHandle(t)
	ctx := mgContext(t)
	for _, test := range []struct {
		name string
		opts []jetstream.StreamPurgeOpt
		want []uint64
	}{
		{"all", nil, nil},
		{"subject", []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject("FOO.2")}, []uint64{1, 3, 5, 7, 9}},
		{"sequence", []jetstream.StreamPurgeOpt{jetstream.WithPurgeSequence(5)}, []uint64{5, 6, 7, 8, 9, 10}},
		{"keep", []jetstream.StreamPurgeOpt{jetstream.WithPurgeKeep(3)}, []uint64{8, 9, 10}},
		{
			"subject and sequence",
			[]jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject("FOO.2"), jetstream.WithPurgeSequence(8)},
			[]uint64{1, 3, 5, 7, 8, 9, 10},
		},
		{
			"subject and keep",
			[]jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject("FOO.2"), jetstream.WithPurgeKeep(3)},
			[]uint64{1, 3, 5, 6, 7, 8, 9, 10},
		},
		{"option of the caller", []jetstream.StreamPurgeOpt{func(r *jetstream.StreamPurgeRequest) error { r.Keep = 1; return nil }}, []uint64{10}},
		{"zero sequence with keep", []jetstream.StreamPurgeOpt{jetstream.WithPurgeKeep(1), jetstream.WithPurgeSequence(0)}, []uint64{10}},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := mgStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"FOO.*"}})
			for i := range 10 {
				mgStore(t, nc, fmt.Sprintf("FOO.%d", i%2+1), "x")
			}
			mgOK(t, st.Purge(ctx, test.opts...))
			var left []uint64
			for seq := range uint64(10) {
				if _, err := st.GetMsg(ctx, seq+1); err == nil {
					left = append(left, seq+1)
				} else {
					mgSame(t, err, jetstream.ErrMsgNotFound)
				}
			}
			mgEqual(t, "what is left", left, test.want)
			mgOK(t, js.DeleteStream(ctx, "S"))
		})
	}
}

func TestPurgeRefusesSequenceWithKeep(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	st, err := js.Stream(mgContext(t), "S")
	mgOK(t, err)
	before := len(fake.Seen(">"))
	seq, keep := jetstream.WithPurgeSequence(5), jetstream.WithPurgeKeep(5)
	for _, opts := range [][]jetstream.StreamPurgeOpt{{seq, keep}, {keep, seq}} {
		err := st.Purge(mgExpired(t), opts...)
		mgIs(t, err, jetstream.ErrInvalidOption)
		mgEqual(t, "text", err.Error(), "nats: invalid jetstream option: both 'keep' and 'sequence' cannot be provided in purge request")
	}
	mgIs(t, st.Purge(mgContext(t), nil), jetstream.ErrInvalidOption)
	mgEqual(t, "number of requests", len(fake.Seen(">"))-before, 0)
}

// mgBothPaths runs a test with a stream that allows direct access and with one
// that does not.
func mgBothPaths(t *testing.T, test func(t *testing.T, nc *nats.Conn, st jetstream.Stream, direct bool)) {
	t.Helper()
	for name, direct := range map[string]bool{"api": false, "direct": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js, nc := mgHandle(t)
			st := mgStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"FOO.*"}, AllowDirect: direct})
			test(t, nc, st, direct)
		})
	}
}

func TestGetMsg(t *testing.T) {
	t.Parallel()
	mgBothPaths(t, func(t *testing.T, nc *nats.Conn, st jetstream.Stream, direct bool) {
		ctx := mgContext(t)
		before := time.Now().Add(-time.Second)
		mgStore(t, nc, "FOO.A", "one")
		mgStore(t, nc, "FOO.B", "two")
		mgStore(t, nc, "FOO.C", "three", "X-Nats-Test-Data", "test_data", "Multi", "a", "Multi", "b")
		mgStore(t, nc, "FOO.A", "")
		mgOK(t, st.DeleteMsg(ctx, 2))

		msg, err := st.GetMsg(context.Background(), 1)
		mgOK(t, err)
		mgEqual(t, "subject", msg.Subject, "FOO.A")
		mgEqual(t, "sequence", msg.Sequence, uint64(1))
		mgEqual(t, "data", string(msg.Data), "one")
		if msg.Time.Before(before) || msg.Time.Location() != time.UTC {
			t.Errorf("time is %v", msg.Time)
		}
		if !direct && msg.Header != nil {
			t.Errorf("headers of a message without any are %v", msg.Header)
		}
		msg, err = st.GetMsg(ctx, 1, jetstream.WithGetMsgSubject("*.C"))
		mgOK(t, err)
		mgEqual(t, "sequence", msg.Sequence, uint64(3))
		mgEqual(t, "header", msg.Header.Get("X-Nats-Test-Data"), "test_data")
		mgEqual(t, "header with two values", msg.Header.Values("Multi"), []string{"a", "b"})
		if !direct {
			mgEqual(t, "headers", msg.Header, nats.Header{"X-Nats-Test-Data": {"test_data"}, "Multi": {"a", "b"}})
		}
		msg, err = st.GetMsg(ctx, 4)
		mgOK(t, err)
		mgEqual(t, "data", len(msg.Data), 0)
		for _, seq := range []uint64{2, 5, 100} {
			_, err = st.GetMsg(ctx, seq)
			mgSame(t, err, jetstream.ErrMsgNotFound)
		}
		_, err = st.GetMsg(ctx, 1, jetstream.WithGetMsgSubject("FOO.X"))
		mgSame(t, err, jetstream.ErrMsgNotFound)
		_, err = st.GetMsg(ctx, 0)
		mgIs(t, err, jetstream.ErrBadRequest)
		_, err = st.GetMsg(ctx, 1, nil)
		mgIs(t, err, jetstream.ErrInvalidOption)
	})
}

func TestGetLastMsgForSubject(t *testing.T) {
	t.Parallel()
	mgBothPaths(t, func(t *testing.T, nc *nats.Conn, st jetstream.Stream, direct bool) {
		ctx := mgContext(t)
		for _, subject := range []string{"FOO.A", "FOO.B", "FOO.A", "FOO.C"} {
			mgStore(t, nc, subject, "x")
		}
		for subject, want := range map[string]uint64{"*.A": 3, "FOO.B": 2, ">": 4, "FOO.>": 4} {
			msg, err := st.GetLastMsgForSubject(context.Background(), subject)
			mgOK(t, err)
			mgEqual(t, subject, msg.Sequence, want)
		}
		_, err := st.GetLastMsgForSubject(ctx, "*.Z")
		mgSame(t, err, jetstream.ErrMsgNotFound)
		_, err = st.GetLastMsgForSubject(ctx, "")
		mgIs(t, err, jetstream.ErrBadRequest)
		if direct {
			mgEqual(t, "text", err.Error(), "nats: Empty Request")
			_, err = st.GetLastMsgForSubject(ctx, "a b")
			mgIs(t, err, nats.ErrBadSubject)
		}
	})
}

func TestRequestsForMessages(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	ctx := mgContext(t)
	found := jstest.Status(0, "", "Nats-Stream", "S", "Nats-Sequence", "7", "Nats-Subject", "foo", "Nats-Time-Stamp", "2024-01-01T00:00:00Z")
	fake.On("DIRECT.GET.>", found)
	fake.On("STREAM.MSG.GET.S", jstest.Bytes([]byte(`{"message":{"subject":"foo","seq":7}}`)))
	for _, direct := range []bool{false, true} {
		fake.On("STREAM.INFO.S", jstest.JSON(map[string]any{"config": map[string]any{"allow_direct": direct}}))
		st, err := js.Stream(ctx, "S")
		mgOK(t, err)
		for _, get := range []func() (*jetstream.RawStreamMsg, error){
			func() (*jetstream.RawStreamMsg, error) { return st.GetMsg(ctx, 7) },
			func() (*jetstream.RawStreamMsg, error) {
				return st.GetMsg(ctx, 7, jetstream.WithGetMsgSubject("foo"))
			},
			func() (*jetstream.RawStreamMsg, error) {
				return st.GetMsg(ctx, 0, jetstream.WithGetMsgSubject("foo"))
			},
			func() (*jetstream.RawStreamMsg, error) { return st.GetLastMsgForSubject(ctx, "foo.*") },
		} {
			msg, err := get()
			mgOK(t, err)
			mgEqual(t, "sequence", msg.Sequence, uint64(7))
		}
	}
	var got []string
	for _, r := range fake.Seen(">") {
		if !strings.Contains(r.Subject, "INFO") {
			got = append(got, strings.TrimPrefix(r.Subject, "FAKE.")+" "+string(r.Body))
		}
	}
	mgEqual(t, "requests", got, []string{
		`STREAM.MSG.GET.S {"seq":7}`,
		`STREAM.MSG.GET.S {"seq":7,"next_by_subj":"foo"}`,
		`STREAM.MSG.GET.S {"next_by_subj":"foo"}`,
		`STREAM.MSG.GET.S {"last_by_subj":"foo.*"}`,
		`DIRECT.GET.S {"seq":7}`,
		`DIRECT.GET.S {"seq":7,"next_by_subj":"foo"}`,
		`DIRECT.GET.S {"next_by_subj":"foo"}`,
		`DIRECT.GET.S.foo.* `,
	})
}

func TestDirectGetKeepsStoredMessageThatLooksLikeAStatus(t *testing.T) {
	t.Parallel()
	mgBothPaths(t, func(t *testing.T, nc *nats.Conn, st jetstream.Stream, _ bool) {
		// Core itself takes 503 without payload for nobody responding.
		for seq, status := range []string{"404", "503"} {
			mgStore(t, nc, "FOO.A", "", "Status", status, "Description", "mine")
			msg, err := st.GetMsg(mgContext(t), uint64(seq)+1)
			mgOK(t, err)
			mgEqual(t, "status", msg.Header.Get("Status"), status)
		}
	})
}

// B64
func TestDirectGetFallsBackOnceDirectAccessIsSwitchedOff(t *testing.T) {
	t.Parallel()
	var sent []string
	js, nc := mgHandle(t, jetstream.WithClientTrace(&jetstream.ClientTrace{
		RequestSent: func(subj string, _ []byte) { sent = append(sent, strings.TrimPrefix(subj, "$JS.API.")) },
	}))
	ctx := mgContext(t)
	cfg := jetstream.StreamConfig{Name: "S", Subjects: []string{"foo"}, AllowDirect: true, Storage: jetstream.MemoryStorage}
	st, err := js.CreateStream(ctx, cfg)
	mgOK(t, err)
	mgStore(t, nc, "foo", "x")
	cfg.AllowDirect = false
	_, err = js.UpdateStream(ctx, cfg)
	mgOK(t, err)
	sent = nil
	for range 2 {
		msg, err := st.GetMsg(ctx, 1)
		mgOK(t, err)
		mgEqual(t, "data", string(msg.Data), "x")
	}
	if st.CachedInfo().Config.AllowDirect {
		t.Error("the cache still says direct access is on")
	}
	_, err = st.GetLastMsgForSubject(ctx, "bar")
	mgSame(t, err, jetstream.ErrMsgNotFound)
	mgEqual(t, "requests", sent, []string{"DIRECT.GET.S", "STREAM.MSG.GET.S", "STREAM.INFO.S", "STREAM.MSG.GET.S", "STREAM.MSG.GET.S"})
}

func TestDirectGetFallsBackForLastMessageThatIsMissing(t *testing.T) {
	t.Parallel()
	js, _ := mgHandle(t)
	ctx := mgContext(t)
	cfg := jetstream.StreamConfig{Name: "S", Subjects: []string{"foo"}, AllowDirect: true}
	st, err := js.CreateStream(ctx, cfg)
	mgOK(t, err)
	cfg.AllowDirect = false
	_, err = js.UpdateStream(ctx, cfg)
	mgOK(t, err)
	_, err = st.GetLastMsgForSubject(ctx, "foo")
	mgSame(t, err, jetstream.ErrMsgNotFound)
	if st.CachedInfo().Config.AllowDirect {
		t.Error("the cache still says direct access is on")
	}
}

func TestDirectGetWithoutRespondersWhenLeaderIsSilent(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t, jetstream.WithDefaultTimeout(3*time.Second))
	fake.On("STREAM.INFO.S", jstest.Bytes([]byte(`{"config":{"allow_direct":true}}`)))
	st, err := js.Stream(mgContext(t), "S")
	mgOK(t, err)
	before := st.CachedInfo()
	fake.On("DIRECT.GET.S", jstest.Status(503, ""))
	// The leader's silence says less than that nobody responds to direct gets.
	_, err = st.GetMsg(context.Background(), 1)
	mgSame(t, err, nats.ErrNoResponders)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	fake.On("STREAM.MSG.GET.S", func(*jstest.Call) { cancel() })
	_, err = st.GetMsg(ctx, 1)
	mgSame(t, err, context.Canceled)
	fake.On("STREAM.MSG.GET.S", jstest.Error(404, 10059, "stream not found"))
	_, err = st.GetMsg(mgContext(t), 1)
	mgSame(t, err, nats.ErrNoResponders)
	if st.CachedInfo() != before {
		t.Error("the cache was replaced")
	}
}

func TestStoredMessageWithBrokenHeaders(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	st, err := js.Stream(mgContext(t), "S")
	mgOK(t, err)
	fake.On("STREAM.MSG.GET.S", jstest.JSON(map[string]any{"message": map[string]any{"seq": 1, "hdrs": []byte("nonsense")}}))
	_, err = st.GetMsg(mgContext(t), 1)
	mgSame(t, err, nats.ErrBadHeaderMsg)
}

func TestDirectGetReplies(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	ctx := mgContext(t)
	fake.On("STREAM.INFO.S", jstest.Bytes([]byte(`{"config":{"allow_direct":true}}`)))
	st, err := js.Stream(ctx, "S")
	mgOK(t, err)
	hdr := func(pairs ...string) []string { return pairs }
	for _, test := range []struct {
		status      int
		description string
		headers     []string
		want        string
		is          error
	}{
		{status: 404, description: "Message Not Found", is: jetstream.ErrMsgNotFound, want: jetstream.ErrMsgNotFound.Error()},
		{status: 408, description: "Bad Request", is: jetstream.ErrBadRequest, want: "nats: Bad Request"},
		{status: 412, description: "Required Api Level", want: "nats: Required Api Level"},
		{status: 500, want: "nats: unable to get message"},
		{headers: hdr("Nats-Sequence", "1"), want: "nats: missing stream header"},
		{headers: hdr("Nats-Stream", "S"), want: "nats: missing sequence header"},
		{
			headers: hdr("Nats-Stream", "S", "Nats-Sequence", "x"),
			want:    `nats: invalid sequence header 'x': strconv.ParseUint: parsing "x": invalid syntax`,
		},
		{headers: hdr("Nats-Stream", "S", "Nats-Sequence", "1"), want: "nats: missing timestamp header"},
		{
			headers: hdr("Nats-Stream", "S", "Nats-Sequence", "1", "Nats-Time-Stamp", "now"),
			want:    `nats: invalid timestamp header 'now': parsing time "now" as "2006-01-02T15:04:05.999999999Z07:00": cannot parse "now" as "2006"`,
		},
		{
			headers: hdr("Nats-Stream", "S", "Nats-Sequence", "1", "Nats-Time-Stamp", "2024-01-01T00:00:00Z"),
			want:    "nats: missing subject header",
		},
	} {
		fake.On("DIRECT.GET.S", jstest.Status(test.status, test.description, test.headers...))
		_, err := st.GetMsg(ctx, 1)
		if err == nil || err.Error() != test.want {
			t.Errorf("error is %v, want %s", err, test.want)
		}
		if test.is != nil {
			mgIs(t, err, test.is)
		}
	}
	fake.On("DIRECT.GET.S", jstest.Bytes([]byte("no headers")))
	_, err = st.GetMsg(ctx, 1)
	mgEqual(t, "text", err.Error(), "nats: response should have headers")
}

func TestDeleteMsg(t *testing.T) {
	t.Parallel()
	js, nc := mgHandle(t)
	ctx := mgContext(t)
	st := mgStream(t, js, jetstream.StreamConfig{Name: "foo", Subjects: []string{"FOO.*"}})
	recorded := jstest.RecordRequests(t, nc, "$JS.API.STREAM.MSG.DELETE.foo")
	for range 4 {
		mgStore(t, nc, "FOO.1", "x")
	}
	for i, del := range []func(context.Context, uint64) error{st.DeleteMsg, st.SecureDeleteMsg} {
		seq := uint64(i + 2)
		mgOK(t, del(context.Background(), seq))
		_, err := st.GetMsg(ctx, seq)
		mgSame(t, err, jetstream.ErrMsgNotFound)
		for _, gone := range []uint64{seq, 100} {
			err := del(ctx, gone)
			mgIs(t, err, jetstream.ErrMsgDeleteUnsuccessful)
		}
	}
	jstest.WaitFor(t, mgWait, "the requests to be seen", func() bool { return len(recorded.Requests()) == 6 })
	var bodies []string
	for _, r := range recorded.Requests() {
		bodies = append(bodies, string(r.Body))
	}
	mgEqual(t, "bodies", bodies, []string{
		`{"seq":2,"no_erase":true}`, `{"seq":2,"no_erase":true}`, `{"seq":100,"no_erase":true}`,
		`{"seq":3}`, `{"seq":3}`, `{"seq":100}`,
	})
}

// A68, B59
func TestFailedDeleteMsgKeepsTheServersError(t *testing.T) {
	t.Parallel()
	js, fake := mgFake(t)
	ctx := mgContext(t)
	st, err := js.Stream(ctx, "S")
	mgOK(t, err)
	for _, del := range []func(context.Context, uint64) error{st.DeleteMsg, st.SecureDeleteMsg} {
		fake.On("STREAM.MSG.DELETE.S", jstest.Error(400, 10043, "sequence 3 not found"))
		err := del(ctx, 3)
		mgIs(t, err, jetstream.ErrMsgDeleteUnsuccessful)
		var apiErr *jetstream.APIError
		if !errors.As(err, &apiErr) || apiErr.ErrorCode != 10043 {
			t.Errorf("API error in %v is %v", err, apiErr)
		}
		mgEqual(t, "text", err.Error(),
			"nats: message deletion unsuccessful: nats: API error: code=400 err_code=10043 description=sequence 3 not found")
		for _, reply := range []string{`{}`, `{"success":false}`, `null`} {
			fake.On("STREAM.MSG.DELETE.S", jstest.Bytes([]byte(reply)))
			err := del(ctx, 3)
			mgIs(t, err, jetstream.ErrMsgDeleteUnsuccessful)
			mgIs(t, err, jetstream.ErrInvalidJetStreamResponse)
		}
	}
}
