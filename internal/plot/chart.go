package plot

// Point is a value at a position.
type Point struct {
	X, Y float64
}

// Series is one curve.
type Series struct {
	Name   string
	Points []Point
	// Color is the number of the color. Curves that belong together share one,
	// and differ in Dashed.
	Color  int
	Dashed bool
}

// Chart are curves over a logarithmic horizontal axis that has a tick at each
// position. Each series has at least one point, and positions are positive.
type Chart struct {
	Title, XLabel, YLabel string
	Series                []Series
	// LogY makes the vertical axis logarithmic; values must then be positive.
	// Otherwise it begins at zero.
	LogY bool
	// XText writes a position; nil stands for [Number].
	XText func(float64) string
}

const (
	chartWidth, chartHeight = 760.0, 360.0
	marginLeft, marginRight = 72.0, 32.0
	marginTop, marginBottom = 64.0, 56.0
	tickLength              = 4.0
)

// SVG draws the chart.
func (c Chart) SVG() []byte {
	x, y := c.axes()
	out := newCanvas(chartWidth, chartHeight, c.Title)
	out.text(marginLeft, 22, fromStart, "title", c.Title)
	c.legend(out)
	write := c.XText
	if write == nil {
		write = Number
	}
	for _, v := range y.ticks {
		at := y.at(v)
		out.line(x.from, at, x.to, at, "grid")
		out.text(x.from-tickLength*2, at+fontSize/3, toEnd, "", Number(v))
	}
	for _, v := range x.ticks {
		at := x.at(v)
		out.line(at, y.from, at, y.from+tickLength, "axis")
		out.text(at, y.from+lineHeight+tickLength, centered, "", write(v))
	}
	out.line(x.from, y.from, x.to, y.from, "axis")
	out.line(x.from, y.from, x.from, y.to, "axis")
	out.text((x.from+x.to)/2, chartHeight-12, centered, "", c.XLabel)
	out.upright(18, (y.from+y.to)/2, c.YLabel)
	for _, s := range c.Series {
		s.draw(out, x, y)
	}
	return out.finish()
}

func (c Chart) axes() (x, y axis) {
	var xs, ys []float64
	seen := make(map[float64]bool)
	for _, s := range c.Series {
		for _, p := range s.Points {
			ys = append(ys, p.Y)
			if !seen[p.X] {
				seen[p.X] = true
				xs = append(xs, p.X)
			}
		}
	}
	x = spanning(xs)
	if y = linearAxis(ys); c.LogY {
		y = logAxis(ys)
	}
	x.from, x.to = marginLeft, chartWidth-marginRight
	y.from, y.to = chartHeight-marginBottom, marginTop
	return x, y
}

func (c Chart) legend(out *canvas) {
	const swatch = 22
	x := marginLeft
	for _, s := range c.Series {
		y := 42.0
		out.addf(`<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s" stroke="%s"/>`+"\n",
			num(x), num(y-fontSize/3), num(x+swatch), num(y-fontSize/3), s.class(), color(s.Color))
		out.text(x+swatch+6, y, fromStart, "", s.Name)
		x += swatch + 6 + charWidth*float64(len(s.Name)) + 18
	}
}

func (s Series) class() string {
	if s.Dashed {
		return "line dash"
	}
	return "line"
}

func (s Series) draw(out *canvas, x, y axis) {
	out.addf(`<polyline class="%s" stroke="%s" points="`, s.class(), color(s.Color))
	for i, p := range s.Points {
		if i > 0 {
			out.addf(" ")
		}
		out.addf("%s,%s", num(x.at(p.X)), num(y.at(p.Y)))
	}
	out.addf(`"/>` + "\n")
	for _, p := range s.Points {
		out.addf(`<circle cx="%s" cy="%s" r="3" fill="%s"/>`+"\n", num(x.at(p.X)), num(y.at(p.Y)), color(s.Color))
	}
}
