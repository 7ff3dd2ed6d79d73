package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// put writes files below dir.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sources returns directories that stand for nats.go and for this module.
func sources(t *testing.T) (nats *module, own string) {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"nats/go.mod":                   "module github.com/nats-io/nats.go\n\ngo 1.25.0\n",
		"nats/nats.go":                  "package nats",
		"nats/LICENSE":                  "theirs",
		"nats/.git/config":              "secret",
		"nats/micro/service.go":         "package micro",
		"nats/jetstream/pull.go":        "package jetstream // theirs",
		"nats/jetstream/test/x_test.go": "package test",
		"own/go.mod":                    "module example.com/jetstream\n\ngo 1.26.0\n\nrequire x v1\n",
		"own/LICENSE":                   "ours",
		"own/README.md":                 "not wanted",
		"own/stream.go":                 "package jetstream // ours",
		"own/stream_test.go":            "package jetstream_test",
		"own/examples/a/main.go":        "package main",
	})
	return &module{Version: "v1.2.3", Dir: filepath.Join(dir, "nats")}, filepath.Join(dir, "own")
}

func TestAssembleReplacesTheFolder(t *testing.T) {
	nats, own := sources(t)
	got, err := assemble(nats, own)
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for name, content := range got {
		texts[name] = string(content)
	}
	want := map[string]string{
		"go.mod":              "module github.com/nats-io/nats.go\n\ngo 1.26.0\n",
		"nats.go":             "package nats",
		"LICENSE":             "theirs",
		"micro/service.go":    "package micro",
		"jetstream/stream.go": "package jetstream // ours",
		"jetstream/LICENSE":   "ours",
		marker: "This is nats.go v1.2.3 with package jetstream of example.com/jetstream.\n" +
			"It was made by example.com/jetstream/cmd/graft, which overwrites what is changed here.\n",
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Error(diff)
	}
}

func TestAssembleNeedsAPackageWithALicense(t *testing.T) {
	nats, own := sources(t)
	if err := os.Remove(filepath.Join(own, "LICENSE")); err != nil {
		t.Fatal(err)
	}
	if _, err := assemble(nats, own); err == nil {
		t.Error("no error without a license")
	}
}

func TestRaiseGo(t *testing.T) {
	for _, test := range []struct{ mod, least, want string }{
		{"module m\n\ngo 1.25.0\n\ntoolchain go1.25.1\n", "1.26.0", "module m\n\ngo 1.26.0\n\ntoolchain go1.25.1\n"},
		{"module m\ngo 1.26.0\n", "1.26.0", "module m\ngo 1.26.0\n"},
		{"module m\ngo 1.30\n", "1.26.0", "module m\ngo 1.30\n"},
		{"module m\ngo 1.9\n", "1.26.0", "module m\ngo 1.26.0\n"},
	} {
		got, err := raiseGo([]byte(test.mod), test.least)
		if err != nil || string(got) != test.want {
			t.Errorf("raiseGo(%q, %s) = %q, %v; want %q", test.mod, test.least, got, err, test.want)
		}
	}
	if _, err := raiseGo([]byte("module m\n"), "1.26.0"); err == nil {
		t.Error("no error for a go.mod without a version of Go")
	}
}

func TestWriteReplacesOnlyAGraft(t *testing.T) {
	nats, own := sources(t)
	wanted, err := assemble(nats, own)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "deep", "down")

	if err := wanted.compare(out); err == nil || !strings.Contains(err.Error(), "no copy made by graft") {
		t.Errorf("compare with nothing: %v", err)
	}
	for range 2 {
		if err := wanted.write(out); err != nil {
			t.Fatal(err)
		}
		if err := wanted.compare(out); err != nil {
			t.Errorf("compare with what was just written: %v", err)
		}
		put(t, out, map[string]string{"jetstream/extra.go": "package jetstream", "nats.go": "package changed"})
		if err := os.Remove(filepath.Join(out, "LICENSE")); err != nil {
			t.Fatal(err)
		}
		want := "out of date: LICENSE is missing, jetstream/extra.go does not belong there, nats.go differs"
		if err := wanted.compare(out); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("compare with a changed copy: %v\nwant %s", err, want)
		}
	}

	if err := os.Remove(filepath.Join(out, marker)); err != nil {
		t.Fatal(err)
	}
	if err := wanted.write(out); err == nil || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("write to a directory with something else in it: %v", err)
	}
	if content, err := os.ReadFile(filepath.Join(out, "nats.go")); err != nil || string(content) != "package changed" {
		t.Errorf("it was changed: %q, %v", content, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(out), ".graft-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "-out is missing"},
		{[]string{"-out", "x", "y"}, `unexpected argument "y"`},
		{[]string{"-nonsense"}, "not defined: -nonsense"},
		{[]string{"-help"}, "help requested"},
	} {
		err := run(context.Background(), test.args, new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("graft %q: %v; want %s", test.args, err, test.want)
		}
	}
}

// TestTestedVersion keeps the version that is accepted the same as the one the
// tests of this module run with.
func TestTestedVersion(t *testing.T) {
	m, err := locate(t.Context(), natsPath)
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != testedVersion {
		t.Errorf("this module uses nats.go %s, graft accepts %s", m.Version, testedVersion)
	}
}

func TestRefusesAnotherVersion(t *testing.T) {
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	nats, _ := sources(t)
	work := t.TempDir()
	put(t, work, map[string]string{"go.mod": "module m\n\ngo 1.26.0\n\n" +
		"require (\n\texample.com/jetstream v0.0.0\n\tgithub.com/nats-io/nats.go v1.55.0\n)\n\n" +
		"replace example.com/jetstream => " + dir + "\n\n" +
		"replace github.com/nats-io/nats.go => " + nats.Dir + "\n"})
	t.Chdir(work)
	t.Setenv("GOFLAGS", "-mod=mod")

	out := filepath.Join(work, "copy")
	err = run(t.Context(), []string{"-out", out}, new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "is not the tested version "+testedVersion) {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
	if err := run(t.Context(), []string{"-out", out, "-any-version"}, new(bytes.Buffer)); err != nil {
		t.Errorf("with -any-version: %v", err)
	}
}

func TestNeedsTheModules(t *testing.T) {
	work := t.TempDir()
	put(t, work, map[string]string{"go.mod": "module m\n\ngo 1.26.0\n"})
	t.Chdir(work)
	err := run(t.Context(), []string{"-out", "copy"}, new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "does not use "+natsPath) {
		t.Errorf("error is %v", err)
	}
}

// goRun runs the go command in dir and returns what it prints.
func goRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
