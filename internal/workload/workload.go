// Package workload holds the jobs by which this project's package is compared
// with the reference. Each is written once and runs on either, so that both do
// exactly the same and are checked in the same way.
package workload

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

const (
	// payloadSize is the size of every message. It starts with the message's
	// number, so that a lost or repeated one is noticed.
	payloadSize = 128

	fetchBytes = 64 << 10

	setupTimeout = 30 * time.Second
)

// Workload is a job of many equal operations. An operation is one message,
// published or received, one key of a bucket, or one MiB of an object.
type Workload struct {
	Name string

	// N is how many operations make a run long enough to be measured.
	N int

	// reads tells that the stream is filled beforehand and read by a consumer,
	// acks that the consumer wants acknowledgements.
	reads, acks bool
	// bucket tells that the stream is that of a key-value bucket with one key
	// for each operation.
	bucket bool
	// object tells that the stream is that of an object store with one object.
	object bool
	run    func(ctx context.Context, r *Run) error
}

// All returns the workloads in the order in which reports list them.
func All() []Workload {
	return []Workload{
		{Name: "Publish", N: 20_000, run: publish},
		{Name: "PublishAsync", N: 200_000, run: publishAsync},
		{Name: "Fetch100", N: 100_000, reads: true, run: fetch(100)},
		{Name: "Fetch1", N: 10_000, reads: true, run: fetch(1)},
		{Name: "Next", N: 10_000, reads: true, run: next},
		{Name: "FetchBytes64K", N: 50_000, reads: true, run: fetchByBytes},
		{Name: "Consume", N: 300_000, reads: true, run: consume},
		{Name: "ConsumeAck", N: 100_000, reads: true, acks: true, run: consume},
		{Name: "Messages", N: 300_000, reads: true, run: messages},
		{Name: "KVPut", N: 20_000, bucket: true, run: kvPut},
		{Name: "KVGet", N: 20_000, bucket: true, reads: true, run: kvGet},
		{Name: "KVKeys", N: 100_000, bucket: true, reads: true, run: kvKeys},
		{Name: "KVListKeys", N: 100_000, bucket: true, reads: true, run: kvListKeys},
		{Name: "KVWatch", N: 100_000, bucket: true, reads: true, run: kvWatch},
		{Name: "ObjectPut64M", N: 64, object: true, run: objectPut},
		{Name: "ObjectGet64M", N: 64, object: true, reads: true, run: objectGet},
		{Name: "ObjectPut1G", N: 1024, object: true, run: objectPut},
		{Name: "ObjectGet1G", N: 1024, object: true, reads: true, run: objectGet},
	}
}

// Run is one execution of a workload by one implementation: prepared, ready to
// be measured, and to be closed afterwards.
type Run struct {
	Workload
	n      int
	nc     *nats.Conn
	stream string
	pub    publisher
	cons   consumer
	store  objectStore
	kv     bucket
	keys   []string // of a bucket

	// seen counts the messages received so far.
	seen int
	// stalls counts async publishes that had to be tried again because too many
	// were awaiting their acknowledgement for too long.
	stalls int
}

// Prepare makes a memory stream for n operations of w by impl, fills it if w
// reads, and opens what w needs. Nothing of that is to be measured.
func (w Workload) Prepare(ctx context.Context, nc *nats.Conn, impl Impl, n int) (*Run, error) {
	r := &Run{Workload: w, n: n, nc: nc, stream: "BENCH-" + nuid.Next()}
	config := map[string]any{"subjects": []string{r.stream}, "storage": "memory", "num_replicas": 1}
	if w.bucket {
		r.configureBucket(config)
	}
	if w.object {
		r.configureStore(config)
	}
	config["name"] = r.stream
	if err := r.api("STREAM.CREATE."+r.stream, config, nil); err != nil {
		return nil, err
	}
	if err := r.open(ctx, impl); err != nil {
		return nil, errors.Join(err, r.delete())
	}
	return r, nil
}

func (r *Run) open(ctx context.Context, impl Impl) error {
	if r.bucket {
		return r.openBucket(ctx, impl)
	}
	if r.object {
		return r.openStore(ctx, impl)
	}
	if !r.reads {
		var err error
		r.pub, err = impl.publisher(r.nc)
		return err
	}
	for i := range r.n {
		if err := r.nc.Publish(r.stream, payload(uint64(i))); err != nil {
			return err
		}
	}
	if err := r.nc.FlushWithContext(ctx); err != nil {
		return err
	}
	if err := r.waitStored(); err != nil {
		return err
	}
	policy := "none"
	if r.acks {
		policy = "explicit"
	}
	err := r.api("CONSUMER.CREATE."+r.stream+".C", map[string]any{
		"stream_name": r.stream,
		"config":      map[string]any{"name": "C", "durable_name": "C", "ack_policy": policy, "mem_storage": true},
	}, nil)
	if err != nil {
		return err
	}
	r.cons, err = impl.consumer(ctx, r.nc, r.stream, "C")
	return err
}

// Do does the work. This is what is measured.
func (r *Run) Do(ctx context.Context) error { return r.run(ctx, r) }

// Stalls returns how many async publishes had to be tried again.
func (r *Run) Stalls() int { return r.stalls }

// Close checks that the work was done, and deletes the stream.
func (r *Run) Close() error {
	return errors.Join(r.check(), r.delete())
}

func (r *Run) check() error {
	if r.reads && r.seen != r.n {
		return fmt.Errorf("%s received %d of %d messages", r.Name, r.seen, r.n)
	}
	return r.waitStored()
}

// waitStored waits until the stream holds what it should.
func (r *Run) waitStored() error {
	var info struct {
		State struct {
			Messages int `json:"messages"`
		} `json:"state"`
	}
	want := r.n
	if r.object {
		want = r.n*(mebibyte/objectChunk) + 1
	}
	deadline := time.Now().Add(setupTimeout)
	for {
		if err := r.api("STREAM.INFO."+r.stream, nil, &info); err != nil {
			return err
		}
		if info.State.Messages == want {
			return nil
		}
		if time.Now().After(deadline) || info.State.Messages > want {
			return fmt.Errorf("the stream holds %d messages instead of %d", info.State.Messages, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *Run) delete() error { return r.api("STREAM.DELETE."+r.stream, nil, nil) }

// api sends a JetStream API request past both implementations.
func (r *Run) api(subject string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	msg, err := r.nc.Request("$JS.API."+subject, data, setupTimeout)
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

func payload(number uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, payloadSize), number)[:payloadSize]
}

// take checks that msg is the next one, and acknowledges it if need be.
func (r *Run) take(msg message) error {
	data := msg.Data()
	if len(data) != payloadSize || binary.BigEndian.Uint64(data) != uint64(r.seen) {
		return fmt.Errorf("message %d of the stream is not what was received next", r.seen)
	}
	r.seen++
	if r.acks {
		return msg.Ack()
	}
	return nil
}

func publish(ctx context.Context, r *Run) error {
	data := payload(0)
	for range r.n {
		if err := r.pub.publish(ctx, r.stream, data); err != nil {
			return err
		}
	}
	return nil
}

func publishAsync(ctx context.Context, r *Run) error {
	data := payload(0)
	for sent := 0; sent < r.n; {
		stalled, err := r.pub.publishAsync(r.stream, data)
		switch {
		case stalled:
			r.stalls++
		case err != nil:
			return err
		default:
			sent++
		}
	}
	select {
	case <-r.pub.complete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func fetch(size int) func(context.Context, *Run) error {
	return func(_ context.Context, r *Run) error {
		for r.seen < r.n {
			before := r.seen
			if err := r.cons.fetch(min(size, r.n-r.seen), r.take); err != nil {
				return err
			}
			if r.seen == before {
				return errors.New("a fetch brought nothing")
			}
		}
		return nil
	}
}

func fetchByBytes(ctx context.Context, r *Run) error {
	for r.seen < r.n {
		// A last batch that cannot fill up would wait for its time to end.
		if left := r.n - r.seen; left*payloadSize < 2*fetchBytes {
			return fetch(left)(ctx, r)
		}
		before := r.seen
		if err := r.cons.fetchBytes(fetchBytes, r.take); err != nil {
			return err
		}
		if r.seen == before {
			return errors.New("a fetch brought nothing")
		}
	}
	return nil
}

func next(_ context.Context, r *Run) error {
	for r.seen < r.n {
		if err := r.cons.next(r.take); err != nil {
			return err
		}
	}
	return nil
}

func messages(_ context.Context, r *Run) error {
	return r.cons.messages(func(msg message) (more bool, err error) {
		err = r.take(msg)
		return r.seen < r.n, err
	})
}

func consume(ctx context.Context, r *Run) error {
	// Written by the handler, whose calls do not overlap, before done is closed.
	var failed error
	finished, done := false, make(chan struct{})
	stop, err := r.cons.consume(func(msg message) {
		if finished {
			return
		}
		failed = r.take(msg)
		if finished = failed != nil || r.seen == r.n; finished {
			close(done)
		}
	})
	if err != nil {
		return err
	}
	select {
	case <-done:
		err = nil
	case <-ctx.Done():
		err = ctx.Err()
	}
	stop()
	return errors.Join(err, failed)
}
