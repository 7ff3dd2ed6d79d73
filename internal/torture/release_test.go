package torture

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
)

// quietSite returns a site on a server of the test's own without any workload.
func quietSite(t *testing.T) *site {
	t.Helper()
	s := &site{name: siteSingle, replicas: 1, report: newReport(), url: jstest.StartServer(t).ClientURL(), books: newBooks()}
	if err := s.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.admin.Close)
	return s
}

// wantFailed fails the test unless the report has violations whose text contains
// each of the given ones, and no others.
func wantFailed(t *testing.T, r *report, texts ...string) {
	t.Helper()
	all := strings.Join(r.violations(), "\n")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("no violation says %q: %s", text, all)
		}
	}
	if len(texts) == 0 && all != "" {
		t.Errorf("violations: %s", all)
	}
}

func TestCheckReleasedSeesWhatIsLeft(t *testing.T) {
	s := quietSite(t)
	if err := s.start(t.Context(), "idler", func(context.Context, *worker) {}); err != nil {
		t.Fatal(err)
	}
	w := s.workers[0]
	t.Cleanup(w.nc.Close)
	s.await(s.workers)
	s.checkReleased(0, 0)
	s.report.checkGoroutines(0)
	wantFailed(t, s.report)

	c, err := s.js.CreateConsumer(t.Context(), workStream, jetstream.ConsumerConfig{Name: "left"})
	if err != nil {
		t.Fatal(err)
	}
	cc, err := c.Consume(func(jetstream.Msg) {})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.nc.SubscribeSync("left"); err != nil {
			t.Fatal(err)
		}
	}
	s.checkReleased(0, 0)
	s.report.checkGoroutines(0)
	wantFailed(t, s.report, "subscriptions of idler: 2", "consumer left of WORK", "goroutines of the library")

	cc.Stop()
	<-cc.Closed()
	s.report = newReport()
	s.report.checkGoroutines(10 * time.Second)
	wantFailed(t, s.report)
}

func TestHangsAreSeen(t *testing.T) {
	s := quietSite(t)
	hold := make(chan struct{})
	if err := s.start(t.Context(), "sleeper", func(_ context.Context, w *worker) {
		<-hold
		_ = w.op(context.Background(), "doze", -opSlack, func(context.Context) error { return nil })
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.workers[0].nc.Close)
	s.awaitFor(s.workers, 0)
	wantFailed(t, s.report, "sleeper does not end")
	close(hold)
	s.await(s.workers)
	wantFailed(t, s.report, "sleeper does not end", "doze took")
}

func TestCheckHeapSeesWhatIsKept(t *testing.T) {
	r := newReport()
	before := heap()
	r.checkHeap(before)
	wantFailed(t, r)
	kept := make([]byte, maxGrowth+1<<20)
	r.checkHeap(before)
	wantFailed(t, r, "bytes more are in use")
	runtime.KeepAlive(kept)
}
