package torture

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/jetstream"
	"example.com/jetstream/internal/kvcheck"
)

// Config says what a run is.
type Config struct {
	Seed     uint64
	Duration time.Duration // of the faults and the workloads
	// Servers returns the arguments with which this binary calls [Serve] for a
	// site.
	Servers func(site string) []string
}

// maxGrowth is by how much the heap may be greater in the end.
const maxGrowth = 5 << 20

// Run tortures the library and fails t with what the checkers find.
func Run(t testing.TB, cfg Config) {
	r := newReport()
	before := heap()
	goroutines := runtime.NumGoroutine()
	err := r.run(cfg)
	r.checkHeap(before)
	if !poll(10*time.Second, func() bool { return runtime.NumGoroutine() <= goroutines }) {
		r.fail("nothing is left", "%d goroutines, %d at the start\n%s", runtime.NumGoroutine(), goroutines, stacks(""))
	}
	t.Logf("seed %d for %v:\n%s", cfg.Seed, cfg.Duration, r)
	for _, v := range r.violations() {
		t.Error(v)
	}
	if err != nil {
		t.Error(err)
	}
}

// heap returns the bytes on the heap that are in use.
func heap() uint64 {
	// Pools are emptied by the second collection, and finalizers free more.
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// checkHeap compares the heap with what it was. All that a run has recorded is
// garbage by now.
func (r *report) checkHeap(before uint64) {
	growth := int64(heap()) - int64(before)
	r.count("bytes the heap has grown by", int(growth))
	if growth > maxGrowth {
		r.fail("memory is given back", "%d bytes more are in use than at the start", growth)
	}
}

// run is Run without what is to be seen from outside.
func (r *report) run(cfg Config) error {
	errs := make(chan error)
	sites := []*site{
		{name: siteCluster, replicas: 3},
		{name: siteSingle, replicas: 1},
	}
	for _, s := range sites {
		s.seed, s.report, s.books = cfg.Seed, r, newBooks()
		go func() { errs <- s.torture(cfg) }()
	}
	var err error
	for range sites {
		err = errors.Join(err, <-errs)
	}
	// While the connections are open. Each that is listened to has a goroutine, so
	// listeners show as well.
	if err == nil {
		r.checkGoroutines(calmWait)
	}
	for _, s := range sites {
		err = errors.Join(err, s.close())
	}
	return err
}

// checkGoroutines holds that none of the library's are left.
func (r *report) checkGoroutines(limit time.Duration) {
	if !poll(limit, func() bool { return stacks(ownPackage) == "" }) {
		r.fail("nothing is left", "goroutines of the library:\n%s", stacks(ownPackage))
	}
}

// ownPackage begins the name of every function of the root package.
const ownPackage = "example.com/jetstream."

// close ends the connections and the servers.
func (s *site) close() error {
	for _, w := range s.workers {
		w.nc.Close()
	}
	if s.admin != nil {
		s.admin.Close()
	}
	if s.servers == nil {
		return nil
	}
	return s.servers.stop()
}

// torture is what a site goes through.
func (s *site) torture(cfg Config) (err error) {
	begun := time.Now()
	stage := func(name string) {
		s.report.count(s.name+" milliseconds to "+name, int(time.Since(begun).Milliseconds()))
		begun = time.Now()
	}
	if s.servers, err = startServers(cfg.Servers(s.name)...); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.url = strings.Join(s.servers.urls, ",")
	if err := s.prepare(context.Background()); err != nil {
		return fmt.Errorf("prepare %s: %w", s.name, err)
	}
	stage("start")
	produce, stopProducers := context.WithCancel(context.Background())
	defer stopProducers()
	consume, stopConsumers := context.WithCancel(context.Background())
	defer stopConsumers()
	if err := s.startConsumers(consume); err != nil {
		return err
	}
	consumers := len(s.workers)
	if err := s.startProducers(produce); err != nil {
		return err
	}
	if err := s.strikes(cfg); err != nil {
		return err
	}
	stage("strike and heal")
	s.calm.Store(true)
	stopProducers()
	s.await(s.workers[consumers:])
	stage("end the producers")
	truth, err := s.read()
	if err != nil {
		return err
	}
	s.catchUp(truth)
	stage("let consumers come to the end")
	stopConsumers()
	s.await(s.workers[:consumers])
	stage("end the consumers")
	s.check(truth)
	stage("check")
	s.checkReleased(calmWait, serverLate)
	stage("release all")
	return nil
}

// strikes carries out the schedule and leaves the servers as they should be.
func (s *site) strikes(cfg Config) error {
	plan := Draw(cfg.Seed, s.name, cfg.Duration, s.targets())
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Duration)
	defer cancel()
	begun := time.Now()
	errs := make(chan error, 2)
	for _, track := range [][]Fault{plan.Links, plan.Servers} {
		go func() { errs <- s.strike(ctx, track, begun) }()
	}
	err := errors.Join(<-errs, <-errs)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return s.heal()
}

// startConsumers starts all that reads.
func (s *site) startConsumers(ctx context.Context) (err error) {
	start := func(name string, f func(context.Context, *worker)) {
		err = errors.Join(err, s.start(ctx, name, f))
	}
	work := func(name string, confirms bool, f func(context.Context, *handler, jetstream.ConsumerConfig)) {
		cfg := s.durable(workStream, name)
		book := s.consumed[name]
		start(name, func(ctx context.Context, w *worker) {
			f(ctx, &handler{worker: w, book: book, confirms: confirms}, cfg)
		})
	}
	work("consume", false, func(ctx context.Context, h *handler, cfg jetstream.ConsumerConfig) { h.consume(ctx, cfg) })
	work("messages", true, func(ctx context.Context, h *handler, cfg jetstream.ConsumerConfig) { h.messages(ctx, cfg) })
	work("push", false, func(ctx context.Context, h *handler, cfg jetstream.ConsumerConfig) {
		cfg.DeliverSubject, cfg.FlowControl, cfg.IdleHeartbeat = "deliver", true, time.Second
		h.push(ctx, cfg)
	})
	work("deleted", false, func(ctx context.Context, h *handler, cfg jetstream.ConsumerConfig) { h.recreate(ctx, cfg) })
	s.consumed["deleted"].recreated = true
	work("fetch", true, func(ctx context.Context, h *handler, cfg jetstream.ConsumerConfig) { h.fetchAll(ctx, cfg) })
	purged := s.durable(purgeStream, "purged")
	start("purged", func(ctx context.Context, w *worker) {
		(&handler{worker: w, book: s.consumed["purged"]}).consume(ctx, purged)
	})

	for name, f := range map[string]func(*handler, context.Context){
		"consume": (*handler).consumeOrdered, "messages": (*handler).messagesOrdered, "fetch": (*handler).fetchOrdered,
	} {
		for _, stream := range []string{workStream, purgeStream} {
			name := "ordered " + name + " of " + stream
			book := &deliveryBook{stream: stream}
			s.ordered[name] = book
			start(name, func(ctx context.Context, w *worker) { f(w.orderedHandler(book), ctx) })
		}
	}
	start("glimpse", func(ctx context.Context, w *worker) { w.glimpse(ctx, workStream, s.published[workStream].last.Load) })

	for _, b := range []*watchBook{
		{name: "watch all", full: true, selects: func(revision) bool { return true }},
		{name: "watch one", full: true, selects: func(r revision) bool { return strings.HasSuffix(r.key, ".key1") }},
		{name: "watch on", selects: func(revision) bool { return true }},
	} {
		s.watched = append(s.watched, b)
		filter, opts := ">", []jetstream.WatchOpt{jetstream.IncludeHistory()}
		if b.name == "watch one" {
			filter = "*.key1"
		}
		if !b.full {
			opts = nil
		}
		start(b.name, func(ctx context.Context, w *worker) { w.watch(ctx, filter, b, opts...) })
	}
	start("list", func(ctx context.Context, w *worker) { w.list(ctx) })
	start("get objects", func(ctx context.Context, w *worker) { w.getObjects(ctx) })
	s.described = &watchBook{name: "watch objects"}
	start("watch objects", func(ctx context.Context, w *worker) { w.watchObjects(ctx, s.described) })
	return err
}

// startProducers starts all that writes.
func (s *site) startProducers(ctx context.Context) (err error) {
	start := func(name string, f func(context.Context, *worker), opts ...jetstream.JetStreamOpt) {
		err = errors.Join(err, s.start(ctx, name, f, opts...))
	}
	for stream, subject := range map[string]string{workStream: "work.", purgeStream: "purge."} {
		book := s.published[stream]
		start("publish "+stream, func(ctx context.Context, w *worker) { w.publishSync(ctx, subject+"sync", book) })
		start("publish async "+stream, func(ctx context.Context, w *worker) { w.publishAsync(ctx, subject+"async", book) },
			jetstream.WithPublishAsyncTimeout(ackTimeout), jetstream.WithPublishAsyncMaxPending(256))
	}
	var turn atomic.Int64
	begun := time.Now()
	for id := range racersCount {
		client := &kvcheck.Client{ID: id, Start: begun}
		s.racers = append(s.racers, client)
		start(fmt.Sprint("race ", id), func(ctx context.Context, w *worker) { w.race(ctx, &turn, client) })
	}
	for id := range objectWriters {
		start(fmt.Sprint("put objects ", id), func(ctx context.Context, w *worker) { w.putObjects(ctx, id) })
	}
	return err
}
