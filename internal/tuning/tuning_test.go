package main

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// TestMeasurementsWork runs each measurement on so little that the figures mean
// nothing, and draws it.
func TestMeasurementsWork(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	small := size{messages: 600, slow: 20, settle: 50 * time.Millisecond, rounds: 1, short: true}
	for _, measure := range experiments {
		c, err := measure(ctx, small)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if len(c.Values) != 2 || len(c.Series) == 0 {
			t.Errorf("%s has %d values and %d series", c.Name, len(c.Values), len(c.Series))
		}
		for _, s := range c.Series {
			if len(s.Figures) != len(c.Values) {
				t.Errorf("%s, %s: %d figures", c.Name, s.Name, len(s.Figures))
			}
			for _, f := range s.Figures {
				if f < 0 || math.IsInf(f, 0) || math.IsNaN(f) {
					t.Errorf("%s, %s: %v", c.Name, s.Name, s.Figures)
				}
			}
		}
		checkXML(t, draw(&c))
	}
}

func checkXML(t *testing.T, picture string) {
	t.Helper()
	for decoder := xml.NewDecoder(strings.NewReader(picture)); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
		}
	}
}

func TestAxis(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		log       bool
		want      []float64
	}{
		{0, 4.2, false, []float64{0, 1, 2, 3, 4, 5}},
		{0, 49, false, []float64{0, 10, 20, 30, 40, 50}},
		{0, 0, false, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{90, 120_000, true, []float64{10, 100, 1000, 10_000, 100_000, 1_000_000}},
	} {
		got := newAxis(test.low, test.high, test.log)
		if len(got.ticks) != len(test.want) {
			t.Errorf("axis of %v to %v: %v, want %v", test.low, test.high, got.ticks, test.want)
			continue
		}
		for i, want := range test.want {
			if math.Abs(got.ticks[i]-want) > 1e-9*max(want, 1) {
				t.Errorf("axis of %v to %v: %v, want %v", test.low, test.high, got.ticks, test.want)
			}
		}
		if y := got.y(test.high); y < top || y > top+innerHeight {
			t.Errorf("%v stands at %v", test.high, y)
		}
	}
}

func TestTable(t *testing.T) {
	got := table(chart{Option: "x", Values: []int{1, 2}, Series: []series{{"a", []float64{1234567, 0}}}, Beside: []series{{"b", []float64{12.34, 0.123}}}})
	want := "| x | a | b |\n|---|---:|---:|\n| 1 | 1,234,567 | 12.3 |\n| 2 | 0 | 0.12 |\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReplaceBetween(t *testing.T) {
	const text = "a\n<!-- measured: x -->\nold\n<!-- end: x -->\nb\n"
	got, err := replaceBetween(text, "x", "new\n")
	if err != nil || got != "a\n<!-- measured: x -->\nnew\n<!-- end: x -->\nb\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := replaceBetween(text, "y", ""); err == nil {
		t.Error("no error without a place")
	}
}
