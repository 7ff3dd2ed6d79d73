package jetstream

const (
	// grownWindow is how many messages the window of a consumer that nobody else
	// uses grows to at most, and grownBytes the size they may have together if
	// they are like the last ones.
	grownWindow = 8192
	grownBytes  = 16 << 20
)

// pullGrowth is how far the window of a pull engine has grown beyond what it was
// set to. It doubles each time the reader has to wait for the link. It does not
// shrink when the reader is slow, since what that would free is bounded anyway,
// but it does when messages become larger.
type pullGrowth struct {
	reached int // messages; zero if it has not grown
	average int // size of the last messages, times averageUnit
}

// averageUnit keeps the average from getting stuck in rounding.
const averageUnit = 64

// double is called when the window has proved too small. base is what it was set
// to.
func (g *pullGrowth) double(base, most int) {
	g.reached = min(2*g.window(base), most)
}

// note records the size of a message. Larger ones count sooner than smaller ones,
// for the average is there to keep a flood away.
func (g *pullGrowth) note(size int) {
	switch d := size*averageUnit - g.average; {
	case d > 0:
		g.average += d / 8
	default:
		g.average += d / 64
	}
}

// window returns how many messages may be requested or buffered, at least base.
func (g *pullGrowth) window(base int) int {
	if g.reached <= base {
		return base
	}
	return max(base, min(g.reached, grownBytes*averageUnit/max(g.average, averageUnit)))
}
