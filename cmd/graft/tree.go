package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	// grafted is the folder of the nats.go module that is replaced.
	grafted = "jetstream"

	// marker is the file that tells a copy from a directory that is none.
	marker = "GRAFT.txt"
)

// tree is the content of a directory: slash-separated paths and what the files
// there hold.
type tree map[string][]byte

// assemble returns nats.go with the package in ownDir as its jetstream folder.
func assemble(nats *module, ownDir string) (tree, error) {
	wanted, err := readTree(nats.Dir, func(name string) bool {
		return name != grafted && !strings.HasPrefix(name, ".")
	})
	if err != nil {
		return nil, err
	}
	own, err := packageFiles(ownDir)
	if err != nil {
		return nil, err
	}
	for name, content := range own {
		wanted[path.Join(grafted, name)] = content
	}
	ownGo, err := goDirective(filepath.Join(ownDir, "go.mod"))
	if err != nil {
		return nil, err
	}
	if wanted["go.mod"], err = raiseGo(wanted["go.mod"], ownGo); err != nil {
		return nil, err
	}
	wanted[marker] = fmt.Appendf(nil, "This is nats.go %s with package %s of %s.\nIt was made by %s/cmd/graft, which overwrites what is changed here.\n",
		nats.versionOrPath(), grafted, ownPath, ownPath)
	return wanted, nil
}

// packageFiles returns the non-test Go files of a directory and its license.
func packageFiles(dir string) (tree, error) {
	files := make(tree)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		isCode := strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
		if entry.IsDir() || (!isCode && name != "LICENSE") {
			continue
		}
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	if _, ok := files["LICENSE"]; !ok || len(files) < 2 {
		return nil, fmt.Errorf("%s holds no package with a license", dir)
	}
	return files, nil
}

// readTree reads a directory with all below it. Of the entries directly in dir,
// those that keep refuses are left out.
func readTree(dir string, keep func(name string) bool) (tree, error) {
	files := make(tree)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != "." && !strings.Contains(name, "/") && !keep(name) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		files[name], err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		return err
	})
	return files, err
}

var goLine = regexp.MustCompile(`(?m)^go\s+(\S+)[ \t]*$`)

// goDirective returns the version of Go a go.mod file asks for.
func goDirective(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	found := goLine.FindSubmatch(content)
	if found == nil {
		return "", fmt.Errorf("%s names no version of Go", file)
	}
	return string(found[1]), nil
}

// raiseGo returns a go.mod file that asks for at least the version of Go given,
// since that decides which language the files are written in.
func raiseGo(goMod []byte, least string) ([]byte, error) {
	at := goLine.FindSubmatchIndex(goMod)
	if at == nil {
		return nil, errors.New("the go.mod of nats.go names no version of Go")
	}
	if version.Compare("go"+string(goMod[at[2]:at[3]]), "go"+least) >= 0 {
		return goMod, nil
	}
	return slices.Concat(goMod[:at[2]], []byte(least), goMod[at[3]:]), nil
}

// hash returns a digest of the names and contents of all files.
func (t tree) hash() string {
	var list []byte
	for _, name := range slices.Sorted(maps.Keys(t)) {
		list = fmt.Appendf(list, "%x %s\n", sha256.Sum256(t[name]), name)
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(list))
}

// compare reports how the directory out differs from t.
func (t tree) compare(out string) error {
	if err := checkMarker(out); err != nil {
		return err
	}
	found, err := readTree(out, func(string) bool { return true })
	if err != nil {
		return err
	}
	if found.hash() == t.hash() {
		return nil
	}
	var differences []string
	for name, content := range t {
		if have, ok := found[name]; !ok {
			differences = append(differences, name+" is missing")
		} else if !bytes.Equal(have, content) {
			differences = append(differences, name+" differs")
		}
	}
	for name := range found {
		if _, ok := t[name]; !ok {
			differences = append(differences, name+" does not belong there")
		}
	}
	slices.Sort(differences)
	const most = 5
	more := ""
	if len(differences) > most {
		more = fmt.Sprintf(", and %d more", len(differences)-most)
		differences = differences[:most]
	}
	return fmt.Errorf("%s is out of date: %s%s", out, strings.Join(differences, ", "), more)
}

// checkMarker reports whether there is a copy in the directory out.
func checkMarker(out string) error {
	_, err := os.Stat(filepath.Join(out, marker))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is no copy made by graft: it has no %s", out, marker)
	}
	return err
}

// write replaces the directory out by t. What is there stays if it is not a copy
// made by graft, or if writing fails.
func (t tree) write(out string) error {
	entries, err := os.ReadDir(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case len(entries) > 0:
		if err := checkMarker(out); err != nil {
			return fmt.Errorf("not overwritten: %w", err)
		}
	}
	parent := filepath.Dir(filepath.Clean(out))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(parent, ".graft-")
	if err != nil {
		return err
	}
	if err := t.fill(fresh); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.RemoveAll(out); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	return os.Rename(fresh, out)
}

// fill writes the files into an empty directory. All of them are writable, which
// those of the module cache are not.
func (t tree) fill(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for name, content := range t {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
