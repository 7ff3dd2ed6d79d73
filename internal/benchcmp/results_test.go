package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/jetstream/internal/workload"
)

func TestPicturesAreDrawnFromWhatWasKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &result{name: "Consume", own: samples(cpu, 1), ref: samples(cpu, 2)}
	if err := save(filepath.Join(dir, "bench", compareFile), keep([]*result{r})); err != nil {
		t.Fatal(err)
	}
	dimensions := workload.Growth()
	g := newGrowth(&dimensions[0])
	g.Curves = []curve{{Kind: "Consume", Points: []growthPoint{{At: 1, Ours: costs{CPU: 1}, Ref: costs{CPU: 2}}}}}
	if err := save(filepath.Join(dir, "bench", growthFile(g.Dimension)), g); err != nil {
		t.Fatal(err)
	}
	if err := draw(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"overview.svg":                   ">0.50<",
		"growth-" + g.Dimension + ".svg": g.Title,
	} {
		svg, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(svg), want) {
			t.Errorf("%s lacks %q", name, want)
		}
	}
}

// Part of the table can be measured again.
func TestWhatIsNotMeasuredStaysAsItWas(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), compareFile)
	measured := func(figure float64, names ...string) []*result {
		var out []*result
		for _, name := range names {
			out = append(out, &result{name: name, own: samples(cpu, figure), ref: samples(cpu, 1)})
		}
		return out
	}
	for _, results := range [][]*result{
		measured(1, "Publish", "Next"),
		measured(2, "Next", "Consume"),
	} {
		if err := saveComparisons(file, results); err != nil {
			t.Fatal(err)
		}
	}
	var kept []comparison
	if err := load(file, &kept); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	var order []string
	for _, c := range kept {
		got[c.Workload] = c.Ratio.CPU
		order = append(order, c.Workload)
	}
	if want := []string{"Publish", "Consume", "Next"}; !slices.Equal(order, want) {
		t.Errorf("kept are %v, want %v", order, want)
	}
	if got["Publish"] != 1 || got["Next"] != 2 || got["Consume"] != 2 {
		t.Errorf("ratios are %v", got)
	}
}

func TestDrawingNeedsNoFiles(t *testing.T) {
	t.Parallel()
	if err := draw(t.TempDir()); err != nil {
		t.Error(err)
	}
}

func TestOverviewNamesExistingWorkloads(t *testing.T) {
	t.Parallel()
	all := workload.All()
	for _, o := range overview {
		if !slices.ContainsFunc(all, func(w workload.Workload) bool { return w.Name == o.workload }) {
			t.Errorf("there is no workload %q", o.workload)
		}
	}
}

func TestRemarksOnCurves(t *testing.T) {
	t.Parallel()
	point := func(at int, ours, ref float64) growthPoint {
		return growthPoint{At: at, Ours: costs{CPU: ours}, Ref: costs{CPU: ref}}
	}
	c := curve{Kind: "Consume", Points: []growthPoint{point(1, 2, 3), point(10, 2.1, 1.8), point(100, 3, 4)}}
	grown := "  Consume at 100: grown from 2.00 µs to 3.00 µs\n"
	above := "  Consume at 10: above the reference, 2.10 µs to 1.80 µs\n"
	if got := remarks(c, false); got != above+grown {
		t.Errorf("the remarks are\n%s", got)
	}
	if got := remarks(c, true); got != above {
		t.Errorf("the remarks on what may grow are\n%s", got)
	}
}
