package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/jetstream/internal/jstest"
)

// orbitVersion is the version of the library the program in testdata uses. It is
// not in this module's go.mod, since nothing else needs it.
const orbitVersion = "v0.3.2"

// TestProgramOverAGraft does what the documentation says, in a module of its own:
// make the graft, replace nats.go by it, build, run, and check the graft
// afterwards.
func TestProgramOverAGraft(t *testing.T) {
	home, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("testdata/program/main.go")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	put(t, work, map[string]string{"main.go": string(source)})
	t.Setenv("GOFLAGS", "-mod=mod")

	goRun(t, work, "mod", "init", "example.com/program")
	goRun(t, work, "mod", "edit", "-require=example.com/jetstream@v0.0.0", "-replace=example.com/jetstream="+home,
		"-tool=example.com/jetstream/cmd/graft")
	goRun(t, work, "get", natsPath+"@"+testedVersion, "github.com/synadia-io/orbit.go/jetstreamext@"+orbitVersion)
	if out := goRun(t, work, "tool", "graft", "-out", "third_party/nats.go"); !strings.Contains(out, "written") {
		t.Errorf("graft printed %q", out)
	}
	goRun(t, work, "mod", "edit", "-replace=github.com/nats-io/nats.go=./third_party/nats.go")
	goRun(t, work, "build", "-o", "program", ".")

	cmd := exec.CommandContext(t.Context(), filepath.Join(work, "program"))
	cmd.Env = append(os.Environ(), "NATS_URL="+jstest.StartServer(t).ClientURL())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "published 3 as one\n1: order 1\n2: order 2\n3: order 3\nconsumed order 1\nconsumed twice with one ordered handle\n"
	if string(out) != want {
		t.Errorf("the program printed\n%s\nwant\n%s", out, want)
	}

	// The replace directive leads to the graft now, which is no source for
	// another one.
	if out := goRun(t, work, "tool", "graft", "-out", "third_party/nats.go", "-check"); !strings.Contains(out, "up to date: nats.go "+testedVersion) {
		t.Errorf("graft -check printed %q", out)
	}
	put(t, work, map[string]string{"third_party/nats.go/jetstream/stream.go": "package jetstream"})
	check := exec.CommandContext(t.Context(), "go", "tool", "graft", "-out", "third_party/nats.go", "-check")
	check.Dir = work
	if out, err := check.CombinedOutput(); err == nil || !strings.Contains(string(out), "out of date: jetstream/stream.go differs") {
		t.Errorf("graft -check of a changed graft: %v, %q", err, out)
	}
}
