package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/workload"
)

// runTimeout bounds one run; the longest take seconds.
const runTimeout = 5 * time.Minute

// matching returns the workloads whose names match.
func matching(match *regexp.Regexp) ([]*workload.Workload, error) {
	var out []*workload.Workload
	all := workload.All()
	for i := range all {
		if match.MatchString(all[i].Name) {
			out = append(out, &all[i])
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no workload matches %q", match)
	}
	return out, nil
}

// delaysOf returns the delays of the links that the workloads need.
func delaysOf(workloads []*workload.Workload) []time.Duration {
	var out []time.Duration
	for _, w := range workloads {
		if w.Delay > 0 && !slices.Contains(out, w.Delay) {
			out = append(out, w.Delay)
		}
	}
	return out
}

// compare runs the workloads and prints the table as it grows. The sides have their
// own cores where nothing but the work takes time; over a link, it is the rate that
// matters, and what makes the delay needs processors, too.
func compare(ctx context.Context, c cores, workloads []*workload.Workload, rounds int, scale float64) (results []*result, err error) {
	near, stopNear, err := startChild(c, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stopNear()) }()
	far, stopFar, err := startChild(cores{}, delaysOf(workloads))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stopFar()) }()
	fmt.Print(header())
	for _, w := range workloads {
		sides, urls := c, near
		if w.Delay > 0 {
			sides, urls = cores{}, far
		}
		r, err := measureOn(ctx, sides, urls, w, rounds, max(1, int(float64(w.N)*scale)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		fmt.Print(row(r))
		results = append(results, r)
	}
	fmt.Print("\n", summary(results))
	return results, nil
}

// measureOn is measure on the client's side of the cores.
func measureOn(ctx context.Context, c cores, urls links, w *workload.Workload, rounds, n int) (r *result, err error) {
	leave, err := c.enter()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, leave()) }()
	return measure(ctx, urls, w, rounds, n)
}

// measure runs a workload by both implementations in turn, and by the limit after
// each second round.
func measure(ctx context.Context, urls links, w *workload.Workload, rounds, n int) (*result, error) {
	r := &result{name: w.Name}
	err := withFixture(ctx, urls, w, n, func(f *workload.Fixture) error {
		turns := []struct {
			impl workload.Impl
			into *[]sample
		}{{workload.Ours(), &r.own}, {workload.Ref(), &r.ref}}
		for round := range rounds {
			for _, turn := range turns {
				s, err := once(ctx, urls[w.Delay], f, turn.impl)
				if err != nil {
					return fmt.Errorf("%s: %w", turn.impl.Name, err)
				}
				*turn.into = append(*turn.into, s)
			}
			slices.Reverse(turns)
			if round%2 == 1 || !w.HasLimit() {
				continue
			}
			s, err := once(ctx, urls[w.Delay], f, workload.Limit())
			if err != nil {
				return fmt.Errorf("limit: %w", err)
			}
			r.limits = append(r.limits, s)
		}
		if w.Idle {
			return holdFirstTime(ctx, urls[w.Delay], f, r)
		}
		return nil
	})
	return r, err
}

// holdFirstTime measures what idle things hold and allocate in a program that
// starts them for the first time, which is then what all rounds are said to have
// found.
func holdFirstTime(ctx context.Context, url string, f *workload.Fixture, r *result) error {
	f.FirstTime = true
	for _, side := range []struct {
		impl   workload.Impl
		rounds []sample
	}{{workload.Ours(), r.own}, {workload.Ref(), r.ref}} {
		first, err := once(ctx, url, f, side.impl)
		if err != nil {
			return fmt.Errorf("%s: %w", side.impl.Name, err)
		}
		for i := range side.rounds {
			for _, m := range []metric{allocs, bytesAllocated, goroutines, held} {
				side.rounds[i].values[m] = first.values[m]
			}
		}
	}
	return nil
}

// withFixture calls do with what all runs of n operations share.
func withFixture(ctx context.Context, urls links, w *workload.Workload, n int, do func(*workload.Fixture) error) (err error) {
	admin, err := nats.Connect(urls[0])
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	f, err := w.Setup(ctx, admin, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return do(f)
}

// once runs a workload on a connection of its own.
func once(ctx context.Context, url string, f *workload.Fixture, impl workload.Impl) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	nc, err := nats.Connect(url)
	if err != nil {
		return sample{}, err
	}
	defer nc.Close()
	run, err := f.Prepare(ctx, nc, impl)
	if err != nil {
		return sample{}, err
	}
	m := startMeter(f.Idle)
	err = run.Do(ctx)
	s := m.stop(f.Ops())
	s.complete(run)
	return s, errors.Join(err, run.Close())
}
