package jstest

import (
	"testing"
	"time"
)

// pollInterval is how often conditions are looked at.
const pollInterval = 5 * time.Millisecond

// WaitFor returns as soon as cond holds, and fails the test when it still does
// not after timeout. what completes the sentence "timed out waiting for ...".
// cond is called on the calling goroutine, every few milliseconds and once more
// at the end, and must not block.
func WaitFor(t testing.TB, timeout time.Duration, what string, cond func() bool) {
	t.Helper()
	if !poll(timeout, cond) {
		t.Fatalf("timed out after %v waiting for %s", timeout, what)
	}
}

// poll reports whether cond came to hold within timeout.
func poll(timeout time.Duration, cond func() bool) bool {
	if cond() {
		return true
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if cond() {
				return true
			}
		case <-deadline.C:
			return cond()
		}
	}
}
