package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"example.com/jetstream/internal/workload"
)

// worse is how much more a curve may show before it is called worse: CPU time is
// not exact.
const worse = 1.1

const growthFormat = "%-12s %-13s %9d %18s %18s %18s\n"

// measureGrowth runs the dimensions whose names match, prints what they cost and
// calls done with it.
func measureGrowth(ctx context.Context, c cores, match *regexp.Regexp, rounds int, done func(growth) error) (err error) {
	urls, stop, err := startChild(c, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	fmt.Println("Ours and the reference's: µs CPU, allocations and messages a second.")
	dimensions := workload.Growth()
	for i := range dimensions {
		d := &dimensions[i]
		if !match.MatchString(d.Name) {
			continue
		}
		g := newGrowth(d)
		for _, kind := range d.Kinds {
			line := curve{Kind: kind.Name}
			for _, point := range d.Points {
				w := kind.At(point)
				w.Name = fmt.Sprintf("%s/%s/%d", d.Name, kind.Name, point)
				r, err := measureOn(ctx, c, urls, &w, rounds, w.N)
				if err != nil {
					return fmt.Errorf("%s: %w", w.Name, err)
				}
				fmt.Printf(growthFormat, d.Name, kind.Name, point, pair(r, cpu, 2), pair(r, allocs, 1), pair(r, rate, 0))
				line.Points = append(line.Points, growthPoint{At: point, Ours: costsOf(r.ours), Ref: costsOf(r.theirs)})
			}
			fmt.Print(remarks(line, d.Name == "payload"))
			g.Curves = append(g.Curves, line)
		}
		if err := done(g); err != nil {
			return err
		}
	}
	return nil
}

func costsOf(of func(metric) float64) costs { return costs{of(cpu), of(allocs), of(rate)} }

// remarks says where a curve is above the reference's, and where it grows. What
// a message costs grows with its size, of course.
func remarks(c curve, grows bool) string {
	var out strings.Builder
	least := math.Inf(1)
	for _, p := range c.Points {
		if p.Ours.CPU > p.Ref.CPU*worse {
			fmt.Fprintf(&out, "  %s at %d: above the reference, %.2f µs to %.2f µs\n", c.Kind, p.At, p.Ours.CPU, p.Ref.CPU)
		}
		if !grows && p.Ours.CPU > least*worse {
			fmt.Fprintf(&out, "  %s at %d: grown from %.2f µs to %.2f µs\n", c.Kind, p.At, least, p.Ours.CPU)
		}
		least = min(least, p.Ours.CPU)
	}
	return out.String()
}
