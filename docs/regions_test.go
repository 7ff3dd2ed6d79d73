// Package docs holds the guides, and tests that keep all documents of this
// repository true: their code is code that was run, their links lead somewhere,
// and their commands work.
package docs

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the code of the documents anew")

// documents returns the Markdown files of the repository, relative to its root.
func documents(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		names, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			found = append(found, strings.TrimPrefix(filepath.ToSlash(name), "../"))
		}
	}
	if len(found) < 5 {
		t.Fatalf("found only %q", found)
	}
	return found
}

func read(t *testing.T, document string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(document)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var (
	regionStart = regexp.MustCompile(`^(\t*)// region: ([a-z][a-z0-9-]*)$`)
	regionEnd   = "// end of region"

	// returnsOnly is an error check that the documents leave out.
	returnsOnly = regexp.MustCompile(`(?m)^(\t*)if err != nil \{\n\t+return err\n\t*\}\n`)
)

// regions returns the marked parts of this package's files by name, without
// their indentation and without error checks that just return the error.
func regions(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var name, indent string
		var text strings.Builder
		for line := range strings.Lines(string(content)) {
			start := regionStart.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			switch {
			case start != nil && name == "":
				indent, name = start[1], start[2]
				if _, twice := found[name]; twice {
					t.Errorf("%s: region %s exists already", file, name)
				}
			case start != nil:
				t.Fatalf("%s: region %s starts in region %s", file, start[2], name)
			case name != "" && strings.TrimSpace(line) == regionEnd:
				found[name] = returnsOnly.ReplaceAllString(text.String(), "")
				name = ""
				text.Reset()
			case name != "":
				text.WriteString(strings.TrimPrefix(line, indent))
			}
		}
		if name != "" {
			t.Errorf("%s: region %s does not end", file, name)
		}
	}
	return found
}

// codeBlock is Go code in a document with the marker in front of it.
var codeBlock = regexp.MustCompile("(?s)(?:<!-- code: ([a-z0-9-]+) -->\n\n?)?```go\n(.*?)```\n")

// TestCode compares the Go code of the documents with the regions they name. Run
// it with -update to write the code into the documents.
func TestCode(t *testing.T) {
	have := regions(t)
	used := make(map[string]bool)
	for _, document := range documents(t) {
		content := read(t, document)
		updated := codeBlock.ReplaceAllStringFunc(content, func(block string) string {
			parts := codeBlock.FindStringSubmatch(block)
			name, code := parts[1], parts[2]
			want, ok := have[name]
			switch {
			case name == "":
				t.Errorf("%s: this code does not name its region:\n%s", document, code)
				return block
			case !ok:
				t.Errorf("%s: there is no region %s", document, name)
				return block
			}
			used[name] = true
			if !*update && code != want {
				t.Errorf("%s: the code differs from region %s, run go test ./docs -update (-want +got):\n%s",
					document, name, cmp.Diff(want, code))
			}
			return fmt.Sprintf("<!-- code: %s -->\n```go\n%s```\n", name, want)
		})
		if *update && updated != content {
			write(t, document, updated)
		}
	}
	for name := range have {
		if !used[name] {
			t.Errorf("no document shows region %s", name)
		}
	}
}

func write(t *testing.T, document, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join("..", filepath.FromSlash(document)), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRegionsLeaveOutErrorChecks is about the only thing that is changed between
// the code that runs and the code that is shown.
func TestRegionsLeaveOutErrorChecks(t *testing.T) {
	const code = "a, err := f()\nif err != nil {\n\treturn err\n}\nif err != nil {\n\treturn wrap(err)\n}\nfor {\n\terr = g()\n\tif err != nil {\n\t\treturn err\n\t}\n}\n"
	const want = "a, err := f()\nif err != nil {\n\treturn wrap(err)\n}\nfor {\n\terr = g()\n}\n"
	if got := returnsOnly.ReplaceAllString(code, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// parseFile parses a file of this package.
func parseFile(t *testing.T, name string) (*token.FileSet, *ast.File, string) {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, content, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return set, file, string(content)
}
