package jetstream

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The table of defects must not go stale: each row is there once, in order, and
// names tests that exist.
func TestDefectsAreListedWithTestsThatExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("docs", "defects.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := defTests(t)
	var rows []string
	row := regexp.MustCompile(`^\| ([AB]\d+) \| (.+) \| (.+) \| (.*) \|$`)
	named := regexp.MustCompile("`([^`]*)`")
	for line := range strings.Lines(string(text)) {
		m := row.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			if strings.HasPrefix(line, "| A") || strings.HasPrefix(line, "| B") {
				t.Errorf("no row: %s", line)
			}
			continue
		}
		rows = append(rows, m[1])
		names := named.FindAllStringSubmatch(m[4], -1)
		if len(names) == 0 {
			t.Errorf("%s has no test", m[1])
		}
		for _, name := range names {
			if !tests[name[1]] {
				t.Errorf("%s names %s, which is no test", m[1], name[1])
			}
		}
	}
	var want []string
	for _, part := range []struct {
		letter string
		n      int
	}{{"A", 72}, {"B", 73}} {
		for i := range part.n {
			want = append(want, fmt.Sprintf("%s%d", part.letter, i+1))
		}
	}
	if got, want := strings.Join(rows, " "), strings.Join(want, " "); got != want {
		t.Errorf("the rows are\n%s\nwant\n%s", got, want)
	}
}

// defTests returns the names of the package's tests and fuzz targets.
func defTests(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string]bool)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil {
				continue
			}
			// Helpers and benchmarks prove nothing.
			if name := f.Name.Name; strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") {
				tests[name] = true
			}
		}
	}
	return tests
}
