package main

import (
	"fmt"
	"slices"
	"strings"
)

// rowFormat has fixed widths, since the first row is printed long before the
// last is known.
const rowFormat = "%-27s %15s %17s %10s %10s %11s %6s %13s %13s %14s %11s  %s\n"

// header returns the first rows of the table.
func header() string {
	return "Ours and the reference's, and ratios of ours to the reference's (x; ± is half their spread).\n" +
		fmt.Sprintf(rowFormat, "workload", "allocs/op", "B/op", "CPU", "user", "rate", "peak",
			"p50 µs", "p99 µs", "limit", "each holds", "")
}

// row returns the line of one workload.
func row(r *result) string {
	return fmt.Sprintf(rowFormat, r.name,
		pair(r, allocs, 1), pair(r, bytesAllocated, 0),
		spreadRatio(r, cpu), spreadRatio(r, user), spreadRatio(r, rate), fmt.Sprintf("x%.2f", r.ratio(peak)),
		pair(r, p50, 0), pair(r, p99, 0), limitCell(r), holds(r), verdict(r))
}

// pair returns ours and the reference's, or nothing if neither is known.
func pair(r *result, m metric, digits int) string {
	a, b := r.ours(m), r.theirs(m)
	if a == 0 && b == 0 {
		return ""
	}
	return fmt.Sprintf("%.*f / %.*f", digits, a, digits, b)
}

func spreadRatio(r *result, m metric) string {
	return fmt.Sprintf("x%.2f ±%.0f%%", r.ratio(m), r.spread(m))
}

// limitCell returns the CPU time of the limit compared with the reference, and
// its allocations.
func limitCell(r *result) string {
	if len(r.limits) == 0 {
		return ""
	}
	return fmt.Sprintf("x%.2f %.1f", median(column(r.limits, cpu))/r.theirs(cpu), median(column(r.limits, allocs)))
}

// holds returns what is known of idle things or of round trips.
func holds(r *result) string {
	switch {
	case r.ours(goroutines) > 0:
		return fmt.Sprintf("%.0f/%.0f g %.1f/%.1f K", r.ours(goroutines), r.theirs(goroutines),
			r.ours(held)/1024, r.theirs(held)/1024)
	case r.ours(roundTrips) > 0:
		return fmt.Sprintf("%.2f/%.2f RTT", r.ours(roundTrips), r.theirs(roundTrips))
	}
	return ""
}

// verdict says whether the targets are met, and which are not.
func verdict(r *result) string {
	t, ok := targets[r.name]
	if !ok {
		return "-" + stalled(r)
	}
	if short := shortOf(t.figures(r)); len(short) > 0 {
		return "SHORT " + strings.Join(short, ", ") + stalled(r)
	}
	return "PASS" + stalled(r)
}

// shortOf describes the figures that miss their limit.
func shortOf(figures []figure) []string {
	var out []string
	for _, f := range figures {
		if f.short() {
			than := ">"
			if f.least {
				than = "<"
			}
			out = append(out, fmt.Sprintf("%s %.3g %s %.3g", f.name, f.got, than, f.limit))
		}
	}
	return out
}

// stalled tells of async publishes that found no room for too long.
func stalled(r *result) string {
	most := func(samples []sample) int {
		worst := 0
		for i := range samples {
			worst = max(worst, samples[i].stalls)
		}
		return worst
	}
	if a, b := most(r.own), most(r.ref); a > 0 || b > 0 {
		return fmt.Sprintf(" (most stalls %d / %d)", a, b)
	}
	return ""
}

// summary returns how many workloads meet their targets, and which do not.
func summary(results []*result) string {
	var short []string
	judged := 0
	for _, r := range results {
		t, ok := targets[r.name]
		if !ok {
			continue
		}
		judged++
		if slices.ContainsFunc(t.figures(r), figure.short) {
			short = append(short, r.name)
		}
	}
	text := fmt.Sprintf("%d of %d workloads meet their targets", judged-len(short), judged)
	if len(short) > 0 {
		text += "; short: " + strings.Join(short, ", ")
	}
	return text + ".\n"
}
