// Command benchcmp compares this project's package with the reference, workload
// by workload, and prints a table with both and their ratio.
//
// The server runs in a process of its own, so that CPU time and allocations are
// those of the client. The two implementations take turns, and who begins
// changes with each round, so that both meet the same noise; the figures are
// medians over the rounds, the ratios medians of each round's ratio.
//
//	go run ./internal/benchcmp -run 'Consume|Next' -rounds 10
//	go run ./internal/benchcmp -delay 25ms -scale 0.1
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
	"time"

	"github.com/nats-io/nats.go"

	"example.com/jetstream/internal/workload"
)

type config struct {
	rounds int
	scale  float64
	delay  time.Duration
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
	flag.DurationVar(&cfg.delay, "delay", 0, "latency of the link to the server, one way")
	pattern := flag.String("run", ".", "run the workloads that match this `regexp`")
	flag.Parse()
	if cfg.rounds < 1 || cfg.scale <= 0 || cfg.delay < 0 {
		return cfg, errors.New("rounds and scale must be positive, and delay not negative")
	}
	var err error
	cfg.match, err = regexp.Compile(*pattern)
	return cfg, err
}

func compare(ctx context.Context, cfg config) (err error) {
	url, stop, err := startChild(cfg.delay)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	fmt.Print(header())
	ran := 0
	for _, w := range workload.All() {
		if !cfg.match.MatchString(w.Name) {
			continue
		}
		ran++
		ours, ref, err := measure(ctx, url, cfg, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
		fmt.Print(rows(w.Name, ours, ref))
	}
	if ran == 0 {
		return fmt.Errorf("no workload matches %q", cfg.match)
	}
	return nil
}

// measure runs a workload by both implementations in turn.
func measure(ctx context.Context, url string, cfg config, w workload.Workload) (ours, ref []sample, err error) {
	n := max(1, int(float64(w.N)*cfg.scale))
	impls := [2]workload.Impl{workload.Ours(), workload.Ref()}
	var samples [2][]sample
	for round := range cfg.rounds {
		for turn := range impls {
			which := (round + turn) % len(impls)
			s, err := once(ctx, url, w, impls[which], n)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", impls[which].Name, err)
			}
			samples[which] = append(samples[which], s)
		}
	}
	return samples[0], samples[1], nil
}

// once runs a workload on a connection of its own.
func once(ctx context.Context, url string, w workload.Workload, impl workload.Impl, n int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	nc, err := nats.Connect(url)
	if err != nil {
		return sample{}, err
	}
	defer nc.Close()
	run, err := w.Prepare(ctx, nc, impl, n)
	if err != nil {
		return sample{}, err
	}
	m := startMeter()
	err = run.Do(ctx)
	s := m.stop(n)
	s.stalls = run.Stalls()
	return s, errors.Join(err, run.Close())
}
