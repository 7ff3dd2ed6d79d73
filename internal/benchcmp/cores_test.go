package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestSplitList(t *testing.T) {
	t.Parallel()
	for all, want := range map[string]cores{
		"0-1":      {client: "0", server: "1"},
		"0-7":      {client: "0", server: "1-7"},
		"2-3,6":    {client: "2", server: "3,6"},
		"0,2-5,9":  {client: "0", server: "2-5,9"},
		"1-1,4":    {client: "1", server: "4"},
		"0":        {},
		"3-3":      {},
		"":         {},
		"x-1":      {},
		"0-y":      {},
		"all of 2": {},
	} {
		got, err := splitList(all)
		if want.pinned() {
			want.all = all
		}
		if got != want || (err == nil) != want.pinned() {
			t.Errorf("%q is split into %+v, %v", all, got, err)
		}
	}
}

// allowed returns the processors this process may run on.
func allowed(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nCpus_allowed_list:")
	list, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(list)
}

// Not parallel: it moves the whole process.
func TestCoresAreEnteredAndLeft(t *testing.T) {
	c, err := splitCores()
	if err != nil {
		t.Logf("everything runs anywhere: %v", err)
		if c.pinned() {
			t.Fatalf("the client has processors %s, nevertheless", c.client)
		}
	}
	procs := runtime.GOMAXPROCS(0)
	leave, err := c.enter()
	if err != nil {
		t.Fatal(err)
	}
	if c.pinned() && (allowed(t) != c.client || runtime.GOMAXPROCS(0) != 1) {
		t.Errorf("runs on processors %s, %d at a time", allowed(t), runtime.GOMAXPROCS(0))
	}
	if err := leave(); err != nil {
		t.Fatal(err)
	}
	if c.pinned() && allowed(t) != c.all || runtime.GOMAXPROCS(0) != procs {
		t.Errorf("is left on processors %s, %d at a time", allowed(t), runtime.GOMAXPROCS(0))
	}
}
