package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// sample is what one run took, for each operation.
type sample struct {
	opsPerSec float64
	cpu, user float64 // µs; cpu is user and system time
	allocs    float64
	bytes     float64
	peak      float64 // MiB of heap beyond what there was before
	stalls    int     // of the whole run
}

// meter measures this process from startMeter to stop.
type meter struct {
	start     time.Time
	user, sys time.Duration
	mem       runtime.MemStats
	peak      *peakMeter
}

func startMeter() *meter {
	m := new(meter)
	// Garbage of the preparation is not to be collected on the run's account.
	runtime.GC()
	runtime.ReadMemStats(&m.mem)
	m.peak = startPeakMeter()
	m.user, m.sys = cpuTime()
	m.start = time.Now()
	return m
}

func (m *meter) stop(ops int) sample {
	elapsed := time.Since(m.start)
	user, sys := cpuTime()
	peak := m.peak.stop()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	perOp := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(ops) }
	return sample{
		opsPerSec: float64(ops) / elapsed.Seconds(),
		cpu:       perOp(user - m.user + sys - m.sys),
		user:      perOp(user - m.user),
		allocs:    float64(mem.Mallocs-m.mem.Mallocs) / float64(ops),
		bytes:     float64(mem.TotalAlloc-m.mem.TotalAlloc) / float64(ops),
		peak:      peak,
	}
}

// columns are those of the table.
var columns = []struct {
	name   string
	format string
	of     func(sample) float64
}{
	{"ops/s", "%.0f", func(s sample) float64 { return s.opsPerSec }},
	{"CPU µs/op", "%.2f", func(s sample) float64 { return s.cpu }},
	{"user µs/op", "%.2f", func(s sample) float64 { return s.user }},
	{"allocs/op", "%.2f", func(s sample) float64 { return s.allocs }},
	{"B/op", "%.0f", func(s sample) float64 { return s.bytes }},
	{"peak MiB", "%.1f", func(s sample) float64 { return s.peak }},
}

// rowFormat has fixed widths, since the first row is printed long before the
// last is known.
const rowFormat = "%-14s %-11s %10s %10s %8s\n"

// header returns the first row of the table.
func header() string {
	return fmt.Sprintf(rowFormat, "workload", "metric", "ours", "ref", "ratio")
}

// rows returns the rows of one workload, of which both implementations did the
// same number of rounds.
func rows(name string, ours, ref []sample) string {
	var out strings.Builder
	for _, m := range columns {
		a, b := column(ours, m.of), column(ref, m.of)
		ratios := make([]float64, len(a))
		for i := range a {
			ratios[i] = a[i] / b[i]
		}
		fmt.Fprintf(&out, rowFormat, name, m.name,
			fmt.Sprintf(m.format, median(a)), fmt.Sprintf(m.format, median(b)), fmt.Sprintf("x%.3f", median(ratios)))
		name = ""
	}
	stalls := func(s sample) float64 { return float64(s.stalls) }
	if a, b := slices.Max(column(ours, stalls)), slices.Max(column(ref, stalls)); a > 0 || b > 0 {
		fmt.Fprintf(&out, rowFormat, "", "most stalls", fmt.Sprint(a), fmt.Sprint(b), "")
	}
	return out.String()
}

func column(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

// median returns the middle one of the values, or the mean of the two in the
// middle. There must be at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}
