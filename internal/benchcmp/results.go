package main

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"

	"example.com/jetstream/internal/plot"
	"example.com/jetstream/internal/workload"
)

// The pictures are drawn from these files, so that they can be drawn again
// without measuring.
const compareFile = "compare.json"

func growthFile(dimension string) string { return "growth-" + dimension + ".json" }

// comparison is what is kept of a workload.
type comparison struct {
	Workload string  `json:"workload"`
	Rounds   int     `json:"rounds"`
	Ours     figures `json:"ours"`
	Ref      figures `json:"reference"`
	Ratio    figures `json:"ratio"`
	Verdict  string  `json:"verdict"`
}

// figures are per operation, or ratios.
type figures struct {
	Rate   float64 `json:"rate"`
	CPU    float64 `json:"cpu_us"`
	User   float64 `json:"user_us"`
	Allocs float64 `json:"allocs"`
	Bytes  float64 `json:"bytes"`
}

func figuresOf(of func(metric) float64) figures {
	finite := func(m metric) float64 {
		// JSON has no word for the ratio to something that was too little to be
		// measured.
		if v := of(m); !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
		return 0
	}
	return figures{finite(rate), finite(cpu), finite(user), finite(allocs), finite(bytesAllocated)}
}

func keep(results []*result) []comparison {
	out := make([]comparison, len(results))
	for i, r := range results {
		out[i] = comparison{
			Workload: r.name, Rounds: len(r.own), Verdict: verdict(r),
			Ours: figuresOf(r.ours), Ref: figuresOf(r.theirs), Ratio: figuresOf(r.ratio),
		}
	}
	return out
}

// merge returns the comparisons of all workloads, the newer ones in place of those
// kept before, in the order of the table.
func merge(before, now []comparison) []comparison {
	newestFirst := slices.Concat(now, before)
	var out []comparison
	all := workload.All()
	for i := range all {
		at := slices.IndexFunc(newestFirst, func(c comparison) bool { return c.Workload == all[i].Name })
		if at >= 0 {
			out = append(out, newestFirst[at])
		}
	}
	return out
}

// saveComparisons puts results into a file, which keeps what they are not about.
func saveComparisons(path string, results []*result) error {
	var before []comparison
	if err := load(path, &before); err != nil && !os.IsNotExist(err) {
		return err
	}
	return save(path, merge(before, keep(results)))
}

func save(path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func load(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// overview are the workloads in the picture of the README, and what readers who
// do not know the names call them.
var overview = []struct{ workload, label string }{
	{"Publish", "Publish"},
	{"PublishAsync", "PublishAsync"},
	{"Consume", "Consume"},
	{"ConsumeAck", "Consume, Ack"},
	{"Messages", "Messages"},
	{"MessagesAck", "Messages, Ack"},
	{"Fetch100", "Fetch(100)"},
	{"Next", "Next"},
	{"FetchBytes64K", "FetchBytes(64 KiB)"},
	{"OrderedConsume", "ordered Consume"},
	{"KVPut", "KeyValue Put"},
	{"KVGet", "KeyValue Get"},
	{"KVKeys", "KeyValue Keys"},
	{"KVWatchAll", "KeyValue WatchAll"},
	{"ObjectPut64M", "ObjectStore Put"},
	{"ObjectGet64M", "ObjectStore Get"},
	{"ObjectGetBytes64M", "ObjectStore GetBytes"},
	{"StreamInfos2000", "ListStreams"},
}

// draw makes the pictures in dir of the files in its folder bench. Files that are
// not there have no pictures.
func draw(dir string) error {
	var compared []comparison
	err := drawFrom(dir, compareFile, &compared, "overview.svg", func() []byte { return overviewBars(compared).SVG() })
	for _, d := range workload.Growth() {
		var g growth
		err = errors.Join(err, drawFrom(dir, growthFile(d.Name), &g, "growth-"+d.Name+".svg", func() []byte {
			return g.chart().SVG()
		}))
	}
	return err
}

// drawFrom loads a file into v and writes the picture of that, unless there is no
// such file.
func drawFrom(dir, file string, v any, name string, picture func() []byte) error {
	err := load(filepath.Join(dir, "bench", file), v)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), picture(), 0o644)
}

func overviewBars(compared []comparison) plot.Bars {
	bars := plot.Bars{
		Title: "Cost of each message, key or MiB, compared with the reference",
		Note:  "Below 1 is better. The numbers are those for CPU time of the client.",
		Names: []string{"CPU time", "allocations"},
		Mark:  1, MarkText: "reference",
	}
	for _, o := range overview {
		for i := range compared {
			if c := &compared[i]; c.Workload == o.workload {
				bars.Groups = append(bars.Groups, plot.Group{Label: o.label, Values: []float64{c.Ratio.CPU, c.Ratio.Allocs}})
			}
		}
	}
	return bars
}

// growth is what a dimension was measured to cost.
type growth struct {
	Dimension string  `json:"dimension"`
	Title     string  `json:"title"`
	Label     string  `json:"label"`
	Curves    []curve `json:"curves"`
}

// curve are the costs of one job by both implementations.
type curve struct {
	Kind   string        `json:"kind"`
	Points []growthPoint `json:"points"`
}

type growthPoint struct {
	At   int   `json:"at"`
	Ours costs `json:"ours"`
	Ref  costs `json:"reference"`
}

// costs are those of one message.
type costs struct {
	CPU    float64 `json:"cpu_us"`
	Allocs float64 `json:"allocs"`
	Rate   float64 `json:"rate"`
}

// chart draws CPU time for each message. It shares a color among both
// implementations only if there is more than one job.
func (g growth) chart() plot.Chart {
	c := plot.Chart{Title: g.Title, XLabel: g.Label, YLabel: "CPU time of the client, µs a message"}
	if g.Dimension == "payload" {
		c.LogY, c.XText = true, plot.Bytes
	}
	for i, curve := range g.Curves {
		ours := plot.Series{Name: "ours", Color: 2 * i}
		ref := plot.Series{Name: "reference", Color: 2*i + 1, Dashed: true}
		if len(g.Curves) > 1 {
			ours.Name, ref.Name = curve.Kind+", ours", curve.Kind+", reference"
		}
		for _, p := range curve.Points {
			ours.Points = append(ours.Points, plot.Point{X: float64(p.At), Y: p.Ours.CPU})
			ref.Points = append(ref.Points, plot.Point{X: float64(p.At), Y: p.Ref.CPU})
		}
		c.Series = append(c.Series, ours, ref)
	}
	return c
}

// newGrowth returns a dimension without curves.
func newGrowth(d *workload.Dimension) growth {
	return growth{Dimension: d.Name, Title: d.Title, Label: d.Label}
}
