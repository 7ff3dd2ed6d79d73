// Command benchcmp compares this project's package with the reference, workload
// by workload, and judges it by the project's targets.
//
// The server runs in a process of its own, so that CPU time and allocations are
// those of the client. The two implementations take turns, and who begins
// changes with each round, so that both meet the same noise; the figures are
// medians over the rounds, the ratios medians of each round's ratio. The limit is
// what a bare connection needs for the same data.
//
//	go run ./internal/benchcmp -run 'Consume|Next' -rounds 10
//	go run ./internal/benchcmp -allocs
//
// Allocations and bytes are exact. CPU time needs ten rounds and a margin of ten
// percent, and rates mean little on a machine that does other work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
)

type config struct {
	rounds int
	scale  float64
	match  *regexp.Regexp
	allocs bool
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
	err = run(ctx, cfg)
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
	flag.BoolVar(&cfg.allocs, "allocs", false, "check only allocations and bytes, and fail if they are too many")
	pattern := flag.String("run", ".", "run the workloads that match this `regexp`")
	flag.Parse()
	if cfg.rounds < 1 || cfg.scale <= 0 {
		return cfg, errors.New("rounds and scale must be positive")
	}
	var err error
	cfg.match, err = regexp.Compile(*pattern)
	return cfg, err
}

func run(ctx context.Context, cfg config) error {
	workloads, err := matching(cfg.match)
	if err != nil {
		return err
	}
	if cfg.allocs {
		return checkAllocs(ctx, workloads)
	}
	_, err = compare(ctx, workloads, cfg.rounds, cfg.scale)
	return err
}
