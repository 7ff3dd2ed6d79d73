package torture

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream"
)

// What a site has.
const (
	workStream  = "WORK"
	purgeStream = "PURGE" // the only one that is purged
	bucket      = "bucket"
	bucketOf    = "KV_" + bucket
	objects     = "objects"
	objectsOf   = "OBJ_" + objects

	// ackWait is that of all consumers.
	ackWait = 2 * time.Second

	// dedupWindow is longer than any run, so that a message can be published
	// again at any time.
	dedupWindow = time.Hour

	// inactivity is after how long the server removes what ordered consumers
	// leave behind. Faults can last longer.
	inactivity = 3 * time.Second

	// calmWait bounds what must come to an end once there are no more faults.
	calmWait = 60 * time.Second

	// opSlack is how much longer than its context an operation may take. Core
	// holds its lock while it redials, for up to 2 s at a time if the server says
	// nothing, and whatever calls core waits for that. Some operations make several
	// calls.
	opSlack = 12 * time.Second
)

// site is one set of servers with streams, workloads and faults of its own.
type site struct {
	name     string
	seed     uint64
	replicas int
	report   *report
	servers  *servers
	url      string
	admin    *nats.Conn // past no fault either
	js       jetstream.JetStream

	// calm: there are no more faults and handlers are to behave.
	calm atomic.Bool
	// purged is the sequence below which messages of purgeStream may be gone.
	purged atomic.Uint64

	mu      sync.Mutex
	workers []*worker

	books
}

// worker is a goroutine with a connection of its own.
type worker struct {
	*site
	name string
	nc   *nats.Conn
	js   jetstream.JetStream
	rnd  *rand.Rand
	done chan struct{}
}

// targets says what faults can hit.
func (s *site) targets() Targets {
	return Targets{
		Nodes:   len(s.servers.urls),
		Streams: []string{workStream, purgeStream, bucketOf, objectsOf},
		Consumers: [][2]string{
			{workStream, "consume"}, {workStream, "messages"}, {workStream, "fetch"}, {workStream, "push"}, {purgeStream, "purged"},
		},
		Deletable: [][2]string{{workStream, "deleted"}},
		Ephemeral: []string{workStream, purgeStream, bucketOf, objectsOf},
		Purgeable: []string{purgeStream},
	}
}

// prepare makes the streams and buckets.
func (s *site) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, calmWait)
	defer cancel()
	nc, err := s.connect("admin")
	if err != nil {
		return err
	}
	s.admin = nc
	if s.js, err = jetstream.New(nc); err != nil {
		return err
	}
	for stream, subjects := range map[string]string{workStream: "work.>", purgeStream: "purge.>"} {
		if _, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: stream, Subjects: []string{subjects}, Replicas: s.replicas, Duplicates: dedupWindow,
		}); err != nil {
			return err
		}
	}
	if _, err = s.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, History: jetstream.KeyValueMaxHistory, Replicas: s.replicas}); err != nil {
		return err
	}
	_, err = s.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: objects, Replicas: s.replicas})
	return err
}

// connect opens a connection that bears with everything. Half of them look for a
// dead link every second, the others never notice.
func (s *site) connect(name string) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond),
		nats.ReconnectJitter(20*time.Millisecond, 0), nats.Timeout(time.Second),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				s.report.fail("nothing dropped", "%s %s: %v on %s", s.name, name, err, sub.Subject)
			}
			name, _ := classify(err)
			s.report.count(s.name+" connection error: "+name, 1)
		}),
	}
	if crc32.ChecksumIEEE([]byte(name))%2 == 0 {
		opts = append(opts, nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2))
	}
	var nc *nats.Conn
	var err error
	// The timeout is for dead links. Servers that are up may take longer for the
	// first connection, too, if everybody else wants theirs at that moment.
	poll(calmWait, func() bool {
		nc, err = nats.Connect(s.url, opts...)
		return err == nil
	})
	return nc, err
}

// start runs f on a goroutine and a connection of its own. f ends with ctx, and
// reports the connection's subscriptions when it has.
func (s *site) start(ctx context.Context, name string, f func(context.Context, *worker), opts ...jetstream.JetStreamOpt) error {
	nc, err := s.connect(name)
	if err != nil {
		return fmt.Errorf("connect %s: %w", name, err)
	}
	js, err := jetstream.New(nc, opts...)
	if err != nil {
		return err
	}
	w := &worker{site: s, name: name, nc: nc, js: js, done: make(chan struct{})}
	w.rnd = rand.New(&sharedSource{src: rand.NewPCG(s.seed, uint64(crc32.ChecksumIEEE([]byte(s.name+name))))})
	s.mu.Lock()
	s.workers = append(s.workers, w)
	s.mu.Unlock()
	go func() {
		defer close(w.done)
		f(ctx, w)
	}()
	return nil
}

// sharedSource is a source of random numbers for a worker's goroutine and those
// that call its handlers.
type sharedSource struct {
	mu  sync.Mutex
	src rand.Source
}

func (s *sharedSource) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.src.Uint64()
}

// await waits for all workers to end. One that does not is a violation.
func (s *site) await(workers []*worker) { s.awaitFor(workers, calmWait) }

func (s *site) awaitFor(workers []*worker, limit time.Duration) {
	deadline := time.After(limit)
	for _, w := range workers {
		select {
		case <-w.done:
		case <-deadline:
			s.report.fail("nothing hangs", "%s %s does not end\n%s", s.name, w.name, stacks("torture"))
			return
		}
	}
}

// stacks returns the stacks of the goroutines in which some text occurs.
func stacks(text string) string {
	buf := make([]byte, 8<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	return strings.Join(slices.DeleteFunc(all, func(stack string) bool { return !strings.Contains(stack, text) }), "\n\n")
}

// op does something that is bounded by a context, counts it, and sees that the
// bound is kept.
func (w *worker) op(ctx context.Context, what string, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begun := time.Now()
	err := f(ctx)
	if took := time.Since(begun); took > limit+opSlack {
		w.report.fail("nothing hangs", "%s %s: %s took %v, its context %v: %v", w.site.name, w.name, what, took, limit, err)
	}
	w.report.count(w.site.name+" "+what, 1)
	if err != nil {
		name, _ := classify(err)
		w.report.count(w.site.name+" "+what+" failed: "+name, 1)
	}
	return err
}

// told takes in an error that a workload was told of by a handler or a call that
// is not bounded by a context.
func (w *worker) told(what string, err error) {
	name, expected := classify(err)
	w.report.count(w.site.name+" "+what+" reported: "+name, 1)
	if !expected {
		w.report.fail("errors are those of the faults", "%s %s: %v", w.site.name, w.name, err)
	}
}

// pause waits for about so long, or until ctx ends.
func (w *worker) pause(ctx context.Context, about time.Duration) {
	sleep(ctx, about/2+time.Duration(w.rnd.Int64N(int64(about))))
}

// chance draws true once in n times.
func (w *worker) chance(n int) bool { return w.rnd.IntN(n) == 0 }
