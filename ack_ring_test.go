package jetstream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAckTokenSurvivesSubject(t *testing.T) {
	t.Parallel()
	for _, tok := range []ackToken{0, 1, 61, 62, 62*62 - 1, 123456789, ackTokenCount - 1} {
		text := string(tok.appendTo(nil))
		if len(text) != ackTokenLen || strings.Trim(text, base62Digits) != "" {
			t.Errorf("token %d is written as %q", tok, text)
		}
		got, ok := parseAckToken("_INBOX.abcdef." + text)
		if !ok || got != tok {
			t.Errorf("%q is read as %d, %v, want %d", text, got, ok, tok)
		}
	}
	if got := (ackTokenCount - 1).next(); got != 0 {
		t.Errorf("token after the last is %d", got)
	}
}

func TestAckTokenRefusesOtherSubjects(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"", "abcde", "_INBOX.abc", "x.ab-def", "x.abcd\x00f", "x.äbcde"} {
		if tok, ok := parseAckToken(subject); ok {
			t.Errorf("%q is read as token %d", subject, tok)
		}
	}
}

func TestAckRingFindsPendingAcrossGrowth(t *testing.T) {
	t.Parallel()
	for _, start := range []ackToken{0, 7, 1 << 20, ackTokenCount - 40} {
		r := ackRing{last: start}
		var all []*pubFuture
		for range 100 {
			f := &pubFuture{}
			r.add(f)
			all = append(all, f)
		}
		if r.count != 100 || len(r.slots) != 128 {
			t.Fatalf("start %d: %d pending in %d slots", start, r.count, len(r.slots))
		}
		for i, f := range all {
			if r.get(f.token) != f {
				t.Fatalf("start %d: publish %d is lost", start, i)
			}
		}
		for _, f := range all {
			if !r.remove(f) || r.remove(f) || r.get(f.token) != nil {
				t.Fatalf("start %d: token %d is not removed exactly once", start, f.token)
			}
		}
		if r.count != 0 || r.all() != nil {
			t.Fatalf("start %d: %d pending after removal", start, r.count)
		}
	}
}

func TestAckRingStepsOverWhatStaysBehind(t *testing.T) {
	t.Parallel()
	var r ackRing
	var stuck []*pubFuture
	seen := make(map[ackToken]bool)
	for range 5 {
		f := &pubFuture{}
		r.add(f)
		stuck = append(stuck, f)
		seen[f.token] = true
	}
	for i := range 1000 {
		f := &pubFuture{}
		r.add(f)
		if seen[f.token] {
			t.Fatalf("publish %d gets token %d again", i, f.token)
		}
		seen[f.token] = true
		r.remove(f)
	}
	for _, f := range stuck {
		if r.get(f.token) != f {
			t.Fatalf("token %d is lost", f.token)
		}
	}
	if len(r.slots) != ackRingMinSize {
		t.Errorf("ring has grown to %d slots", len(r.slots))
	}
	if !slices.Equal(r.all(), stuck) {
		t.Error("pending publishes are not listed in order")
	}
}

func TestAckRingIgnoresTokenOfEarlierLap(t *testing.T) {
	t.Parallel()
	var r ackRing
	first := &pubFuture{}
	r.add(first)
	r.remove(first)
	for range ackRingMinSize {
		r.add(&pubFuture{})
	}
	if f := r.get(first.token); f != nil {
		t.Errorf("late answer to token %d finds token %d", first.token, f.token)
	}
	if r.remove(first) {
		t.Error("removed twice")
	}
}

func TestDueListOrdersByTime(t *testing.T) {
	t.Parallel()
	var l dueList
	futures := make(map[time.Duration]*pubFuture)
	for _, due := range []time.Duration{5, 2, 9, 1, 7, 3} {
		futures[due] = &pubFuture{}
		l.insert(futures[due], due)
	}
	same := &pubFuture{}
	l.insert(same, 5)
	l.remove(futures[1])
	l.remove(futures[7])
	l.remove(futures[9])
	l.remove(futures[9])
	if due, ok := l.earliest(); !ok || due != 2 {
		t.Errorf("earliest is %d, %v", due, ok)
	}
	if f := l.popDue(1); f != nil {
		t.Errorf("popped one due at %d", f.due)
	}
	for _, want := range []*pubFuture{futures[2], futures[3], futures[5], same, nil} {
		if got := l.popDue(100); got != want {
			t.Fatalf("popped %v, want %v", got, want)
		}
	}
	if _, ok := l.earliest(); ok || l.tail != nil {
		t.Error("list is not empty")
	}
}

func TestWaitQueueServesInOrder(t *testing.T) {
	t.Parallel()
	var q waitQueue
	ws := make([]*waiter, 6)
	for i := range ws {
		ws[i] = newWaiter(time.Hour)
		q.push(ws[i])
	}
	if q.pop() != ws[0] {
		t.Fatal("the first is not served first")
	}
	if !q.remove(ws[3]) || q.remove(ws[3]) || q.remove(ws[0]) {
		t.Fatal("removal does not tell who was waiting")
	}
	// Long enough to reuse the room in front.
	for range 20 {
		w := newWaiter(time.Hour)
		q.push(w)
		q.remove(w)
	}
	if q.pop() != ws[1] || q.pop() != ws[2] {
		t.Fatal("order is not kept")
	}
	if q.pop() != ws[4] || q.pop() != ws[5] || q.pop() != nil {
		t.Fatal("queue is not empty")
	}
	for _, w := range ws {
		w.recycle()
	}
}

func TestReplySubjectsMatchTokens(t *testing.T) {
	t.Parallel()
	s := &replySubjects{prefix: "_INBOX.abcdef."}
	tok := ackTokenCount - 20
	for range 60 {
		want := s.prefix + string(tok.appendTo(nil))
		if got := s.at(tok); got != want {
			t.Fatalf("reply for %d is %q, want %q", tok, got, want)
		}
		tok = tok.next()
	}
	if got := s.at(5); got != "_INBOX.abcdef.000005" {
		t.Errorf("reply after going back is %q", got)
	}
	if a := fmt.Sprint(randomAckToken()); a == fmt.Sprint(randomAckToken()) {
		t.Error("tokens are not random")
	}
}

func TestStartAckTimeoutSkipsWhatIsAnswered(t *testing.T) {
	t.Parallel()
	js := &jetStream{opts: JetStreamOptions{async: asyncOptions{ackTimeout: time.Hour}}}
	p := &js.async
	p.js = js
	answered, pending := &pubFuture{}, &pubFuture{}
	p.pending.add(answered)
	p.pending.add(pending)
	p.pending.remove(answered)
	p.startAckTimeout(answered)
	if p.awaiting.head != nil || p.timer != nil {
		t.Error("clock runs for what has been answered")
	}
	p.startAckTimeout(pending)
	if p.awaiting.head != pending || p.timer == nil || !p.timer.Stop() {
		t.Error("clock does not run")
	}
}

func FuzzParseAckToken(f *testing.F) {
	f.Add("_INBOX.abcdef.000001")
	f.Add("zzzzzz")
	f.Add("_INBOX.abcdef.00-001")
	f.Fuzz(func(t *testing.T, subject string) {
		tok, ok := parseAckToken(subject)
		if !ok {
			return
		}
		if tok >= ackTokenCount || !strings.HasSuffix(subject, string(tok.appendTo(nil))) {
			t.Fatalf("%q is read as %d", subject, tok)
		}
	})
}
