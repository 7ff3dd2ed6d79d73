// Command benchcmp compares this project's package with the reference, workload
// by workload, and prints a table with both and their ratio.
//
// The server runs in a process of its own, so that CPU time and allocations are
// those of the client. The two implementations take turns, and who begins
// changes with each round, so that both meet the same noise; the figures are
// medians over the rounds, the ratios medians of each round's ratio.
//
//	go run ./internal/benchcmp -run 'Consume|Next' -rounds 10
//
// For ops/s a ratio above 1 is better, for all else one below.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/workload"
)

type config struct {
	rounds int
	scale  float64
	match  *regexp.Regexp
}

func main() {
	if os.Getenv(childEnv) != "" {
		if err := serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "benchcmp: server:", err)
			os.Exit(1)
		}
		return
	}
	cfg, err := parseFlags()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchcmp:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err = compare(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchcmp:", err)
		os.Exit(1)
	}
}

func parseFlags() (config, error) {
	var cfg config
	flag.IntVar(&cfg.rounds, "rounds", 5, "how often each workload is run by each implementation")
	flag.Float64Var(&cfg.scale, "scale", 1, "length of a run relative to the workload's standard")
	pattern := flag.String("run", ".", "run the workloads that match this `regexp`")
	flag.Parse()
	if cfg.rounds < 1 || cfg.scale <= 0 {
		return cfg, errors.New("rounds and scale must be positive")
	}
	var err error
	cfg.match, err = regexp.Compile(*pattern)
	return cfg, err
}

func compare(ctx context.Context, cfg config) (err error) {
	var chosen []*workload.Workload
	var delays []time.Duration
	all := workload.All()
	for i := range all {
		w := &all[i]
		if !cfg.match.MatchString(w.Name) {
			continue
		}
		chosen = append(chosen, w)
		if w.Delay > 0 && !slices.Contains(delays, w.Delay) {
			delays = append(delays, w.Delay)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no workload matches %q", cfg.match)
	}
	urls, stop, err := startChild(delays)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	fmt.Print(header())
	for _, w := range chosen {
		ours, ref, err := measure(ctx, urls, cfg, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
		fmt.Print(rows(w.Name, ours, ref))
	}
	return nil
}

// measure runs a workload by both implementations in turn.
func measure(ctx context.Context, urls links, cfg config, w *workload.Workload) (ours, ref []sample, err error) {
	admin, err := nats.Connect(urls[0])
	if err != nil {
		return nil, nil, err
	}
	defer admin.Close()
	fixture, err := w.Setup(ctx, admin, max(1, int(float64(w.N)*cfg.scale)))
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, fixture.Close()) }()
	impls := [2]workload.Impl{workload.Ours(), workload.Ref()}
	var samples [2][]sample
	for round := range cfg.rounds {
		for turn := range impls {
			which := (round + turn) % len(impls)
			s, err := once(ctx, urls[w.Delay], fixture, impls[which])
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", impls[which].Name, err)
			}
			samples[which] = append(samples[which], s)
		}
	}
	return samples[0], samples[1], nil
}

// once runs a workload on a connection of its own.
func once(ctx context.Context, url string, f *workload.Fixture, impl workload.Impl) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
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
	m := startMeter()
	err = run.Do(ctx)
	s := m.stop(f.Ops())
	s.stalls = run.Stalls()
	return s, errors.Join(err, run.Close())
}
