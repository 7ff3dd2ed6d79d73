package workload_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"example.com/jetstream/internal/jstest"
	"example.com/jetstream/internal/workload"
)

var update = flag.Bool("update", false, "write the file that is made of another one")

func TestWorkloadsDoTheirWorkOnBothImplementations(t *testing.T) {
	t.Parallel()
	shared := jstest.StartServer(t)
	for _, w := range workload.All() {
		t.Run(w.Name, func(t *testing.T) {
			t.Parallel()
			s := shared
			if w.Alone {
				s = jstest.StartServer(t)
			}
			impls := []workload.Impl{workload.Ours(), workload.Ref()}
			if w.HasLimit() {
				impls = append(impls, workload.Limit())
			}
			runAll(t, s, w, impls)
		})
	}
}

func TestGrowthDoesItsWorkOnBothImplementations(t *testing.T) {
	t.Parallel()
	s := jstest.StartServer(t)
	for _, d := range workload.Growth() {
		for _, kind := range d.Kinds {
			for _, point := range []int{d.Points[0], d.Points[len(d.Points)-1]} {
				t.Run(fmt.Sprintf("%s/%s/%d", d.Name, kind.Name, point), func(t *testing.T) {
					t.Parallel()
					runAll(t, s, kind.At(point), []workload.Impl{workload.Ours(), workload.Ref()})
				})
			}
		}
	}
}

func runAll(t *testing.T, s *server.Server, w workload.Workload, impls []workload.Impl) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	n := min(1500, max(w.N/64, 1))
	if w.Timed {
		n = min(n, 150)
	}
	f, err := w.Setup(ctx, jstest.Connect(t, s), n)
	if err != nil {
		t.Fatal(err)
	}
	for _, impl := range impls {
		if err := runOnce(ctx, t, s, f, impl); err != nil {
			t.Errorf("%s: %v", impl.Name, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func runOnce(ctx context.Context, t *testing.T, s *server.Server, f *workload.Fixture, impl workload.Impl) error {
	run, err := f.Prepare(ctx, jstest.Connect(t, s), impl)
	if err != nil {
		return err
	}
	if err := run.Do(ctx); err != nil {
		t.Errorf("%s: %v", impl.Name, err)
	}
	if impl.Name != workload.Limit().Name {
		for i, took := range run.Took() {
			if took <= 0 {
				t.Fatalf("%s: operation %d took %v", impl.Name, i, took)
			}
		}
	}
	return run.Close()
}

// Not parallel: goroutines of others would be counted.
func TestFootprintOfWhatIsIdle(t *testing.T) {
	s := jstest.StartServer(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, w := range workload.All() {
		if !w.Idle {
			continue
		}
		f, err := w.Setup(ctx, jstest.Connect(t, s), 50)
		if err != nil {
			t.Fatal(err)
		}
		run, err := f.Prepare(ctx, jstest.Connect(t, s), workload.Ref())
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Do(ctx); err != nil {
			t.Error(err)
		}
		// Each has a goroutine of core's at least. The server's share is not
		// known, since it runs here as well.
		if goroutines, bytes := run.Footprint(); goroutines < 1 || bytes <= 0 {
			t.Errorf("%s: %v goroutines and %v bytes for each", w.Name, goroutines, bytes)
		}
		if err := errors.Join(run.Close(), f.Close()); err != nil {
			t.Error(err)
		}
	}
}

// What the two implementations are called by must not differ in anything but
// names.
func TestFileForTheReferenceIsTheOneForOurs(t *testing.T) {
	t.Parallel()
	ours, err := os.ReadFile("ours.go")
	if err != nil {
		t.Fatal(err)
	}
	const heading = "// Code generated from ours.go by the test of this package with -update. DO NOT EDIT.\n\n"
	want := heading + strings.NewReplacer(
		`"example.com/jetstream"`, `"github.com/nats-io/nats.go/jetstream"`,
		"ours", "ref", "Ours", "Ref",
	).Replace(string(ours))
	if *update {
		if err := os.WriteFile("ref.go", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ref, err := os.ReadFile("ref.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(ref) != want {
		t.Error("ref.go is not up to date: go test ./internal/workload -run File -update")
	}
}
