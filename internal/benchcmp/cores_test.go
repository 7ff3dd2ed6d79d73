package main

import (
	"runtime"
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
	if list, err := allowed(); c.pinned() && (err != nil || list != c.client || runtime.GOMAXPROCS(0) != 1) {
		t.Errorf("runs on processors %s, %d at a time, %v", list, runtime.GOMAXPROCS(0), err)
	}
	if err := leave(); err != nil {
		t.Fatal(err)
	}
	if list, err := allowed(); c.pinned() && (err != nil || list != c.all) || runtime.GOMAXPROCS(0) != procs {
		t.Errorf("is left on processors %s, %d at a time, %v", list, runtime.GOMAXPROCS(0), err)
	}
}
