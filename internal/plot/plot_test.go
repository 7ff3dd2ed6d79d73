package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// parse returns the texts of a picture, and fails if it is not well formed.
func parse(t *testing.T, svg []byte) []string {
	t.Helper()
	var texts []string
	inText := false
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatalf("not well formed: %v\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
			for _, a := range token.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s has %s=%q", token.Name.Local, a.Name.Local, a.Value)
				}
			}
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText {
				texts = append(texts, string(token))
			}
		}
	}
}

func TestTextsAreEscaped(t *testing.T) {
	t.Parallel()
	nasty := `a < b & "c" > 'd'`
	chart := Chart{
		Title: nasty, XLabel: nasty, YLabel: nasty,
		Series: []Series{{Name: nasty, Points: []Point{{1, 1}}}},
	}
	bars := Bars{
		Title: nasty, Note: nasty, MarkText: nasty, Names: []string{nasty}, Mark: 1,
		Groups: []Group{{Label: nasty, Values: []float64{1}}},
	}
	for _, svg := range [][]byte{chart.SVG(), bars.SVG()} {
		n := 0
		for _, s := range parse(t, svg) {
			if s == nasty {
				n++
			}
		}
		if n < 4 {
			t.Errorf("%d of the texts came through", n)
		}
	}
}

func TestLinearAxisHasRoundTicks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		values []float64
		want   []float64
	}{
		{[]float64{0.3, 9.7}, []float64{0, 2, 4, 6, 8, 10}},
		{[]float64{1}, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{[]float64{1100}, []float64{0, 500, 1000, 1500}},
		{[]float64{0}, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
	} {
		got := linearAxis(tc.values)
		same := slices.EqualFunc(got.ticks, tc.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
		if !same || got.min != 0 || math.Abs(got.max-tc.want[len(tc.want)-1]) > 1e-9 {
			t.Errorf("ticks of %v are %v up to %v, want %v", tc.values, got.ticks, got.max, tc.want)
		}
	}
}

func TestLogAxisCoversWholeDecades(t *testing.T) {
	t.Parallel()
	a := logAxis([]float64{0.5, 20, 300})
	if want := []float64{0.1, 1, 10, 100, 1000}; !slices.EqualFunc(a.ticks, want, func(a, b float64) bool { return math.Abs(a/b-1) < 1e-9 }) {
		t.Errorf("ticks are %v, want %v", a.ticks, want)
	}
	a.from, a.to = 0, 400
	for v, want := range map[float64]float64{0.1: 0, 1: 100, 10: 200, 1000: 400} {
		if got := a.at(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v is at %v, want %v", v, got, want)
		}
	}
	if a := logAxis([]float64{10}); a.max <= a.min {
		t.Errorf("the axis of one value reaches from %v to %v", a.min, a.max)
	}
}

func TestChartPlacesPoints(t *testing.T) {
	t.Parallel()
	svg := Chart{
		Title: "title", XLabel: "size", YLabel: "time", XText: Bytes,
		Series: []Series{
			{Name: "ours", Points: []Point{{1024, 0}, {1 << 20, 10}}},
			{Name: "theirs", Points: []Point{{1024, 5}, {1 << 20, 10}}, Color: 1, Dashed: true},
		},
	}.SVG()
	texts := parse(t, svg)
	for _, want := range []string{"title", "size", "time", "ours", "theirs", "1 KiB", "1 MiB", "0", "10"} {
		if !slices.Contains(texts, want) {
			t.Errorf("there is no text %q", want)
		}
	}
	// From the corner of the axes to the opposite one.
	if want := `points="72,304 728,64"`; !bytes.Contains(svg, []byte(want)) {
		t.Errorf("the curve is not at %s", want)
	}
	if !bytes.Contains(svg, []byte(`class="line dash"`)) || !bytes.Contains(svg, []byte("prefers-color-scheme: dark")) {
		t.Error("the dashes or the dark style are missing")
	}
}

func TestBarsAreAsLongAsTheirValues(t *testing.T) {
	t.Parallel()
	svg := Bars{
		Names: []string{"CPU", "allocations"}, Mark: 1, MarkText: "the reference",
		Groups: []Group{{"first", []float64{0.5, 0.25}}, {"second", []float64{2, 1}}},
	}.SVG()
	texts := parse(t, svg)
	for _, want := range []string{"first", "second", "CPU", "allocations", "the reference", "0.50", "2.00"} {
		if !slices.Contains(texts, want) {
			t.Errorf("there is no text %q", want)
		}
	}
	// The axis is 482 wide and ends at 2.
	for _, want := range []string{`width="120.5"`, `width="60.3"`, `width="482"`, `width="241"`} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("there is no bar with %s", want)
		}
	}
}

func TestNumbersAndSizes(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 0.1 + 0.2: "0.3", 1234567: "1,234,567", 999: "999", 1000: "1,000", -1500.5: "-1,500.5",
	} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{100: "100 B", 1024: "1 KiB", 1500: "1,500 B", 1 << 20: "1 MiB", 64 << 10: "64 KiB"} {
		if got := Bytes(v); got != want {
			t.Errorf("Bytes(%v) = %q, want %q", v, got, want)
		}
	}
}
