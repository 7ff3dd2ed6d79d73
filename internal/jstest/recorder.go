package jstest

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Request is a JetStream API request that was seen on its way to the server.
type Request struct {
	Subject string // the full subject
	Reply   string // where the answer is expected
	Header  nats.Header
	Body    []byte
	At      time.Time // when it was seen
}

// PullRequest is the body of a pull request (CONSUMER.MSG.NEXT). A field is zero
// when it is absent.
type PullRequest struct {
	Batch         int           `json:"batch"`
	MaxBytes      int           `json:"max_bytes"`
	Expires       time.Duration `json:"expires"`
	NoWait        bool          `json:"no_wait"`
	IdleHeartbeat time.Duration `json:"idle_heartbeat"`
	MinPending    int64         `json:"min_pending"`
	MinAckPending int64         `json:"min_ack_pending"`
	ID            string        `json:"id"`
	Group         string        `json:"group"`
	Priority      uint8         `json:"priority"`
}

// Pull decodes the body of a pull request. The server also takes a bare number
// or nothing at all, which come out as the batch size they mean.
func (r Request) Pull() (PullRequest, error) {
	var pull PullRequest
	if len(r.Body) == 0 {
		return PullRequest{Batch: 1}, nil
	}
	if r.Body[0] != '{' {
		err := json.Unmarshal(r.Body, &pull.Batch)
		return pull, err
	}
	err := json.Unmarshal(r.Body, &pull)
	return pull, err
}

// Recorder keeps the requests that were seen, in order. Its methods are safe for
// concurrent use.
type Recorder struct {
	mu       sync.Mutex
	requests []Request
}

// RecordRequests looks on as requests to a subject, which may have wildcards, go
// to a real server, until the test ends. Requests reach the server as they would
// without. nc should not be the connection under test.
func RecordRequests(t testing.TB, nc *nats.Conn, subject string) *Recorder {
	t.Helper()
	r := new(Recorder)
	sub, err := nc.Subscribe(subject, func(msg *nats.Msg) { r.add(msg) })
	if err == nil {
		// The test may use other connections, which know nothing of the order
		// of this one.
		err = nc.Flush()
	}
	if err != nil {
		t.Fatalf("record %s: %v", subject, err)
	}
	t.Cleanup(func() {
		if err := sub.Unsubscribe(); err != nil && !nc.IsClosed() {
			t.Errorf("stop recording %s: %v", subject, err)
		}
	})
	return r
}

// RecordPulls is [RecordRequests] for the pull requests of one consumer.
func RecordPulls(t testing.TB, nc *nats.Conn, stream, consumer string) *Recorder {
	t.Helper()
	return RecordRequests(t, nc, realPrefix+"CONSUMER.MSG.NEXT."+stream+"."+consumer)
}

func (r *Recorder) add(msg *nats.Msg) Request {
	req := Request{Subject: msg.Subject, Reply: msg.Reply, Header: msg.Header, Body: msg.Data, At: time.Now()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, req)
	return req
}

// Requests returns what was seen so far.
func (r *Recorder) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Len returns how many requests were seen so far.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

// Reset forgets what was seen so far.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

// Pulls returns the decoded bodies of all requests seen, and fails the test when
// one is not a pull request.
func (r *Recorder) Pulls(t testing.TB) []PullRequest {
	t.Helper()
	var pulls []PullRequest
	for _, req := range r.Requests() {
		pull, err := req.Pull()
		if err != nil {
			t.Fatalf("pull request %q: %v", req.Body, err)
		}
		pulls = append(pulls, pull)
	}
	return pulls
}

// WaitN waits until at least n requests were seen and returns the first n.
func (r *Recorder) WaitN(t testing.TB, n int, timeout time.Duration) []Request {
	t.Helper()
	WaitFor(t, timeout, "requests to be seen", func() bool { return r.Len() >= n })
	return r.Requests()[:n]
}
