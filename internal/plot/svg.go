// Package plot draws the project's few pictures: curves over an axis, and bars
// beside a reference. A picture is an SVG file that adapts to light and dark
// backgrounds.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
)

const (
	fontSize   = 12
	lineHeight = 18
	// charWidth is a rough width of one character.
	charWidth = 6.8
)

// style has a dark variant, which viewers choose by the user's settings. The
// colors of the data are midway and serve both.
const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; font-size: 14px; }
.axis { stroke: #57606a; stroke-width: 1; fill: none; }
.grid { stroke: #57606a; stroke-width: 1; stroke-opacity: 0.2; }
.mark { stroke: #57606a; stroke-width: 1.5; stroke-dasharray: 4 3; }
.line { stroke-width: 2; fill: none; }
.dash { stroke-dasharray: 6 4; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.axis, .grid, .mark { stroke: #9da7b3; }
}
</style>
`

// palette are the colors of series, in the order in which they are used.
var palette = []string{"#3b82f6", "#e07b18", "#2da44e", "#b65cd6"}

func color(i int) string { return palette[i%len(palette)] }

// anchor is how a text lies to its position.
type anchor string

const (
	fromStart anchor = "start"
	centered  anchor = "middle"
	toEnd     anchor = "end"
)

// canvas collects the elements of a picture.
type canvas struct {
	buf bytes.Buffer
}

// newCanvas starts a picture that is described by title for those who cannot see
// it.
func newCanvas(width, height float64, title string) *canvas {
	c := new(canvas)
	c.addf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img">`+"\n",
		num(width), num(height), num(width), num(height))
	c.addf("<title>%s</title>\n", escape(title))
	c.buf.WriteString(style)
	return c
}

// finish ends the picture and returns it.
func (c *canvas) finish() []byte {
	c.buf.WriteString("</svg>\n")
	return c.buf.Bytes()
}

func (c *canvas) addf(format string, args ...any) { fmt.Fprintf(&c.buf, format, args...) }

func (c *canvas) text(x, y float64, at anchor, class, s string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	c.addf(`<text x="%s" y="%s" text-anchor="%s"%s>%s</text>`+"\n", num(x), num(y), at, class, escape(s))
}

// upright writes a text from bottom to top.
func (c *canvas) upright(x, y float64, s string) {
	c.addf(`<text transform="translate(%s %s) rotate(-90)" text-anchor="middle">%s</text>`+"\n", num(x), num(y), escape(s))
}

func (c *canvas) line(x1, y1, x2, y2 float64, class string) {
	c.addf(`<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>`+"\n", num(x1), num(y1), num(x2), num(y2), class)
}

func (c *canvas) rect(x, y, width, height float64, fill string) {
	c.addf(`<rect x="%s" y="%s" width="%s" height="%s" rx="2" fill="%s"/>`+"\n",
		num(x), num(y), num(width), num(height), fill)
}

// num writes a coordinate; a tenth of a pixel is exact enough.
func num(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func escape(s string) string {
	var buf bytes.Buffer
	// Writing to a buffer does not fail.
	_ = xml.EscapeText(&buf, []byte(s))
	return buf.String()
}
