package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	// link is [text](target), ![picture](target) and src="target".
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?)\s*$`)
	fenced  = regexp.MustCompile("(?s)```.*?```")
	inline  = regexp.MustCompile("`[^`\n]*`")
)

// anchor returns the name under which a heading can be linked to.
func anchor(heading string) string {
	var name strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ':
			name.WriteByte('-')
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			name.WriteRune(r)
		}
	}
	return name.String()
}

func anchors(markdown string) map[string]bool {
	found := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(markdown, ""), -1) {
		found[anchor(match[1])] = true
	}
	return found
}

// TestLinks follows the links inside the repository. Others are left alone:
// whether a site is up must not decide whether this test passes.
func TestLinks(t *testing.T) {
	checked := 0
	for _, document := range documents(t) {
		text := inline.ReplaceAllString(fenced.ReplaceAllString(read(t, document), ""), "")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target := match[1] + match[2]
			if strings.Contains(target, "://") {
				continue
			}
			checked++
			file, fragment, _ := strings.Cut(target, "#")
			to := document
			if file != "" {
				to = path.Join(path.Dir(document), file)
			}
			if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(to))); err != nil {
				t.Errorf("%s links to %s: %v", document, target, err)
				continue
			}
			if fragment != "" && !anchors(read(t, to))[fragment] {
				t.Errorf("%s links to %s, but there is no such heading", document, target)
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d links found", checked)
	}
}

func TestAnchor(t *testing.T) {
	for text, want := range map[string]string{
		"Use it":                   "use-it",
		"From `nats.go/jetstream`": "from-natsgojetstream",
		"What, and how long?":      "what-and-how-long",
	} {
		if got := anchor(text); got != want {
			t.Errorf("anchor(%q) = %q, want %q", text, got, want)
		}
	}
}
