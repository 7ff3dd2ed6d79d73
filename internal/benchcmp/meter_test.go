package main

import (
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 2, 9}, 3},
	} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("median(%v) = %v, want %v", tc.values, got, tc.want)
		}
	}
}

func TestTableShowsMedianOfPairedRatios(t *testing.T) {
	t.Parallel()
	lines := strings.Split(rows("Next",
		[]sample{{opsPerSec: 200, allocs: 5}, {opsPerSec: 400, allocs: 5}, {opsPerSec: 900, allocs: 5}},
		[]sample{{opsPerSec: 100, allocs: 10}, {opsPerSec: 400, allocs: 10}, {opsPerSec: 100, allocs: 10, stalls: 2}}), "\n")
	for i, want := range map[int]string{
		0: "Next ops/s 400 100 x2.000",
		3: "allocs/op 5.00 10.00 x0.500",
		6: "most stalls 0 2",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("row %d is %q, want %q", i, got, want)
		}
	}
}
