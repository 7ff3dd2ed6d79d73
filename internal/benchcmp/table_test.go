package main

import (
	"slices"
	"strings"
	"testing"

	"example.com/jetstream/internal/workload"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 2, 9}, 3},
	} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("median(%v) = %v, want %v", tc.values, got, tc.want)
		}
	}
}

func samples(m metric, values ...float64) []sample {
	out := make([]sample, len(values))
	for i, v := range values {
		out[i].values[m] = v
	}
	return out
}

func TestRatioIsMedianOfPairedRatios(t *testing.T) {
	t.Parallel()
	r := &result{own: samples(rate, 200, 400, 900), ref: samples(rate, 100, 400, 100)}
	if got := r.ratio(rate); got != 2 {
		t.Errorf("the ratio is %v, want 2", got)
	}
	if got := r.spread(rate); got != 200 {
		t.Errorf("the spread is %v %%, want 200 for ratios from 1 to 9 around 2", got)
	}
}

func TestTargetsNameExistingWorkloads(t *testing.T) {
	t.Parallel()
	var names []string
	all := workload.All()
	for i := range all {
		if slices.Contains(names, all[i].Name) {
			t.Errorf("there are two workloads %q", all[i].Name)
		}
		names = append(names, all[i].Name)
	}
	for name, target := range targets {
		if !slices.Contains(names, name) {
			t.Errorf("there is no workload %q", name)
		}
		if len(target.figures(new(result))) == 0 {
			t.Errorf("%s has no figure", name)
		}
	}
}

func TestVerdictNamesEachFigureThatIsShort(t *testing.T) {
	t.Parallel()
	both := func(name string, values map[metric][2]float64) *result {
		r := &result{name: name, own: make([]sample, 1), ref: make([]sample, 1)}
		for m, v := range values {
			r.own[0].values[m], r.ref[0].values[m] = v[0], v[1]
		}
		return r
	}
	for _, tc := range []struct {
		what string
		r    *result
		want string
	}{
		{"exact figures within one percent", both("Consume", map[metric][2]float64{allocs: {4.14, 5}, cpu: {0.82, 1}}), "PASS"},
		{"allocations", both("Consume", map[metric][2]float64{allocs: {4.15, 5}, cpu: {0.5, 1}}), "SHORT allocs 4.15 > 4.14"},
		{"CPU time without slack", both("Consume", map[metric][2]float64{allocs: {4, 5}, cpu: {0.83, 1}}), "SHORT CPU 0.83 > 0.82"},
		{"a rate", both("Consume@5ms", map[metric][2]float64{rate: {17, 10}}), "SHORT rate 1.7 < 1.8"},
		{
			"several", both("Next", map[metric][2]float64{allocs: {6, 39}, user: {1, 2}, rate: {1, 1}}),
			"SHORT allocs 6 > 5.05, user 0.5 > 0.4, rate 1 < 1.35",
		},
		{"one round trip and some work", both("RoundTrips/KVKeys", map[metric][2]float64{roundTrips: {1.2, 2}}), "PASS"},
		{"more than one round trip", both("RoundTrips/KVKeys", map[metric][2]float64{roundTrips: {1.3, 2}}), "SHORT trips 1.3 > 1.25"},
		{
			"a measured number of round trips", both("RoundTrips/ListStreams2000", map[metric][2]float64{roundTrips: {2.5, 9}}),
			"SHORT trips 2.5 > 2.4",
		},
		{"no target", both("ObjectPut1G", map[metric][2]float64{allocs: {1, 1}}), "-"},
	} {
		if got := verdict(tc.r); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
}

func TestSummaryListsWhatIsShort(t *testing.T) {
	t.Parallel()
	pass := &result{name: "Consume@5ms", own: samples(rate, 2), ref: samples(rate, 1)}
	short := &result{name: "Consume@25ms", own: samples(rate, 1), ref: samples(rate, 1)}
	unjudged := &result{name: "ObjectPut1G", own: samples(rate, 1), ref: samples(rate, 2)}
	want := "1 of 2 workloads meet their targets; short: Consume@25ms.\n"
	if got := summary([]*result{pass, short, unjudged}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRowShowsBothTheLimitAndStalls(t *testing.T) {
	t.Parallel()
	r := &result{name: "ObjectPut1G", own: samples(cpu, 2), ref: samples(cpu, 4), limits: samples(cpu, 1)}
	r.own[0].values[allocs], r.ref[0].values[allocs], r.limits[0].values[allocs] = 5, 10, 3
	r.ref[0].stalls = 2
	got := strings.Join(strings.Fields(row(r)), " ")
	for _, want := range []string{"ObjectPut1G 5.0 / 10.0", "x0.50 ±0%", "x0.25 3.0", "- (most stalls 0 / 2)"} {
		if !strings.Contains(got, want) {
			t.Errorf("the row %q lacks %q", got, want)
		}
	}
}
