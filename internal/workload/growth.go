package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Dimension is a way in which work can grow.
type Dimension struct {
	Name  string
	Title string
	// Label is what the points count.
	Label  string
	Points []int

	// Kinds are what is done at each point; operations are messages.
	Kinds []Kind
}

// Kind is one of the jobs that a dimension is tried with.
type Kind struct {
	Name string
	// At returns the job at a point of the dimension.
	At func(point int) Workload
}

// growthVolume bounds the bytes that a run with large messages moves. Less of them
// takes so little time that what the runtime does once would count.
const growthVolume = 256 * mebibyte

// Growth returns the dimensions along which cost must not grow.
func Growth() []Dimension {
	return []Dimension{
		{
			Name: "consumers", Title: "Many consumers on one connection", Label: "consumers",
			Points: []int{1, 10, 100, 1000},
			Kinds:  []Kind{{"Consume", consumersAt}},
		},
		{
			Name: "publishers", Title: "Many goroutines that publish", Label: "goroutines",
			Points: []int{1, 4, 16, 64},
			Kinds: []Kind{{"Publish", func(goroutines int) Workload {
				return Workload{N: 20_000, ground: newStream, do: publish, lanes: goroutines}
			}}},
		},
		{
			Name: "payload", Title: "Large messages", Label: "payload",
			Points: []int{1 << 10, 8 << 10, 64 << 10, 256 << 10, 1 << 20},
			Kinds: []Kind{
				{"PublishAsync", func(size int) Workload {
					// What waits to be sent is bounded, or the server would cut off
					// a client that is too far ahead.
					return Workload{
						N: volume(size), ground: newStream, do: publishAsync, size: size,
						options: options{maxPending: min(4000, 16*mebibyte/size)},
					}
				}},
				{"Consume", func(size int) Workload {
					return Workload{
						N: volume(size), ground: filledStream, open: openConsumer(ackNone), do: consume, size: size,
					}
				}},
			},
		},
		{
			Name: "pending", Title: "Many publishes whose acknowledgement is pending", Label: "pending at most",
			Points: []int{10, 100, 1000, 10_000, 100_000},
			Kinds: []Kind{{"PublishAsync", func(pending int) Workload {
				return Workload{N: 200_000, ground: newStream, do: publishAsync, options: options{maxPending: pending}}
			}}},
		},
	}
}

// volume returns how many messages of a size make a run.
func volume(size int) int { return min(20_000, growthVolume/size) }

func consumersAt(consumers int) Workload {
	return Workload{N: 50_000, ground: lanesStream, open: openLanes, do: feedLanes, lanes: consumers}
}

var lanesStream = ground{stored: all, config: func(name string) map[string]any {
	return map[string]any{"subjects": []string{name + ".>"}}
}}

func (r *Run) laneSubject(lane int) string { return fmt.Sprintf("%s.%d", r.name, lane) }

// laneWork is what consumers that take turns have to do.
type laneWork struct {
	subjects []string
	// finished ends with the last message of the last consumer.
	finished sync.WaitGroup

	mu     sync.Mutex
	failed error
}

func (l *laneWork) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = errors.Join(l.failed, err)
}

func (l *laneWork) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// openLanes starts the consumers, each for a subject of its own, so that only
// what they do for messages is measured.
func openLanes(ctx context.Context, r *Run) error {
	r.work = new(laneWork)
	for lane := range r.lanes {
		r.work.subjects = append(r.work.subjects, r.laneSubject(lane))
		name, err := r.addConsumer(consumerConfig{AckPolicy: ackNone, FilterSubject: r.laneSubject(lane)})
		if err != nil {
			return err
		}
		cons, err := r.client.consumer(ctx, r.stream, name)
		if err != nil {
			return err
		}
		rd := &reader{next: lane, step: r.lanes, end: r.n, size: r.payloadSize()}
		if rd.left() == 0 {
			continue
		}
		r.work.finished.Add(1)
		stop, err := cons.consume(func(msg message) {
			if err := rd.take(msg); err != nil {
				r.work.fail(err)
				return
			}
			if rd.left() == 0 {
				r.work.finished.Done()
			}
		})
		if err != nil {
			return err
		}
		r.atEnd(func() error { stop(); return nil })
	}
	return nil
}

// feedLanes publishes to the consumers in turn, over another connection, and
// waits until all is consumed.
func feedLanes(_ context.Context, r *Run) error {
	for i := range r.n {
		if err := r.admin.Publish(r.work.subjects[i%r.lanes], payload(uint64(i), r.payloadSize())); err != nil {
			return err
		}
	}
	if err := r.admin.FlushTimeout(setupTimeout); err != nil {
		return err
	}
	finished := make(chan struct{})
	// Ends with the last message.
	go func() {
		defer close(finished)
		r.work.finished.Wait()
	}()
	select {
	case <-finished:
		r.done = r.n
	case <-time.After(setupTimeout):
		return errors.Join(errors.New("messages were not consumed in time"), r.work.err())
	}
	return r.work.err()
}
