package jetstream

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// statusMsg returns what core makes of a status message with a header block.
func statusMsg(t *testing.T, block string) *nats.Msg {
	t.Helper()
	header, err := nats.DecodeHeadersMsg([]byte(block))
	if err != nil {
		t.Fatalf("%q: %v", block, err)
	}
	return &nats.Msg{Subject: "_INBOX.x", Header: header}
}

const statusPending = "Nats-Pending-Messages: 7\r\nNats-Pending-Bytes: 1024\r\n"

// The texts are those of the server.
func TestPullStatusCatalogue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		line string
		// want is the error, or its text when the status has no sentinel.
		want any
	}{
		{"100 Idle Heartbeat", nil},
		{"100", nil},
		{"400 Bad Request", ErrBadRequest},
		{"400 Bad Request - Priority Group missing", ErrBadRequest},
		{"404 No Messages", ErrNoMessages},
		{"408 Request Timeout", nats.ErrTimeout},
		{"408 Interest Expired", nats.ErrTimeout},
		{"408 Requests Pending", nats.ErrTimeout},
		{"409 Message Size Exceeds MaxBytes", ErrMaxBytesExceeded},
		{"409 message size exceeds maxbytes", ErrMaxBytesExceeded},
		{"409 Batch Completed", ErrBatchCompleted},
		{"409 BATCH COMPLETED", ErrBatchCompleted},
		{"409 Consumer Deleted", ErrConsumerDeleted},
		{"409 The consumer deleted itself", ErrConsumerDeleted},
		{"409 Leadership Change", ErrConsumerLeadershipChanged},
		{"409 Server Shutdown", ErrServerShutdown},
		{"409 Consumer is push based", ErrNotPullConsumer},
		{"409 Exceeded MaxRequestBatch of 10", "nats: Exceeded MaxRequestBatch of 10"},
		{"409 Exceeded MaxRequestExpires of 1s", "nats: Exceeded MaxRequestExpires of 1s"},
		{"409 Exceeded MaxRequestMaxBytes of 10", "nats: Exceeded MaxRequestMaxBytes of 10"},
		{"409 Exceeded MaxWaiting", "nats: Exceeded MaxWaiting"},
		{"409", `nats: unexpected status "409"`},
		{"412 Required Api Level", "nats: Required Api Level"},
		{"423 Nats-Pin-Id mismatch", ErrPinIDMismatch},
		{"423 Nats-Wrong-Pin-Id", ErrPinIDMismatch},
		{"503", nats.ErrNoResponders},
		{"503 Consumer Deleted", nats.ErrNoResponders},
		{"599 Consumer Deleted", "nats: Consumer Deleted"},
		{"777 Whatever", "nats: Whatever"},
		{"777", `nats: unexpected status "777"`},
		{"abc", `nats: unexpected status "abc"`},
	} {
		t.Run(tc.line, func(t *testing.T) {
			t.Parallel()
			m := statusMsg(t, "NATS/1.0 "+tc.line+"\r\n\r\n")
			if !isControl(m) {
				t.Fatal("not taken for a control message")
			}
			if got := isHeartbeat(m); got != (tc.want == nil) {
				t.Errorf("heartbeat: %v", got)
			}
			status := parsePullStatus(m)
			_, description, _ := strings.Cut(tc.line, " ")
			if status.description != description || status.malformed {
				t.Errorf("%+v", status)
			}
			if status.pendingMsgs != notCounted || status.pendingBytes != notCounted {
				t.Errorf("counts without headers: %+v", status)
			}
			if text, ok := tc.want.(string); ok {
				if status.err == nil || status.err.Error() != text {
					t.Errorf("error %q, want %q", status.err, text)
				}
				return
			}
			if want, _ := tc.want.(error); status.err != want {
				t.Errorf("error %v, want %v", status.err, want)
			}
		})
	}
}

func TestPullStatusCountsWhatARequestHadLeft(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, headers string
		msgs, bytes   int
	}{
		{"both", statusPending, 7, 1024},
		{"neither", "", notCounted, notCounted},
		{"messages only", "Nats-Pending-Messages: 7\r\n", 7, notCounted},
		{"bytes only", "Nats-Pending-Bytes: 7\r\n", notCounted, 7},
		{"empty", "Nats-Pending-Messages:\r\nNats-Pending-Bytes: \r\n", notCounted, notCounted},
		{"nothing left", "Nats-Pending-Messages: 0\r\nNats-Pending-Bytes: 0\r\n", 0, 0},
		{"less than nothing", "Nats-Pending-Messages: -1\r\nNats-Pending-Bytes: -5\r\n", 0, 0},
		{"names in another letter case", "nats-pending-messages: 7\r\n", notCounted, notCounted},
		{"unbounded", fmt.Sprintf("Nats-Pending-Messages: 1\r\nNats-Pending-Bytes: %d\r\n", math.MaxInt), 1, math.MaxInt},
		{"repeated", statusPending + "Nats-Pending-Messages: 8\r\n", 7, 1024},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			status := parsePullStatus(statusMsg(t, "NATS/1.0 408 Request Timeout\r\n"+tc.headers+"\r\n"))
			if status.err != nats.ErrTimeout || status.malformed {
				t.Errorf("%+v", status)
			}
			if status.pendingMsgs != tc.msgs || status.pendingBytes != tc.bytes {
				t.Errorf("%d messages and %d bytes, want %d and %d", status.pendingMsgs, status.pendingBytes, tc.msgs, tc.bytes)
			}
		})
	}
}

func TestPullStatusWithMalformedCounts(t *testing.T) {
	t.Parallel()
	const (
		messages = "nats: invalid format of Nats-Pending-Messages"
		bytes    = "nats: invalid format of Nats-Pending-Bytes"
	)
	for _, tc := range []struct{ headers, want string }{
		{"Nats-Pending-Messages: x\r\n", messages},
		{"Nats-Pending-Messages: 1.5\r\nNats-Pending-Bytes: 1\r\n", messages},
		{"Nats-Pending-Messages: x\r\nNats-Pending-Bytes: y\r\n", messages},
		{"Nats-Pending-Messages: 9223372036854775808\r\n", messages},
		{"Nats-Pending-Bytes: 1 \r\n", bytes},
		{"Nats-Pending-Messages: 1\r\nNats-Pending-Bytes: 0x1\r\n", bytes},
	} {
		status := parsePullStatus(statusMsg(t, "NATS/1.0 408 Request Timeout\r\n"+tc.headers+"\r\n"))
		if status.err == nil || status.err.Error() != tc.want || !status.malformed {
			t.Errorf("%q: %+v, want the error %q", tc.headers, status, tc.want)
		}
	}
	// A heartbeat counts nothing, whatever it carries.
	status := parsePullStatus(statusMsg(t, "NATS/1.0 100 Idle Heartbeat\r\nNats-Pending-Messages: x\r\n\r\n"))
	if status.err != nil || status.malformed {
		t.Errorf("heartbeat: %+v", status)
	}
}

func TestControlMessagesAreToldFromThoseOfTheStream(t *testing.T) {
	t.Parallel()
	status := nats.Header{"Status": {"409"}, "Description": {"Consumer Deleted"}}
	for _, tc := range []struct {
		name string
		msg  nats.Msg
		want bool
	}{
		{"status of the server", nats.Msg{Header: status}, true},
		{"publisher's own Status header", nats.Msg{Reply: ackShortReply, Header: status}, false},
		{"publisher's own Status header and payload", nats.Msg{Reply: ackShortReply, Header: status, Data: []byte("x")}, false},
		{"Status header, payload and no reply", nats.Msg{Header: status, Data: []byte("x")}, false},
		{"empty message", nats.Msg{Reply: ackShortReply}, false},
		{"empty message without reply", nats.Msg{}, false},
		{"headers without Status", nats.Msg{Header: nats.Header{"Description": {"x"}}}, false},
		{"empty Status", nats.Msg{Header: nats.Header{"Status": {""}}}, false},
		{"Status without values", nats.Msg{Header: nats.Header{"Status": nil}}, false},
		{"status in lower case", nats.Msg{Header: nats.Header{"status": {"409"}}}, false},
	} {
		if got := isControl(&tc.msg); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// A70
func TestHeadersThatDoNotDecodeNeverBecomeAStatus(t *testing.T) {
	t.Parallel()
	// Core hands such a message on without headers.
	for _, block := range []string{"", "NATS/1.0", "NATS/1.0\r\n", "NATS/1.0 4\r\n\r\n", "HTTP/1.1 409 Consumer Deleted\r\n\r\n", "NATS/1.0 409\r\nno colon\r\n\r\n"} {
		header, err := nats.DecodeHeadersMsg([]byte(block))
		if err == nil {
			t.Errorf("%q decodes", block)
		}
		if isControl(&nats.Msg{Header: header}) {
			t.Errorf("%q is taken for a control message", block)
		}
	}
}

func FuzzPullStatus(f *testing.F) {
	for _, line := range []string{"", " 100 Idle Heartbeat", " 408 Request Timeout", " 409 Batch Completed", " 423 Nats-Wrong-Pin-Id", " 503", " 777 x"} {
		f.Add([]byte("NATS/1.0" + line + "\r\n" + statusPending + "\r\n"))
	}
	f.Add([]byte("NATS/1.0\r\nStatus: 409\r\nDescription: Consumer Deleted\r\nNats-Pending-Messages: -1\r\n\r\n"))
	f.Add([]byte("NATS/1.0 408\r\nNats-Pending-Bytes: 99999999999999999999\r\n\r\n"))
	f.Fuzz(func(t *testing.T, block []byte) {
		header, err := nats.DecodeHeadersMsg(block)
		if err != nil {
			return
		}
		m := &nats.Msg{Header: header}
		if got, want := isControl(m), header.Get("Status") != ""; got != want {
			t.Fatalf("control %v, want %v", got, want)
		}
		status := parsePullStatus(m)
		if status.err != nil && !strings.HasPrefix(status.err.Error(), "nats: ") {
			t.Fatalf("error %q", status.err)
		}
		switch {
		case isHeartbeat(m):
			if status.err != nil || status.malformed || status.pendingMsgs != notCounted || status.pendingBytes != notCounted {
				t.Fatalf("heartbeat: %+v", status)
			}
			return
		case status.err == nil:
			t.Fatal("a status that is no heartbeat has no error")
		case status.malformed:
			if errors.Is(status.err, nats.ErrTimeout) || !strings.Contains(status.err.Error(), "invalid format of Nats-Pending-") {
				t.Fatalf("malformed: %v", status.err)
			}
			return
		}
		statusFuzzCount(t, header, "Nats-Pending-Messages", status.pendingMsgs)
		statusFuzzCount(t, header, "Nats-Pending-Bytes", status.pendingBytes)
	})
}

// statusFuzzCount checks a count against the header it comes from.
func statusFuzzCount(t *testing.T, header nats.Header, name string, got int) {
	t.Helper()
	text := header.Get(name)
	if text == "" {
		if got != notCounted {
			t.Fatalf("%s is absent, but counts %d", name, got)
		}
		return
	}
	want, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s %q is no number, but accepted", name, text)
	}
	if got != max(want, 0) {
		t.Fatalf("%s %q counts %d", name, text, got)
	}
}
