package main

import (
	"runtime"
	"slices"
	"time"

	"example.com/jetstream/internal/workload"
)

// sample is what one run took, for each operation.
type sample struct {
	values [metricCount]float64
	stalls int // of the whole run
}

// metric is what is measured of a run.
type metric int

const (
	rate metric = iota // operations a second
	cpu                // user and system time, µs
	user               // µs
	allocs
	bytesAllocated
	peak       // MiB of heap beyond what there was before
	p50        // µs; operations that are timed only
	p99        // µs
	goroutines // held by each idle thing
	held       // bytes held by each idle thing
	roundTrips // round trips that the time is worth

	metricCount
)

// meter measures this process from startMeter to stop.
type meter struct {
	start     time.Time
	user, sys time.Duration
	mem       runtime.MemStats
	peak      *peakMeter
}

// startMeter begins to measure. While something idle is measured it does not look
// at memory: waking up for that would be most of what there is to measure.
func startMeter(idle bool) *meter {
	m := new(meter)
	// Garbage of the preparation is not to be collected on the run's account.
	runtime.GC()
	runtime.ReadMemStats(&m.mem)
	m.peak = startPeakMeter(idle)
	m.user, m.sys = cpuTime()
	m.start = time.Now()
	return m
}

func (m *meter) stop(ops int) sample {
	elapsed := time.Since(m.start)
	userTime, sys := cpuTime()
	growth := m.peak.stop()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	perOp := func(d time.Duration) float64 { return micros(d) / float64(ops) }
	var s sample
	s.values[rate] = float64(ops) / elapsed.Seconds()
	s.values[cpu] = perOp(userTime - m.user + sys - m.sys)
	s.values[user] = perOp(userTime - m.user)
	s.values[allocs] = float64(mem.Mallocs-m.mem.Mallocs) / float64(ops)
	s.values[bytesAllocated] = float64(mem.TotalAlloc-m.mem.TotalAlloc) / float64(ops)
	s.values[peak] = growth
	return s
}

// complete adds what the run itself knows.
func (s *sample) complete(run *workload.Run) {
	s.stalls = run.Stalls()
	if took := slices.Sorted(slices.Values(run.Took())); len(took) > 0 {
		s.values[p50] = micros(took[len(took)/2])
		s.values[p99] = micros(took[len(took)*99/100])
	}
	if run.Idle {
		s.values[goroutines], s.values[held] = run.Footprint()
	}
	if run.RoundTrips {
		s.values[roundTrips] = 1 / s.values[rate] / (2 * run.Delay).Seconds()
	}
}

func micros(d time.Duration) float64 { return d.Seconds() * 1e6 }

// result is a workload's samples. Ours and the reference's are of as many
// rounds; the limit has fewer or none.
type result struct {
	name             string
	own, ref, limits []sample
}

func (r *result) ours(m metric) float64 { return median(column(r.own, m)) }

func (r *result) theirs(m metric) float64 { return median(column(r.ref, m)) }

// ratios returns ours to the reference's, for each round in which both could be
// measured: user time below the clock's tick is none.
func (r *result) ratios(m metric) []float64 {
	a, b := column(r.own, m), column(r.ref, m)
	var out []float64
	for i := range min(len(a), len(b)) {
		if a[i] > 0 && b[i] > 0 {
			out = append(out, a[i]/b[i])
		}
	}
	return out
}

func (r *result) ratio(m metric) float64 { return median(r.ratios(m)) }

// spread returns half the distance of the extreme ratios, in percent of the
// ratio.
func (r *result) spread(m metric) float64 {
	all := r.ratios(m)
	if len(all) == 0 {
		return 0
	}
	return (slices.Max(all) - slices.Min(all)) / 2 / median(all) * 100
}

func column(samples []sample, m metric) []float64 {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = samples[i].values[m]
	}
	return values
}

// median returns the middle one of the values, or the mean of the two in the
// middle, and 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}
