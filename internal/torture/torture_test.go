package torture

import (
	"flag"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	seed     = flag.Uint64("torture.seed", 1, "what the schedule of faults and the workloads are drawn from")
	duration = flag.Duration("torture.duration", 40*time.Second, "how long the faults and the workloads go on")
	serve    = flag.String("torture.serve", "", "be the servers of this site, for the process that started this one")
)

// Nothing is ignored: what runs here and does not end was left behind. What the
// servers leave behind in their process is not for these tests to judge.
func TestMain(m *testing.M) {
	if flag.Parse(); *serve != "" {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

// A10, A12, A29-A33, B16, B19, B21, B23, B24, B32-B35
func TestTorture(t *testing.T) {
	if *serve != "" {
		Serve(t, *serve, os.Stdin, os.Stdout)
		return
	}
	Run(t, Config{
		Seed:     *seed,
		Duration: *duration,
		Servers: func(site string) []string {
			return []string{"-test.run=^TestTorture$", "-test.timeout=0", "-torture.serve=" + site}
		},
	})
	if t.Failed() {
		t.Logf("to replay: make torture SEED=%d DURATION=%v", *seed, *duration)
	}
}
