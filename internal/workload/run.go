package workload

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Run is one execution of a workload by one implementation: prepared, ready to
// be measured, and to be closed afterwards.
type Run struct {
	*Fixture
	place
	impl   Impl
	nc     *nats.Conn
	client client
	data   []byte // to publish

	// What the workload has opened.
	cons         consumer
	source       consuming
	many         []consumer
	str          stream
	kv           bucket
	store        objectStore
	keys, listed []string
	ids          []string
	work         *laneWork
	// consumers are the names of those made for the run.
	consumers []string
	// ack tells that received messages are to be acknowledged.
	ack bool

	// done counts the operations that were done and checked.
	done int
	// stalls counts async publishes that had to be tried again because too many
	// were awaiting their acknowledgement for too long.
	stalls        int
	took          []time.Duration
	idle          footprint // before the work
	ownGoroutines int       // those the workload has started
	ends          []func() error
}

// Do does the work. This is what is measured. The context, which should have a
// deadline, is for what takes long. Short calls are made without a deadline, as
// most users make them.
func (r *Run) Do(ctx context.Context) error {
	if r.impl.bare {
		return r.limit(ctx, r)
	}
	return r.do(ctx, r)
}

// Stalls returns how many async publishes had to be tried again.
func (r *Run) Stalls() int { return r.stalls }

// Took returns how long each operation of a timed workload took.
func (r *Run) Took() []time.Duration { return r.took }

// Close checks that the work was done, and deletes what belongs to the run.
func (r *Run) Close() error {
	return errors.Join(r.check(), r.cleanUp())
}

func (r *Run) check() error {
	if r.done != r.n {
		return fmt.Errorf("%s did %d of %d operations", r.Name, r.done, r.n)
	}
	if len(r.listed) > 0 {
		if err := r.checkListed(); err != nil {
			return err
		}
	}
	return r.waitStored(r.place)
}

// atEnd has f called when the run is closed, after what was added later.
func (r *Run) atEnd(f func() error) { r.ends = append(r.ends, f) }

func (r *Run) cleanUp() error {
	var errs error
	for i := range r.ends {
		errs = errors.Join(errs, r.ends[len(r.ends)-1-i]())
	}
	return errs
}

// each does an operation n times, in as many goroutines as the workload says.
func (r *Run) each(op func(i int) error) error {
	lanes := max(r.lanes, 1)
	if lanes == 1 {
		return r.lane(0, 1, op)
	}
	errs := make([]error, lanes)
	var wg sync.WaitGroup
	for i := range lanes {
		wg.Go(func() { errs[i] = r.lane(i, lanes, op) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *Run) lane(first, step int, op func(i int) error) error {
	for i := first; i < r.n; i += step {
		if r.took == nil {
			if err := op(i); err != nil {
				return err
			}
			continue
		}
		begin := time.Now()
		if err := op(i); err != nil {
			return err
		}
		r.took[i] = time.Since(begin)
	}
	return nil
}

// payload returns a message that starts with its number, so that a lost or
// repeated one is noticed.
func payload(number uint64, size int) []byte {
	data := make([]byte, size)
	binary.BigEndian.PutUint64(data, number)
	return data
}

// checkPayload checks that data is the message with the number.
func checkPayload(data []byte, number, size int) error {
	if len(data) != size || binary.BigEndian.Uint64(data) != uint64(number) {
		return fmt.Errorf("%d bytes came instead of message %d", len(data), number)
	}
	return nil
}
