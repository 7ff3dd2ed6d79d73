package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"testing"
	"time"
)

// TestMeasurementsWork runs each measurement on so little that the figures mean
// nothing, and draws it.
func TestMeasurementsWork(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
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

func checkXML(t *testing.T, picture []byte) {
	t.Helper()
	for decoder := xml.NewDecoder(bytes.NewReader(picture)); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
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
