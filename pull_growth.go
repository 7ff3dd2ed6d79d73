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
	fitting int // messages of that size in grownBytes, for reached > 0
}

// averageUnit keeps the average from getting stuck in rounding.
const averageUnit = 64

// double is called when the window has proved too small. base is what it was set
// to.
func (g *pullGrowth) double(base, most int) {
	g.reached = min(2*g.window(base), most)
	g.fit()
}

// note records the size of a message. Larger ones count sooner than smaller ones,
// for the average is there to keep a flood away.
func (g *pullGrowth) note(size int) {
	step := size*averageUnit - g.average
	if step > 0 {
		step /= 8
	} else {
		step /= 64
	}
	if step != 0 {
		g.average += step
		g.fit()
	}
}

// fit is called when the average has changed, and when the window grows, which can be
// before there is one.
func (g *pullGrowth) fit() { g.fitting = grownBytes * averageUnit / max(g.average, averageUnit) }

// window returns how many messages may be requested or buffered, at least base.
func (g *pullGrowth) window(base int) int {
	if g.reached <= base {
		return base
	}
	return max(base, min(g.reached, g.fitting))
}
