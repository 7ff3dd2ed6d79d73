package main

import (
	"strings"
	"testing"
)

func TestShortfallsBelongToTargetsThatTheyMiss(t *testing.T) {
	t.Parallel()
	for key, known := range shortfalls {
		name, figureName, _ := strings.Cut(key, " ")
		found := false
		for _, f := range targets[name].exactFigures(new(result)) {
			if f.name != figureName {
				continue
			}
			found = true
			if known.limit <= f.limit || known.why == "" {
				t.Errorf("%s: %.2f for the reason %q, the target is %.2f", key, known.limit, known.why, f.limit)
			}
		}
		if !found {
			t.Errorf("%s has no target", key)
		}
	}
}

func TestKnownShortfallsAreReportedAndOnlyWorseOnesFail(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		workload string
		got      float64
		want     string
		failed   bool
	}{
		{"Publish", 5.05, "PASS", false},
		{"Publish", 6.06, "SHORT, up to 6.15 is known:", false},
		{"Publish", 6.16, "SHORT", true},
		{"PublishAsync", 5.06, "SHORT", true},
	} {
		word, failed := figure{name: "allocs", got: tc.got, limit: 5.05}.judge(tc.workload)
		if !strings.HasPrefix(word, tc.want) || failed != tc.failed {
			t.Errorf("%s with %v: %q, failed %v", tc.workload, tc.got, word, failed)
		}
	}
}
