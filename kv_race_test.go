package jetstream_test

import (
	"context"
	"errors"
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
)

// kvRaceOp is what a client asked for.
type kvRaceOp struct {
	kind     string // put, create, update, delete or get
	key      string
	value    string
	expected uint64 // of an update or delete; zero for any
}

// kvRaceResult is what it was told.
type kvRaceResult struct {
	revision uint64
	value    string // of a get
	err      string // exists, mismatch, busy, missing or unknown; empty for success
}

// kvRegister is the state of a key. Its last revision is least, or greater than
// that if it is not known: that of a delete is not told, and neither is that of a
// write whose answer was lost.
type kvRegister struct {
	least   uint64
	known   bool
	deleted bool
}

// at reports whether the register can be at a revision.
func (r kvRegister) at(revision uint64) bool {
	return revision == r.least && r.known || revision > r.least && !r.known
}

// kvRegisterModel is a register with revisions. A write whose outcome is unknown
// may or may not have happened; if it has, its revision is only known to be
// greater than the one before. A write that is refused because another one is
// under way says nothing, for that one may come to nothing. What a replica
// answers may be old, so gets are not part of this: their values are checked
// against the writes.
var kvRegisterModel = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[string][]porcupine.Operation)
		for _, op := range history {
			key := op.Input.(kvRaceOp).key
			byKey[key] = append(byKey[key], op)
		}
		parts := make([][]porcupine.Operation, 0, len(byKey))
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{kvRegister{known: true, deleted: true}} },
	Step: func(state, input, output any) []any {
		return kvStep(state.(kvRegister), input.(kvRaceOp), output.(kvRaceResult))
	},
	DescribeOperation: func(input, output any) string {
		in, out := input.(kvRaceOp), output.(kvRaceResult)
		return fmt.Sprintf("%s(%s, %s, %d) -> %d %s %s", in.kind, in.key, in.value, in.expected, out.revision, out.value, out.err)
	},
}).ToModel()

func kvStep(state kvRegister, in kvRaceOp, out kvRaceResult) []any {
	allowed := true
	switch in.kind {
	case "create":
		allowed = state.deleted
	case "update":
		allowed = state.at(in.expected)
	case "delete":
		allowed = in.expected == 0 || state.at(in.expected)
	}
	after := kvRegister{least: state.least, deleted: in.kind == "delete"}
	switch out.err {
	case "":
		if out.revision > 0 {
			allowed = allowed && out.revision > state.least
			after.least, after.known = out.revision, true
		}
		if allowed {
			return []any{after}
		}
	case "unknown":
		if allowed {
			return []any{state, after}
		}
		return []any{state}
	case "busy":
		return []any{state}
	case "exists":
		if !state.deleted {
			return []any{state}
		}
	case "mismatch":
		if !state.known || state.least != in.expected {
			return []any{state}
		}
	}
	return nil
}

func TestRegisterModelKnowsRightFromWrong(t *testing.T) {
	t.Parallel()
	type op struct {
		in  kvRaceOp
		out kvRaceResult
	}
	put := func(rev uint64) op { return op{in: kvRaceOp{kind: "put", key: "k"}, out: kvRaceResult{revision: rev}} }
	update := func(expected, rev uint64, err string) op {
		return op{in: kvRaceOp{kind: "update", key: "k", expected: expected}, out: kvRaceResult{revision: rev, err: err}}
	}
	create := func(rev uint64, err string) op {
		return op{in: kvRaceOp{kind: "create", key: "k"}, out: kvRaceResult{revision: rev, err: err}}
	}
	remove := op{in: kvRaceOp{kind: "delete", key: "k"}, out: kvRaceResult{}}
	for name, tt := range map[string]struct {
		ops  []op
		want bool
	}{
		"in order":             {[]op{create(1, ""), put(3), update(3, 4, ""), update(3, 0, "mismatch"), create(0, "exists"), remove, create(9, "")}, true},
		"lost update":          {[]op{put(1), put(2), update(1, 3, "")}, false},
		"falling revision":     {[]op{put(2), put(1)}, false},
		"created twice":        {[]op{create(1, ""), create(2, "")}, false},
		"refused for nothing":  {[]op{put(1), update(1, 0, "mismatch")}, false},
		"exists after delete":  {[]op{put(1), remove, create(0, "exists")}, false},
		"unknown happened":     {[]op{put(1), update(1, 0, "unknown"), update(1, 0, "mismatch")}, true},
		"unknown did not":      {[]op{put(1), update(1, 0, "unknown"), update(1, 2, "")}, true},
		"unknown create":       {[]op{create(0, "unknown"), create(0, "exists")}, true},
		"impossible unknown":   {[]op{put(2), update(1, 0, "unknown"), update(2, 0, "mismatch")}, false},
		"update of an unknown": {[]op{create(0, "unknown"), update(5, 6, ""), update(5, 0, "mismatch")}, true},
	} {
		var history []porcupine.Operation
		for i, op := range tt.ops {
			history = append(history, porcupine.Operation{Input: op.in, Output: op.out, Call: int64(2 * i), Return: int64(2*i + 1)})
		}
		if got := porcupine.CheckOperations(kvRegisterModel, history); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// kvRacer is one of the clients of the race.
type kvRacer struct {
	id    int
	kv    jetstream.KeyValue
	rnd   *rand.Rand
	known map[string]uint64 // revisions it has seen last
	start time.Time
	ops   []porcupine.Operation
}

// run does an operation with each tick, until there are no more ticks.
func (r *kvRacer) run(ctx context.Context, ticks <-chan int) {
	for n := range ticks {
		op := kvRaceOp{key: fmt.Sprint("k", r.rnd.IntN(3)), value: fmt.Sprintf("%d/%d", r.id, n)}
		op.kind = []string{"put", "create", "create", "update", "update", "update", "delete", "get", "get"}[r.rnd.IntN(9)]
		if op.kind == "update" || (op.kind == "delete" && r.rnd.IntN(2) == 0) {
			op.expected = r.known[op.key]
			if op.expected == 0 {
				op.kind, op.expected = "get", 0
			}
		}
		call := time.Since(r.start)
		result := r.do(ctx, op)
		done := time.Since(r.start)
		if result.err == "unknown" {
			done = time.Hour // it may take effect at any time
		}
		if result.revision > 0 {
			r.known[op.key] = result.revision
		}
		r.ops = append(r.ops, porcupine.Operation{ClientId: r.id, Input: op, Output: result, Call: int64(call), Return: int64(done)})
	}
}

func (r *kvRacer) do(ctx context.Context, op kvRaceOp) kvRaceResult {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var result kvRaceResult
	var err error
	switch op.kind {
	case "put":
		result.revision, err = r.kv.PutString(ctx, op.key, op.value)
	case "create":
		result.revision, err = r.kv.Create(ctx, op.key, []byte(op.value))
	case "update":
		result.revision, err = r.kv.Update(ctx, op.key, []byte(op.value), op.expected)
	case "delete":
		err = r.kv.Delete(ctx, op.key, jetstream.LastRevision(op.expected))
	case "get":
		var e jetstream.KeyValueEntry
		if e, err = r.kv.Get(ctx, op.key); err == nil {
			result.revision, result.value = e.Revision(), string(e.Value())
		}
	}
	var apiErr *jetstream.APIError
	switch {
	case err == nil:
	case errors.As(err, &apiErr) && apiErr.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		result.err = "busy"
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		result.err = "mismatch"
	case errors.Is(err, jetstream.ErrKeyExists):
		result.err = "exists"
	case errors.Is(err, jetstream.ErrKeyNotFound):
		result.err = "missing"
	default:
		result.err = "unknown"
	}
	return result
}

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
	racers := make([]*kvRacer, clients)
	var wg sync.WaitGroup
	ticks := make(chan int)
	for id := range racers {
		nc := jstest.ConnectURL(t, c.Nodes()[id%3].URL(), nats.ReconnectWait(50*time.Millisecond))
		kv, err := kvHandle(t, nc).KeyValue(t.Context(), "TEST")
		kvOK(t, err)
		racers[id] = &kvRacer{
			id: id, kv: kv, start: start, known: make(map[string]uint64),
			rnd: rand.New(rand.NewPCG(seed, uint64(id))),
		}
		wg.Go(func() { racers[id].run(context.Background(), ticks) })
	}
	stepDowns := kvUnsettle(t, jstest.ConnectURL(t, c.URL()), ticks)
	close(ticks)
	wg.Wait()
	jstest.WaitFor(t, 3*kvWait, "the last write", func() bool {
		_, err := first.PutString(t.Context(), "end", "")
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
		for _, op := range r.ops {
			outcomes[op.Input.(kvRaceOp).kind+" "+op.Output.(kvRaceResult).err]++
			if op.Input.(kvRaceOp).kind != "get" {
				writes = append(writes, op)
			}
		}
	}
	t.Logf("%d changes of the leader, outcomes: %v", stepDowns, outcomes)
	if stepDowns < kvRaceChanges {
		t.Errorf("the leader changed %d times only", stepDowns)
	}
	kvCheckSeen(t, entries, racers)
	if result := porcupine.CheckOperationsTimeout(kvRegisterModel, writes, time.Minute); result != porcupine.Ok {
		t.Errorf("history is not that of a register with revisions: %s", result)
		for _, op := range writes {
			t.Logf("%2d [%v, %v] %s", op.ClientId, time.Duration(op.Call), time.Duration(op.Return), kvRegisterModel.DescribeOperation(op.Input, op.Output))
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
func kvCheckSeen(t *testing.T, entries []jetstream.KeyValueEntry, racers []*kvRacer) {
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
		for _, op := range r.ops {
			in, out := op.Input.(kvRaceOp), op.Output.(kvRaceResult)
			if out.err != "" || in.kind == "delete" {
				continue
			}
			value := in.value
			if in.kind == "get" {
				value = out.value
			}
			if e := stored[out.revision]; e == nil || e.Key() != in.key || string(e.Value()) != value || e.Operation() != jetstream.KeyValuePut {
				t.Errorf("%s of %s was revision %d with %q, the watch saw %v there", in.kind, in.key, out.revision, value, e)
			}
		}
	}
}
