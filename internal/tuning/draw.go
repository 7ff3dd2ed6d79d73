package main

import "example.com/jetstream/internal/plot"

// draw renders a chart as SVG.
func draw(c *chart) []byte {
	picture := plot.Chart{Title: c.Title, XLabel: c.Option, YLabel: c.Unit, LogY: c.Log}
	for i, s := range c.Series {
		curve := plot.Series{Name: s.Name, Color: i}
		for at, value := range c.Values {
			curve.Points = append(curve.Points, plot.Point{X: float64(value), Y: s.Figures[at]})
		}
		picture.Series = append(picture.Series, curve)
	}
	return picture.SVG()
}
