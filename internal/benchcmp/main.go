// Command benchcmp compares this project's package with the reference, workload
// by workload, and judges it by the project's targets.
//
// The server runs in a process of its own, so that CPU time and allocations are
// those of the client. The two implementations take turns, and who begins
// changes with each round, so that both meet the same noise; the figures are
// medians over the rounds, the ratios medians of each round's ratio. The limit is
// what a bare connection needs for the same data.
//
// Where no link delays, the client has one processor and the server the others, if
// the system has taskset: otherwise the schedulers move work between the two, and a
// ratio says more about them than about the code. -pin=false lets both run anywhere.
//
//	go run ./internal/benchcmp -run 'Consume|Next' -rounds 10
//	go run ./internal/benchcmp -allocs
//	go run ./internal/benchcmp -growth -draw docs
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
	"path/filepath"
	"regexp"
)

type config struct {
	rounds int
	scale  float64
	match  *regexp.Regexp
	pin    bool
	allocs bool
	growth bool
	// dir is where pictures are drawn, and what they are drawn from is kept in its
	// folder bench. Empty: nowhere.
	dir string
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
	flag.BoolVar(&cfg.pin, "pin", true, "give the client one processor and the server the others, where no link delays")
	flag.BoolVar(&cfg.allocs, "allocs", false, "check only allocations and bytes, and fail if they are too many")
	flag.BoolVar(&cfg.growth, "growth", false, "measure how cost grows with the size of the work")
	flag.StringVar(&cfg.dir, "draw", "", "keep what is measured in the folder bench of this `directory`, beside what is\n"+
		"there of other workloads, and draw it; with 0 rounds, draw what is there")
	pattern := flag.String("run", ".", "run the workloads, or the dimensions of growth, that match this `regexp`")
	flag.Parse()
	if cfg.rounds < 0 || cfg.scale <= 0 || cfg.rounds == 0 && cfg.dir == "" {
		return cfg, errors.New("rounds and scale must be positive")
	}
	var err error
	cfg.match, err = regexp.Compile(*pattern)
	return cfg, err
}

func run(ctx context.Context, cfg config) error {
	if cfg.rounds > 0 {
		if err := measureAll(ctx, cfg); err != nil {
			return err
		}
	}
	if cfg.dir == "" {
		return nil
	}
	return draw(cfg.dir)
}

// measureAll measures what the flags ask for, and keeps it if it is to be drawn.
func measureAll(ctx context.Context, cfg config) error {
	var sides cores
	if cfg.pin && !cfg.allocs {
		var err error
		if sides, err = splitCores(); err != nil {
			fmt.Println("Client and server share the processors:", err)
		}
	}
	if cfg.growth {
		return measureGrowth(ctx, sides, cfg.match, cfg.rounds, func(g growth) error {
			if cfg.dir == "" {
				return nil
			}
			return save(filepath.Join(cfg.dir, "bench", growthFile(g.Dimension)), g)
		})
	}
	workloads, err := matching(cfg.match)
	if err != nil {
		return err
	}
	if cfg.allocs {
		return checkAllocs(ctx, workloads)
	}
	results, err := compare(ctx, sides, workloads, cfg.rounds, cfg.scale)
	if err != nil || cfg.dir == "" {
		return err
	}
	return saveComparisons(filepath.Join(cfg.dir, "bench", compareFile), results)
}
