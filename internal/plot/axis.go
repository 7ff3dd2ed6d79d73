package plot

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// wantedTicks is about how many ticks a linear axis gets.
const wantedTicks = 5

// axis maps values to coordinates.
type axis struct {
	min, max float64
	log      bool
	ticks    []float64
	// from and to are the coordinates of min and max.
	from, to float64
}

// linearAxis covers 0 and all values, up to a round number.
func linearAxis(values []float64) axis {
	top := slices.Max(values)
	if top <= 0 {
		top = 1
	}
	step := niceStep(top / wantedTicks)
	a := axis{max: math.Ceil(top/step-1e-9) * step}
	for i := 0.0; i*step <= a.max+step/2; i++ {
		a.ticks = append(a.ticks, i*step)
	}
	return a
}

// logAxis covers all values, which must be positive, in whole decades.
func logAxis(values []float64) axis {
	a := axis{log: true}
	low := math.Floor(math.Log10(slices.Min(values)) + 1e-9)
	high := math.Ceil(math.Log10(slices.Max(values)) - 1e-9)
	if high <= low {
		high = low + 1
	}
	a.min, a.max = math.Pow(10, low), math.Pow(10, high)
	for e := low; e <= high; e++ {
		a.ticks = append(a.ticks, math.Pow(10, e))
	}
	return a
}

// spanning is a logarithmic axis from the first to the last of the points, which
// are its ticks.
func spanning(points []float64) axis {
	a := axis{log: true, ticks: points, min: slices.Min(points), max: slices.Max(points)}
	if a.max == a.min {
		a.max = a.min * 2
	}
	return a
}

// at returns the coordinate of a value.
func (a axis) at(v float64) float64 {
	part := (v - a.min) / (a.max - a.min)
	if a.log {
		part = math.Log(v/a.min) / math.Log(a.max/a.min)
	}
	return a.from + part*(a.to-a.from)
}

// niceStep returns the smallest of 1, 2, 5, 10, 20, 50 … and their fractions that
// is not below v.
func niceStep(v float64) float64 {
	magnitude := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if step := m * magnitude; step >= v*(1-1e-9) {
			return step
		}
	}
	return 10 * magnitude
}

// Number writes a value with no more digits than it needs, and with commas
// between thousands.
func Number(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if rounded := strconv.FormatFloat(v, 'f', 6, 64); len(rounded) < len(s) {
		s = strings.TrimRight(strings.TrimRight(rounded, "0"), ".")
	}
	whole, fraction, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}

// Bytes writes a size in the largest unit that makes it a whole number.
func Bytes(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB"}
	i := 0
	for i < len(units)-1 && v >= 1024 && math.Mod(v, 1024) == 0 {
		v /= 1024
		i++
	}
	return Number(v) + " " + units[i]
}
