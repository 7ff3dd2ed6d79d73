package plot

import "strconv"

// Bars compares groups of values with a mark, such as 1 for ratios. Each group
// has one value for each of Names.
type Bars struct {
	Title, Note string
	Names       []string
	Groups      []Group
	// Mark is where a line is drawn, described by MarkText.
	Mark     float64
	MarkText string
}

// Group are the bars that stand together.
type Group struct {
	Label  string
	Values []float64
}

const (
	barsWidth  = 720.0
	labelWidth = 190.0
	valueWidth = 48.0
	barHeight  = 8.0
	groupGap   = 9.0
	barsTop    = 74.0
	barsBottom = 44.0
)

// SVG draws the bars.
func (b Bars) SVG() []byte {
	groupHeight := barHeight*float64(len(b.Names)) + groupGap
	height := barsTop + groupHeight*float64(len(b.Groups)) + barsBottom
	values := []float64{b.Mark}
	for _, g := range b.Groups {
		values = append(values, g.Values...)
	}
	x := linearAxis(values)
	x.from, x.to = labelWidth, barsWidth-valueWidth

	out := newCanvas(barsWidth, height, b.Title)
	out.text(16, 22, fromStart, "title", b.Title)
	b.legend(out)
	bottom := height - barsBottom
	for _, v := range x.ticks {
		out.line(x.at(v), barsTop-6, x.at(v), bottom, "grid")
		out.text(x.at(v), bottom+lineHeight, centered, "", Number(v))
	}
	for i, g := range b.Groups {
		top := barsTop + groupHeight*float64(i)
		out.text(labelWidth-10, top+(groupHeight-groupGap)/2+fontSize/3, toEnd, "", g.Label)
		for j, v := range g.Values {
			y := top + barHeight*float64(j)
			out.rect(x.from, y, max(x.at(v)-x.from, 1), barHeight-1, color(j))
		}
		if len(g.Values) > 0 {
			out.text(x.at(g.Values[0])+5, top+barHeight-0.5, fromStart, "", strconv.FormatFloat(g.Values[0], 'f', 2, 64))
		}
	}
	out.line(x.at(b.Mark), barsTop-6, x.at(b.Mark), bottom, "mark")
	out.text(x.at(b.Mark), barsTop-10, centered, "", b.MarkText)
	out.text(16, height-8, fromStart, "", b.Note)
	return out.finish()
}

func (b Bars) legend(out *canvas) {
	x := 16.0
	for i, name := range b.Names {
		out.rect(x, 34, 12, barHeight, color(i))
		out.text(x+18, 42, fromStart, "", name)
		x += 18 + charWidth*float64(len(name)) + 20
	}
}
