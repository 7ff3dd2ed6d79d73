package torture

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var allTargets = Targets{
	Nodes:     3,
	Streams:   []string{"A", "B"},
	Consumers: [][2]string{{"A", "a"}, {"B", "b"}},
	Deletable: [][2]string{{"A", "d"}},
	Ephemeral: []string{"A", "B"},
	Purgeable: []string{"B"},
}

func TestScheduleIsAFunctionOfItsArguments(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		seed   uint64
		site   string
		length time.Duration
		same   bool // as that of seed 1 on the cluster for a minute
	}{
		"same arguments": {1, siteCluster, time.Minute, true},
		"another seed":   {2, siteCluster, time.Minute, false},
		"another site":   {1, siteSingle, time.Minute, false},
		"another length": {1, siteCluster, 2 * time.Minute, false},
	} {
		want := Draw(1, siteCluster, time.Minute, allTargets)
		got := Draw(tt.seed, tt.site, tt.length, allTargets)
		if same := cmp.Equal(want, got); same != tt.same {
			t.Errorf("%s: the same schedule: %v", name, same)
		}
	}
}

func TestScheduleKeepsItsPromises(t *testing.T) {
	t.Parallel()
	const length = 3 * time.Minute
	lasting := map[Kind]bool{Refuse: true, Delay: true, Throttle: true, Stall: true, HalfOpen: true, Part: true}
	drawn := make(map[Kind]int)
	for seed := range uint64(20) {
		plan := Draw(seed, siteCluster, length, allTargets)
		for _, track := range [][]Fault{plan.Links, plan.Servers} {
			var over time.Duration
			for _, f := range track {
				drawn[f.Kind]++
				if f.At <= over {
					t.Fatalf("seed %d: %v begins before %v, when the one before is over", seed, f, over)
				}
				over = f.At + f.For
				if over >= length {
					t.Errorf("seed %d: %v ends after %v", seed, f, length)
				}
				if f.Node < 0 || f.Node >= allTargets.Nodes || lasting[f.Kind] && f.For == 0 {
					t.Errorf("seed %d: %+v", seed, f)
				}
			}
		}
	}
	for _, kind := range []Kind{
		Cut, Refuse, Delay, Throttle, Stall, HalfOpen, Stop, Kill, Part,
		StepDownStream, StepDownConsumer, StepDownMeta, DeleteConsumer, DeleteOrdered, Purge,
	} {
		if drawn[kind] == 0 {
			t.Errorf("no %s in 20 schedules", kind)
		}
	}
}

func TestScheduleOfASingleServerHasNoFaultsOfAGroup(t *testing.T) {
	t.Parallel()
	on := allTargets
	on.Nodes = 1
	for seed := range uint64(20) {
		for _, f := range Draw(seed, siteSingle, time.Minute, on).Servers {
			switch f.Kind {
			case Part, StepDownStream, StepDownConsumer, StepDownMeta:
				t.Errorf("seed %d: %v", seed, f)
			default:
			}
		}
	}
}
