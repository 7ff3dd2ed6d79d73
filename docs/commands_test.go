package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// command is a line of a code block that is indented by four spaces.
var command = regexp.MustCompile(`(?m)^    (\S.*?)(?: {2,}#.*)?$`)

// commands returns the shell commands of a document: the lines of its indented
// blocks that start with the name of a program.
func commands(t *testing.T, document string) []string {
	t.Helper()
	var found []string
	for _, match := range command.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, document), ""), -1) {
		switch program, _, _ := strings.Cut(match[1], " "); program {
		case "go", "gofmt", "make", "git":
			found = append(found, match[1])
		}
	}
	return found
}

// run gives a line to the shell, in a directory.
func run(t *testing.T, dir, line string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// TestReadmeCommands runs what the README tells a newcomer to type, except for the
// tests, of which this is one, and for make, whose targets must exist.
func TestReadmeCommands(t *testing.T) {
	ran := make(map[string]bool)
	for _, line := range commands(t, "README.md") {
		switch {
		case strings.HasPrefix(line, "go run "):
			out := run(t, "..", line)
			if !strings.Contains(out, "100 delivered, 100 acknowledged") {
				t.Errorf("%s printed\n%s", line, out)
			}
			ran[line] = true
		case line == "go test ./...":
			ran[line] = true
		case !strings.HasPrefix(line, "make "):
			t.Errorf("this test does not know what to do with %q", line)
		}
	}
	for _, want := range []string{"go run ./examples/quickstart", "go test ./..."} {
		if !ran[want] {
			t.Errorf("the README does not have the command %s any more", want)
		}
	}
}

// TestMakeTargets checks that the targets the documents name exist.
func TestMakeTargets(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range documents(t) {
		for _, match := range regexp.MustCompile("(?:\n    |`)make ([a-z]+)").FindAllStringSubmatch(read(t, document), -1) {
			if !regexp.MustCompile(`(?m)^` + match[1] + `:`).Match(makefile) {
				t.Errorf("%s: there is no target %s", document, match[1])
			}
		}
	}
}

// TestImportCommand runs the command of MIGRATING.md that rewrites imports on a
// small module, and the one back.
func TestImportCommand(t *testing.T) {
	var line string
	for _, found := range commands(t, "MIGRATING.md") {
		if strings.HasPrefix(found, "gofmt ") {
			line = found
		}
	}
	if line == "" {
		t.Fatal("MIGRATING.md has no such command")
	}

	before := map[string]string{
		"main.go": `package main

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// jetstream stays what it is.
func use(ctx context.Context, nc *nats.Conn) (jetstream.JetStream, error) {
	return jetstream.New(nc)
}
`,
		"deep/down/x_test.go": `package down

import js "github.com/nats-io/nats.go/jetstream" // by another name

var _ js.Msg
`,
		"other.go": `package main

import "github.com/nats-io/nats.go"

var _ *nats.Conn
`,
		"README.md": "import \"github.com/nats-io/nats.go/jetstream\"\n",
	}
	after := map[string]string{
		"main.go": `package main

import (
	"context"

	"example.com/jetstream"
	"github.com/nats-io/nats.go"
)

// jetstream stays what it is.
func use(ctx context.Context, nc *nats.Conn) (jetstream.JetStream, error) {
	return jetstream.New(nc)
}
`,
		"deep/down/x_test.go": `package down

import js "example.com/jetstream" // by another name

var _ js.Msg
`,
		"other.go":  before["other.go"],
		"README.md": before["README.md"],
	}

	dir := t.TempDir()
	for name, content := range before {
		file := filepath.Join(dir, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(content), 0o644))
	}
	compare := func(when string, want map[string]string) {
		t.Helper()
		for name, content := range want {
			got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			must(t, err)
			if string(got) != content {
				t.Errorf("%s, %s is\n%s\nwant\n%s", when, name, got, content)
			}
		}
	}
	run(t, dir, line)
	compare("after it", after)

	from, to, ok := strings.Cut(line, " -> ")
	if !ok {
		t.Fatalf("%s has no arrow", line)
	}
	const theirs, ours = `"github.com/nats-io/nats.go/jetstream"`, `"example.com/jetstream"`
	run(t, dir, strings.Replace(from, theirs, ours, 1)+" -> "+strings.Replace(to, ours, theirs, 1))
	compare("there and back", before)
}
