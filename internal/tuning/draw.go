package main

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// The sizes of a plot, in pixels.
const (
	plotWidth, plotHeight     = 720, 360
	left, right, top, bottom  = 70, 30, 60, 70
	innerWidth, innerHeight   = plotWidth - left - right, plotHeight - top - bottom
	legendStep, legendPerChar = 24, 7
)

// plotStyle makes a plot readable on light and dark pages.
const plotStyle = `text{font:13px sans-serif;fill:#333}.title{font-weight:bold;font-size:15px}.grid{stroke:#ddd}` +
	`.s0{stroke:#1668c7;fill:#1668c7}.s1{stroke:#c2410c;fill:#c2410c}.s2{stroke:#15803d;fill:#15803d}path{fill:none!important;stroke-width:2}` +
	`@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}` +
	`.s0{stroke:#6ab0ff;fill:#6ab0ff}.s1{stroke:#ff9d5c;fill:#ff9d5c}.s2{stroke:#5fd38d;fill:#5fd38d}}`

// draw renders a chart as SVG. Values of the option stand at equal distances.
func draw(c *chart) string {
	low, high := math.Inf(1), 0.0
	for _, s := range c.Series {
		for _, f := range s.Figures {
			low, high = min(low, f), max(high, f)
		}
	}
	axis := newAxis(low, high, c.Log)
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label=%q>`+"\n", plotWidth, plotHeight, html.EscapeString(c.Title))
	fmt.Fprintf(&out, "<style>%s</style>\n", plotStyle)
	fmt.Fprintf(&out, `<text class="title" x="%d" y="22">%s</text>`+"\n", left, html.EscapeString(c.Title))
	for _, tick := range axis.ticks {
		y := axis.y(tick)
		fmt.Fprintf(&out, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, plotWidth-right, y, y, left-8, y+4, tickLabel(tick))
	}
	for i, value := range c.Values {
		fmt.Fprintf(&out, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", xAt(i, len(c.Values)), plotHeight-bottom+20, strconv.Itoa(value))
	}
	fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", left+innerWidth/2, plotHeight-bottom+42, html.EscapeString(c.Option))
	legend := left
	for n, s := range c.Series {
		var path strings.Builder
		for i, f := range s.Figures {
			x, y := xAt(i, len(c.Values)), axis.y(f)
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], x, y)
			fmt.Fprintf(&out, `<circle class="s%d" cx="%.1f" cy="%.1f" r="3.5"/>`, n, x, y)
		}
		fmt.Fprintf(&out, `<path class="s%d" d="%s"/>`, n, path.String())
		fmt.Fprintf(&out, `<rect class="s%d" x="%d" y="36" width="12" height="4"/><text x="%d" y="43">%s</text>`+"\n", n, legend, legend+18, html.EscapeString(s.Name))
		legend += legendStep + 18 + legendPerChar*len(s.Name)
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// xAt returns where the i-th of n values of the option stands.
func xAt(i, n int) float64 {
	return left + float64(innerWidth)*(float64(i)+0.5)/float64(n)
}

// axis maps figures to heights.
type axis struct {
	from, to float64
	log      bool
	ticks    []float64
}

// newAxis returns an axis that shows figures between low and high, with a tick
// for each power of ten if it is logarithmic, and about five from zero if not.
func newAxis(low, high float64, log bool) axis {
	if high <= 0 {
		high = 1
	}
	if log {
		a := axis{from: math.Floor(math.Log10(max(low, 1e-9))), to: math.Ceil(math.Log10(high)), log: true}
		for e := a.from; e <= a.to; e++ {
			a.ticks = append(a.ticks, math.Pow(10, e))
		}
		return a
	}
	power := math.Pow(10, math.Floor(math.Log10(high/4)))
	step := power
	for _, factor := range []float64{2, 5, 10} {
		if high/step > 6 {
			step = power * factor
		}
	}
	a := axis{to: math.Ceil(high/step) * step}
	for tick := 0.0; tick <= a.to+step/2; tick += step {
		a.ticks = append(a.ticks, tick)
	}
	return a
}

// y returns the height of a figure.
func (a axis) y(f float64) float64 {
	if a.log {
		f = math.Log10(max(f, 1e-9))
	}
	return top + float64(innerHeight)*(1-(f-a.from)/(a.to-a.from))
}

func tickLabel(f float64) string {
	switch {
	case f >= 1_000_000:
		return fmt.Sprintf("%gM", f/1_000_000)
	case f >= 1000:
		return fmt.Sprintf("%gk", f/1000)
	default:
		return fmt.Sprintf("%g", math.Round(f*100)/100)
	}
}
