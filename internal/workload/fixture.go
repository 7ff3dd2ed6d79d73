package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const setupTimeout = 30 * time.Second

// ground is what a workload stands on: a stream.
type ground struct {
	// prefix starts the name of the stream, and config returns the rest of the
	// stream's configuration. Nil: fill makes what is needed, and a run has no
	// stream.
	prefix string
	config func(name string) map[string]any

	// fill fills the stream, which all runs then share and leave as it is. Nil:
	// each run has a stream of its own.
	fill func(ctx context.Context, f *Fixture) error

	// stored is how many messages there are in the end, after n operations.
	stored func(n int) int
}

func all(n int) int  { return n }
func none(int) int   { return 0 }
func single(int) int { return 1 }

var (
	newStream    = ground{config: plainStream, stored: all}
	emptyStream  = ground{config: plainStream, stored: none}
	filledStream = ground{config: plainStream, stored: all, fill: fillStream}
	directStream = ground{config: streamWithDirectGet, stored: all, fill: fillStream}
	manyStreams  = ground{fill: fillAccount}
)

func plainStream(name string) map[string]any {
	return map[string]any{"subjects": []string{name}}
}

func streamWithDirectGet(name string) map[string]any {
	return map[string]any{"subjects": []string{name}, "allow_direct": true}
}

// names counts the names that were given out.
var names atomic.Int64

// newName returns a short name that nothing else in this process has. The server is
// ours alone. Core's work for a message grows with the names in its subjects, and
// those of users are short.
func newName(prefix string) string {
	return prefix + strconv.FormatInt(names.Add(1), 36)
}

// place is where the messages of a run, or of all runs, are.
type place struct {
	// name is the one of the bucket, and the subject of a plain stream.
	name, stream string
}

// Fixture is a workload made ready for any number of runs of n operations.
type Fixture struct {
	Workload
	place

	// FirstTime makes goroutines of idle things cost what they cost a program for
	// the first time, when the runtime has none to use again. Those it has stay
	// parked while a run lasts, which is no way to measure time.
	FirstTime bool

	n     int
	admin *nats.Conn
}

// Setup makes what all runs of n operations share. The connection is also used
// for what the runs need besides their work; it is best not the one they use.
func (w Workload) Setup(ctx context.Context, admin *nats.Conn, n int) (*Fixture, error) {
	f := &Fixture{Workload: w, n: n, admin: admin}
	f.name = newName("B")
	if f.ground.fill == nil {
		return f, nil
	}
	err := f.create(&f.place)
	if err == nil {
		err = f.ground.fill(ctx, f)
	}
	if err == nil {
		err = f.waitStored(f.place)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Ops returns how many operations a run does.
func (f *Fixture) Ops() int { return f.n }

// Close deletes what Setup made.
func (f *Fixture) Close() error {
	if f.ground.config == nil {
		return f.emptyAccount()
	}
	return f.remove(&f.place)
}

// Prepare opens what a run by impl needs. Nothing of that is to be measured. The
// run is to be closed.
func (f *Fixture) Prepare(ctx context.Context, nc *nats.Conn, impl Impl) (*Run, error) {
	r := &Run{Fixture: f, place: f.place, nc: nc, impl: impl, data: payload(0, f.payloadSize())}
	if f.Timed {
		r.took = make([]time.Duration, f.n)
	}
	if f.ground.fill == nil {
		r.name = newName("B")
		if err := f.create(&r.place); err != nil {
			return nil, err
		}
		r.atEnd(func() error { return f.remove(&r.place) })
	}
	var err error
	if r.client, err = impl.client(nc, f.options); err == nil && f.open != nil {
		err = f.open(ctx, r)
	}
	if err != nil {
		return nil, errors.Join(err, r.cleanUp())
	}
	if f.Idle {
		if f.FirstTime {
			stop := useUpGoroutines()
			r.atEnd(func() error { stop(); return nil })
		}
		r.idle = takeFootprint()
	}
	return r, nil
}

// create makes the stream of a place that has only a name.
func (f *Fixture) create(p *place) error {
	if f.ground.config == nil {
		return nil
	}
	config := f.ground.config(p.name)
	stream := f.ground.prefix + p.name
	config["name"], config["storage"], config["num_replicas"] = stream, "memory", 1
	if err := f.api("STREAM.CREATE."+stream, config, nil); err != nil {
		return err
	}
	p.stream = stream
	return nil
}

func (f *Fixture) remove(p *place) error {
	if p.stream == "" {
		return nil
	}
	return f.api("STREAM.DELETE."+p.stream, nil, nil)
}

func fillStream(ctx context.Context, f *Fixture) error {
	return f.fill(ctx, func(int) string { return f.stream })
}

// fill publishes a message with its number for each operation.
func (f *Fixture) fill(ctx context.Context, subject func(i int) string) error {
	return publishCounted(ctx, f.admin, f.n, func(i int) *nats.Msg {
		return &nats.Msg{Subject: subject(i), Data: payload(uint64(i), f.payloadSize())}
	})
}

// waitStored waits until the stream holds what it should.
func (f *Fixture) waitStored(p place) error {
	if f.ground.stored == nil {
		return nil
	}
	want := f.ground.stored(f.n)
	var info struct {
		State struct {
			Messages int `json:"messages"`
		} `json:"state"`
	}
	return poll(func() (bool, error) {
		err := f.api("STREAM.INFO."+p.stream, nil, &info)
		if got := info.State.Messages; got > want {
			return false, fmt.Errorf("the stream holds %d messages instead of %d", got, want)
		}
		return info.State.Messages == want, err
	}, func() error {
		return fmt.Errorf("the stream holds %d messages instead of %d", info.State.Messages, want)
	})
}

// poll waits until done says so, and returns late if that takes too long.
func poll(done func() (bool, error), late func() error) error {
	deadline := time.Now().Add(setupTimeout)
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return late()
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// api sends a JetStream API request past both implementations.
func (f *Fixture) api(subject string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	msg, err := f.admin.Request(apiPrefix+subject, data, setupTimeout)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	var resp struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &resp); err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	if resp.Error != nil {
		return fmt.Errorf("%s: %s", subject, resp.Error.Description)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(msg.Data, into)
}
