// Package kvcheck races clients on the keys of a key-value bucket and judges by
// what they were told whether the bucket kept its word.
package kvcheck

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/anishathalye/porcupine"

	"example.com/jetstream"
)

// Op is what a client asked for.
type Op struct {
	Kind     string // put, create, update, delete or get
	Key      string
	Value    string
	Expected uint64 // of an update or delete; zero for any
}

// Result is what it was told.
type Result struct {
	Revision uint64
	Value    string // of a get
	Err      string // exists, mismatch, busy, missing or Unknown; empty for success
}

// Unknown is the error of an operation that may have happened or not.
const Unknown = "unknown"

// register is the state of a key. Its last revision is least, or greater than
// that if it is not known: that of a delete is not told, and neither is that of a
// write whose answer was lost.
type register struct {
	least   uint64
	known   bool
	deleted bool
}

// at reports whether the register can be at a revision.
func (r register) at(revision uint64) bool {
	return revision == r.least && r.known || revision > r.least && !r.known
}

// Model is a register with revisions for each key. A write whose outcome is
// unknown may or may not have happened; if it has, its revision is only known to
// be greater than the one before. A write that is refused because another one is
// under way says nothing, for that one may come to nothing. What a replica
// answers may be old, so gets are not part of this: their values are to be
// checked against the writes.
var Model = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[string][]porcupine.Operation)
		for _, op := range history {
			key := op.Input.(Op).Key
			byKey[key] = append(byKey[key], op)
		}
		parts := make([][]porcupine.Operation, 0, len(byKey))
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{register{known: true, deleted: true}} },
	Step: func(state, input, output any) []any {
		return step(state.(register), input.(Op), output.(Result))
	},
	DescribeOperation: func(input, output any) string {
		in, out := input.(Op), output.(Result)
		return fmt.Sprintf("%s(%s, %s, %d) -> %d %s %s", in.Kind, in.Key, in.Value, in.Expected, out.Revision, out.Value, out.Err)
	},
}).ToModel()

func step(state register, in Op, out Result) []any {
	allowed := true
	switch in.Kind {
	case "create":
		allowed = state.deleted
	case "update":
		allowed = state.at(in.Expected)
	case "delete":
		allowed = in.Expected == 0 || state.at(in.Expected)
	}
	after := register{least: state.least, deleted: in.Kind == "delete"}
	switch out.Err {
	case "":
		if out.Revision > 0 {
			allowed = allowed && out.Revision > state.least
			after.least, after.known = out.Revision, true
		}
		if allowed {
			return []any{after}
		}
	case Unknown:
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
		if !state.known || state.least != in.Expected {
			return []any{state}
		}
	}
	return nil
}

// opTimeout bounds each operation of a client.
const opTimeout = 3 * time.Second

// Client does operations one after the other and keeps what came of them.
type Client struct {
	ID    int
	KV    jetstream.KeyValue
	Rand  *rand.Rand
	Start time.Time // the same for all clients whose operations are judged together
	Ops   []porcupine.Operation

	known map[string]uint64 // revisions it has seen last
}

// Do does an operation of a random kind on a key. A value is to be used once.
func (c *Client) Do(ctx context.Context, key, value string) Result {
	op := Op{Key: key, Value: value}
	op.Kind = []string{"put", "create", "create", "update", "update", "update", "delete", "get", "get"}[c.Rand.IntN(9)]
	if op.Kind == "update" || (op.Kind == "delete" && c.Rand.IntN(2) == 0) {
		op.Expected = c.known[key]
		if op.Expected == 0 {
			op.Kind = "get"
		}
	}
	call := time.Since(c.Start)
	result := Do(ctx, c.KV, op)
	done := time.Since(c.Start)
	if result.Err == Unknown {
		done = 1000 * time.Hour // it may take effect at any time
	}
	if result.Revision > 0 {
		if c.known == nil {
			c.known = make(map[string]uint64)
		}
		c.known[key] = result.Revision
	}
	c.Ops = append(c.Ops, porcupine.Operation{ClientId: c.ID, Input: op, Output: result, Call: int64(call), Return: int64(done)})
	return result
}

// Do does one operation.
func Do(ctx context.Context, kv jetstream.KeyValue, op Op) Result {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var result Result
	var err error
	switch op.Kind {
	case "put":
		result.Revision, err = kv.PutString(ctx, op.Key, op.Value)
	case "create":
		result.Revision, err = kv.Create(ctx, op.Key, []byte(op.Value))
	case "update":
		result.Revision, err = kv.Update(ctx, op.Key, []byte(op.Value), op.Expected)
	case "delete":
		err = kv.Delete(ctx, op.Key, jetstream.LastRevision(op.Expected))
	case "get":
		var e jetstream.KeyValueEntry
		if e, err = kv.Get(ctx, op.Key); err == nil {
			result.Revision, result.Value = e.Revision(), string(e.Value())
		}
	}
	var apiErr *jetstream.APIError
	switch {
	case err == nil:
	case errors.As(err, &apiErr) && apiErr.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		result.Err = "busy"
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		result.Err = "mismatch"
	case errors.Is(err, jetstream.ErrKeyExists):
		result.Err = "exists"
	case errors.Is(err, jetstream.ErrKeyNotFound):
		result.Err = "missing"
	default:
		result.Err = Unknown
	}
	return result
}
