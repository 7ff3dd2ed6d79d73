// Command tuning measures what the options of consuming do, for the guide in
// docs/tuning.md. It writes the figures as JSON, a plot of each measurement as
// SVG, and a table of each into the guide.
//
//	go run ./internal/tuning -docs docs
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"example.com/jetstream/internal/plot"
)

// chart is a measurement: series over the same values of one option.
type chart struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Option string   `json:"option"`
	Values []int    `json:"values"`
	Unit   string   `json:"unit"`
	Log    bool     `json:"log,omitempty"`
	Series []series `json:"series"`
	// Beside has series of another unit, which are in the table only.
	Beside []series `json:"beside,omitempty"`
}

type series struct {
	Name    string    `json:"name"`
	Figures []float64 `json:"figures"`
}

// repeated returns a series of one figure as one of n equal figures.
func (s series) repeated(n int) series {
	return series{Name: s.Name, Figures: slices.Repeat(s.Figures, n)}
}

// report is what is written to the JSON file.
type report struct {
	Date   string  `json:"date"`
	System string  `json:"system"`
	Charts []chart `json:"charts"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	docs := flag.String("docs", "docs", "the directory of the guide")
	draw := flag.Bool("draw", false, "measure nothing, and draw the figures there are")
	flag.Parse()
	err := run(ctx, *docs, *draw)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tuning:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, docs string, drawOnly bool) error {
	file := filepath.Join(docs, "tuning", "figures.json")
	if drawOnly {
		result, err := load(file)
		if err != nil {
			return err
		}
		return publish(docs, result)
	}
	result, err := measureAll(ctx)
	if err != nil {
		return err
	}
	if err := save(file, result); err != nil {
		return err
	}
	return publish(docs, result)
}

// measureAll runs all experiments and prints what they show.
func measureAll(ctx context.Context) (*report, error) {
	result := &report{
		Date:   time.Now().UTC().Format(time.DateOnly),
		System: fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()),
	}
	for _, measure := range experiments {
		measured, err := measure(ctx, full)
		if err != nil {
			return nil, err
		}
		fmt.Print(table(measured), "\n")
		result.Charts = append(result.Charts, measured)
	}
	return result, nil
}

func load(file string) (*report, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	result := new(report)
	return result, json.Unmarshal(content, result)
}

func save(file string, result *report) error {
	content, err := json.MarshalIndent(result, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(content, '\n'), 0o644)
}

// publish writes the plots, and the tables into their places in the guide.
func publish(docs string, result *report) error {
	guide := filepath.Join(docs, "tuning.md")
	content, err := os.ReadFile(guide)
	if err != nil {
		return err
	}
	text := string(content)
	for i := range result.Charts {
		c := &result.Charts[i]
		if err := os.WriteFile(filepath.Join(docs, "tuning", c.Name+".svg"), draw(c), 0o644); err != nil {
			return err
		}
		if text, err = replaceBetween(text, c.Name, "\n"+table(*c)+"\n"); err != nil {
			return fmt.Errorf("%s: %w", guide, err)
		}
	}
	if text, err = replaceBetween(text, "system", fmt.Sprintf("\nMeasured on %s: %s.\n", result.Date, result.System)); err != nil {
		return fmt.Errorf("%s: %w", guide, err)
	}
	return os.WriteFile(guide, []byte(text), 0o644)
}

// replaceBetween replaces what stands between the two marks with a name.
func replaceBetween(text, name, content string) (string, error) {
	begin, end := "<!-- measured: "+name+" -->\n", "<!-- end: "+name+" -->\n"
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("there is no place for %s", name)
	}
	return before + begin + content + end + after, nil
}

// table renders the figures in Markdown.
func table(c chart) string {
	var out strings.Builder
	columns := slices.Concat(c.Series, c.Beside)
	out.WriteString("| " + c.Option + " |")
	for _, s := range columns {
		out.WriteString(" " + s.Name + " |")
	}
	out.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	for i, value := range c.Values {
		fmt.Fprintf(&out, "| %d |", value)
		for _, s := range columns {
			out.WriteString(" " + figure(s.Figures[i]) + " |")
		}
		out.WriteString("\n")
	}
	return out.String()
}

// figure renders a number with three significant digits.
func figure(f float64) string {
	switch {
	case f == 0:
		return "0"
	case f >= 100:
		return plot.Number(math.Round(f))
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}
