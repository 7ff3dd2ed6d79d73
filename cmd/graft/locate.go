package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	ownPath  = "example.com/jetstream"
	natsPath = "github.com/nats-io/nats.go"
)

// module is what the go command tells about a module.
type module struct {
	Path    string
	Version string
	Dir     string
	Replace *module
	Error   json.RawMessage
}

// versionOrPath names the module's version, or its directory if it has none.
func (m *module) versionOrPath() string {
	if m.Version == "" {
		return "in " + m.Dir
	}
	return m.Version
}

// locateNats finds the nats.go module that the current module uses. A replace
// directive that leads to out, where a former copy is, does not count: then it is
// the version which that copy replaces.
func locateNats(ctx context.Context, out string) (*module, error) {
	m, err := locate(ctx, natsPath)
	if err != nil {
		return nil, err
	}
	if m.Replace == nil {
		return m, nil
	}
	switch {
	case sameDir(m.Replace.Dir, out):
		return download(ctx, natsPath+"@"+m.Version)
	case m.Replace.Dir == "":
		return download(ctx, m.Replace.Path+"@"+m.Replace.Version)
	default:
		return m.Replace, nil
	}
}

// locate asks the go command for a module in the build list of the current one.
func locate(ctx context.Context, path string) (*module, error) {
	m, err := goCommand(ctx, "list", "-m", "-json", path)
	if err != nil {
		return nil, fmt.Errorf("the current module does not use %s: %w", path, err)
	}
	if m.Dir == "" && m.Replace == nil {
		return download(ctx, path+"@"+m.Version)
	}
	return m, nil
}

// download makes sure that a version of a module is in the module cache.
func download(ctx context.Context, pathAtVersion string) (*module, error) {
	m, err := goCommand(ctx, "mod", "download", "-json", pathAtVersion)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", pathAtVersion, err)
	}
	return m, nil
}

func goCommand(ctx context.Context, args ...string) (*module, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	answer, failed := cmd.Output()
	var m module
	if err := json.Unmarshal(answer, &m); err == nil && m.Error != nil {
		return nil, errors.New(reason(m.Error))
	}
	if text := strings.TrimSpace(complaint.String()); failed != nil && text != "" {
		return nil, errors.New(text)
	}
	if failed != nil {
		return nil, failed
	}
	return &m, nil
}

// reason returns the text of an error, which "go list" puts into an object and
// "go mod download" does not.
func reason(field json.RawMessage) string {
	var object struct{ Err string }
	var text string
	switch {
	case json.Unmarshal(field, &object) == nil:
		return object.Err
	case json.Unmarshal(field, &text) == nil:
		return text
	default:
		return string(field)
	}
}

func sameDir(a, b string) bool {
	aInfo, err := os.Stat(a)
	if err != nil {
		// A copy that was removed is still the same place.
		absA, errA := filepath.Abs(a)
		absB, errB := filepath.Abs(b)
		return errA == nil && errB == nil && absA == absB
	}
	bInfo, err := os.Stat(b)
	return err == nil && os.SameFile(aInfo, bInfo)
}
