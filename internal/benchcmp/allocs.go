package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/jetstream/internal/workload"
)

const allocsFormat = "%-27s %-11s %10s %10s  %s\n"

// checkAllocs measures only what does not depend on time, in runs so short that
// all take a few minutes, and fails if a target is missed by more than is known.
//
// In a short run, what a run does once would weigh more than in one of standard
// length. So each workload is run with two lengths, and what the longer run took
// more is divided by the operations it did more.
func checkAllocs(ctx context.Context, workloads []*workload.Workload) (err error) {
	urls, stop, err := startChild(cores{}, delaysOf(workloads))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	fmt.Printf(allocsFormat, "workload", "figure", "ours", "at most", "")
	var short []string
	for _, w := range workloads {
		t := targets[w.Name]
		if len(t.exactFigures(new(result))) == 0 {
			continue
		}
		r, err := marginal(ctx, urls, w, t.bytesRatio > 0)
		if err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
		for _, f := range t.exactFigures(r) {
			word, failed := f.judge(w.Name)
			if failed {
				short = append(short, w.Name+" "+f.name)
			}
			fmt.Printf(allocsFormat, w.Name, f.name, fmt.Sprintf("%.2f", f.got), fmt.Sprintf("%.2f", f.limit), word)
		}
	}
	if len(short) > 0 {
		return fmt.Errorf("above the targets: %s", strings.Join(short, ", "))
	}
	return nil
}

// judge returns the verdict on a figure of a workload, and whether it makes the
// check fail.
func (f figure) judge(workload string) (word string, failed bool) {
	if !f.short() {
		return "PASS", false
	}
	if known, ok := shortfalls[workload+" "+f.name]; ok && f.got <= known.limit {
		return fmt.Sprintf("SHORT, up to %.2f is known: %s", known.limit, known.why), false
	}
	return "SHORT", true
}

// marginal returns what each further operation costs ours, and the reference if
// need be.
func marginal(ctx context.Context, urls links, w *workload.Workload, ref bool) (*result, error) {
	long, short := w.N/10, w.N/40
	if w.N < 1000 {
		// Objects and idle things are few to begin with.
		long, short = w.N, w.N/4
	}
	few, err := runEach(ctx, urls, w, short, ref)
	if err != nil {
		return nil, err
	}
	many, err := runEach(ctx, urls, w, long, ref)
	if err != nil {
		return nil, err
	}
	r := &result{name: w.Name}
	for i := range many {
		s := many[i]
		for _, m := range []metric{allocs, bytesAllocated} {
			more := many[i].values[m]*float64(long) - few[i].values[m]*float64(short)
			s.values[m] = more / float64(long-short)
		}
		if i == 0 {
			r.own = append(r.own, s)
		} else {
			r.ref = append(r.ref, s)
		}
	}
	return r, nil
}

// runEach runs n operations by ours, and by the reference if need be.
func runEach(ctx context.Context, urls links, w *workload.Workload, n int, ref bool) ([]sample, error) {
	impls := []workload.Impl{workload.Ours()}
	if ref {
		impls = append(impls, workload.Ref())
	}
	var samples []sample
	err := withFixture(ctx, urls, w, n, func(f *workload.Fixture) error {
		f.FirstTime = true
		for i := range impls {
			s, err := once(ctx, urls[w.Delay], f, impls[i])
			if err != nil {
				return fmt.Errorf("%s: %w", impls[i].Name, err)
			}
			samples = append(samples, s)
		}
		return nil
	})
	return samples, err
}
