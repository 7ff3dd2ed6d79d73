package jetstream_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/nats-io/nats.go"

	"example.com/jetstream"
	"example.com/jetstream/internal/jstest"
	"example.com/jetstream/internal/kvcheck"
)

// Writers race on a few keys of a replicated bucket while its leader keeps
// changing. What they were told must fit one order of the writes, and a watch
// must have seen each write once and in that order.
func TestRacingWritersAreToldTheTruthWhileLeadersChange(t *testing.T) {
	const clients = 16
	seed := rand.Uint64()
	if text := os.Getenv("KV_RACE_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		kvOK(t, err)
	}
	t.Logf("to repeat the operations, set KV_RACE_SEED=%d", seed)
	c := jstest.StartCluster(t)
	first := kvCreate(t, kvHandle(t, jstest.ConnectURL(t, c.URL())), jetstream.KeyValueConfig{
		History: jetstream.KeyValueMaxHistory, Replicas: 3, Storage: jetstream.MemoryStorage,
	})
	w, err := first.WatchAll(t.Context(), jetstream.IncludeHistory())
	kvOK(t, err)
	seen := make(chan []jetstream.KeyValueEntry, 1)
	go func() { seen <- kvUntil(w, "end") }()

	start := time.Now()
	racers := make([]*kvcheck.Client, clients)
	var wg sync.WaitGroup
	ticks := make(chan int)
	for id := range racers {
		nc := jstest.ConnectURL(t, c.Nodes()[id%3].URL(), nats.ReconnectWait(50*time.Millisecond))
		kv, err := kvHandle(t, nc).KeyValue(t.Context(), "TEST")
		kvOK(t, err)
		racers[id] = &kvcheck.Client{ID: id, KV: kv, Start: start, Rand: rand.New(rand.NewPCG(seed, uint64(id)))}
		wg.Go(func() {
			for n := range ticks {
				racers[id].Do(context.Background(), fmt.Sprint("k", racers[id].Rand.IntN(3)), fmt.Sprintf("%d/%d", id, n))
			}
		})
	}
	stepDowns := kvUnsettle(t, jstest.ConnectURL(t, c.URL()), ticks)
	close(ticks)
	wg.Wait()
	jstest.WaitFor(t, 3*kvWait, "the last write", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := first.PutString(ctx, "end", "")
		return err == nil
	})
	var entries []jetstream.KeyValueEntry
	select {
	case entries = <-seen:
	case <-time.After(4 * kvWait):
		t.Fatal("the watch has not seen the last write")
	}
	kvOK(t, w.Stop())

	var writes []porcupine.Operation
	outcomes := make(map[string]int)
	for _, r := range racers {
		for _, op := range r.Ops {
			outcomes[op.Input.(kvcheck.Op).Kind+" "+op.Output.(kvcheck.Result).Err]++
			if op.Input.(kvcheck.Op).Kind != "get" {
				writes = append(writes, op)
			}
		}
	}
	t.Logf("%d changes of the leader, outcomes: %v", stepDowns, outcomes)
	if stepDowns < kvRaceChanges {
		t.Errorf("the leader changed %d times only", stepDowns)
	}
	kvCheckSeen(t, entries, racers)
	if result := porcupine.CheckOperationsTimeout(kvcheck.Model, writes, 3*time.Minute); result != porcupine.Ok {
		t.Errorf("history is not that of a register with revisions: %s", result)
		for _, op := range writes {
			t.Logf("%2d [%v, %v] %s", op.ClientId, time.Duration(op.Call), time.Duration(op.Return), kvcheck.Model.DescribeOperation(op.Input, op.Output))
		}
	}
}

const (
	kvRaceRate    = 2000  // operations a second
	kvRaceMost    = 20000 // operations
	kvRaceChanges = 4     // of the leader
)

// kvUnsettle hands out operations at a steady pace and makes the leader of the
// bucket step down now and then, until that has happened often enough. It returns
// how often it did.
func kvUnsettle(t *testing.T, nc *nats.Conn, ticks chan<- int) int {
	t.Helper()
	stepDowns := 0
	stepDown := time.NewTicker(400 * time.Millisecond)
	defer stepDown.Stop()
	pace := time.NewTicker(time.Second / kvRaceRate)
	defer pace.Stop()
	for n := 0; stepDowns < kvRaceChanges && n < kvRaceMost; {
		select {
		case <-pace.C:
			// All may be waiting for an answer.
			select {
			case ticks <- n:
				n++
			default:
			}
		case <-stepDown.C:
			// There may be no leader just now; then none has to step down.
			m, err := nc.Request("$JS.API.STREAM.LEADER.STEPDOWN.KV_TEST", nil, time.Second)
			if err == nil && strings.Contains(string(m.Data), `"success":true`) {
				stepDowns++
			}
		}
	}
	return stepDowns
}

// kvUntil reads a watch up to an entry with the given key.
func kvUntil(w jetstream.KeyWatcher, last string) []jetstream.KeyValueEntry {
	var entries []jetstream.KeyValueEntry
	for e := range w.Updates() {
		if e == nil {
			continue
		}
		entries = append(entries, e)
		if e.Key() == last {
			break
		}
	}
	return entries
}

// kvCheckSeen compares what a watch has seen with what the writers were told, and
// what was read with what the watch has seen.
func kvCheckSeen(t *testing.T, entries []jetstream.KeyValueEntry, racers []*kvcheck.Client) {
	t.Helper()
	stored := make(map[uint64]jetstream.KeyValueEntry)
	var last uint64
	for _, e := range entries {
		if e.Revision() <= last {
			t.Errorf("the watch saw revision %d after %d", e.Revision(), last)
		}
		last = e.Revision()
		stored[last] = e
	}
	for _, r := range racers {
		for _, op := range r.Ops {
			in, out := op.Input.(kvcheck.Op), op.Output.(kvcheck.Result)
			if out.Err != "" || in.Kind == "delete" {
				continue
			}
			value := in.Value
			if in.Kind == "get" {
				value = out.Value
			}
			if e := stored[out.Revision]; e == nil || e.Key() != in.Key || string(e.Value()) != value || e.Operation() != jetstream.KeyValuePut {
				t.Errorf("%s of %s was revision %d with %q, the watch saw %v there", in.Kind, in.Key, out.Revision, value, e)
			}
		}
	}
}
