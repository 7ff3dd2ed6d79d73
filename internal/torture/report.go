package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

// maxExamples is how many violations of one kind are written out.
const maxExamples = 5

// report collects what a run finds out. It is safe for concurrent use.
type report struct {
	mu       sync.Mutex
	figures  map[string]int
	problems map[string][]string
	counts   map[string]int // of problems
}

func newReport() *report {
	return &report{figures: make(map[string]int), problems: make(map[string][]string), counts: make(map[string]int)}
}

// count adds n to a figure.
func (r *report) count(figure string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.figures[figure] += n
}

// fail records a violation of what a checker holds.
func (r *report) fail(checker, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts[checker]++; r.counts[checker] <= maxExamples {
		r.problems[checker] = append(r.problems[checker], fmt.Sprintf(format, args...))
	}
}

// failAll records all violations a checker has found.
func (r *report) failAll(checker string, violations []string) {
	for _, v := range violations {
		r.fail(checker, "%s", v)
	}
}

// violations returns all that failed, one text for each checker.
func (r *report) violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, checker := range slices.Sorted(maps.Keys(r.problems)) {
		all = append(all, fmt.Sprintf("%s: %d violations, such as\n\t%s", checker, r.counts[checker], strings.Join(r.problems[checker], "\n\t")))
	}
	return all
}

// String returns the figures, one a line.
func (r *report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, figure := range slices.Sorted(maps.Keys(r.figures)) {
		fmt.Fprintf(&b, "%8d %s\n", r.figures[figure], figure)
	}
	return b.String()
}

// expectedErrors are those that faults bring about. Any other is a violation.
var expectedErrors = []error{
	jetstream.ErrConsumerDeleted, jetstream.ErrConsumerLeadershipChanged, jetstream.ErrServerShutdown,
	jetstream.ErrNoHeartbeat, jetstream.ErrConsumerNotFound, jetstream.ErrNoStreamResponse,
	jetstream.ErrAsyncPublishTimeout, jetstream.ErrTooManyStalledMsgs,
	nats.ErrNoResponders, nats.ErrTimeout, nats.ErrDisconnected, nats.ErrReconnectBufExceeded,
	context.DeadlineExceeded, context.Canceled,
}

// duplicateInProcess is the code with which the server refuses a message whose id
// is that of one whose storing is not complete.
const duplicateInProcess = 10158

// classify names an error for the figures, and says whether it is one that
// faults bring about.
func classify(err error) (name string, expected bool) {
	for _, want := range expectedErrors {
		if errors.Is(err, want) {
			return want.Error(), true
		}
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return "connection: " + network.Err.Error(), true
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		// What a server says that is without a leader or is about to go, and what
		// it says of a message that it was just about to store.
		return fmt.Sprintf("%d %s", api.ErrorCode, api.Description), api.Code == 503 || api.Code == 500 || api.ErrorCode == duplicateInProcess
	}
	return err.Error(), false
}

// definite reports whether a failed publish can have stored nothing.
func definite(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) || slices.ContainsFunc([]error{
		jetstream.ErrNoStreamResponse, jetstream.ErrTooManyStalledMsgs, nats.ErrNoResponders, nats.ErrReconnectBufExceeded,
	}, func(want error) bool { return errors.Is(err, want) })
}
