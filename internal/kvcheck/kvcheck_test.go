package kvcheck

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

func TestRegisterModelKnowsRightFromWrong(t *testing.T) {
	t.Parallel()
	type op struct {
		in  Op
		out Result
	}
	put := func(rev uint64) op { return op{in: Op{Kind: "put", Key: "k"}, out: Result{Revision: rev}} }
	update := func(expected, rev uint64, err string) op {
		return op{in: Op{Kind: "update", Key: "k", Expected: expected}, out: Result{Revision: rev, Err: err}}
	}
	create := func(rev uint64, err string) op {
		return op{in: Op{Kind: "create", Key: "k"}, out: Result{Revision: rev, Err: err}}
	}
	remove := op{in: Op{Kind: "delete", Key: "k"}, out: Result{}}
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
		if got := porcupine.CheckOperations(Model, history); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
