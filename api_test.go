package jetstream_test

import (
	"fmt"
	"go/ast"
	"go/types"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/exp/apidiff"
	"golang.org/x/tools/go/packages"
)

const (
	apiOwnPath       = "example.com/jetstream"
	apiReferencePath = "github.com/nats-io/nats.go/jetstream"
)

// apiLoad returns this package and the reference, as importers see them.
func apiLoad(t *testing.T) (own, reference *types.Package) {
	t.Helper()
	cfg := &packages.Config{Mode: packages.NeedName | packages.NeedTypes, Context: t.Context()}
	loaded, err := packages.Load(cfg, apiOwnPath, apiReferencePath)
	if err != nil {
		t.Fatalf("load packages: %v", err)
	}
	byPath := make(map[string]*types.Package)
	for _, pkg := range loaded {
		for _, err := range pkg.Errors {
			t.Errorf("load %s: %v", pkg.PkgPath, err)
		}
		byPath[pkg.PkgPath] = pkg.Types
	}
	own, reference = byPath[apiOwnPath], byPath[apiReferencePath]
	if own == nil || reference == nil {
		t.Fatalf("loaded %v", byPath)
	}
	return own, reference
}

// apiSubject is the part of a change's message that says what differs, such as
// Name, Type.Method or (*Type).Method.
var apiSubject = regexp.MustCompile(`^\(?\*?\w+\)?(\.\w+)?`)

// apiChanges returns the differences that code using the package can notice, the
// compatible ones included, by what differs. The fields of unexported types are
// out of reach, but their methods are not where a variable has such a type.
func apiChanges(from, to *types.Package) map[string][]string {
	changes := make(map[string][]string)
	for _, change := range apidiff.Changes(from, to).Changes {
		subject := apiSubject.FindString(change.Message)
		if ast.IsExported(subject) || strings.HasPrefix(subject, "(") {
			changes[subject] = append(changes[subject], change.Message)
		}
	}
	return changes
}

// Both directions are needed: a comparison does not report every method that an
// interface loses with an embedded one.
func TestAPIIsExactlyThatOfTheReference(t *testing.T) {
	t.Parallel()
	own, reference := apiLoad(t)
	changes := apiChanges(reference, own)
	for subject, messages := range apiChanges(own, reference) {
		if changes[subject] == nil {
			for _, msg := range messages {
				changes[subject] = append(changes[subject], "reference, compared with own: "+msg)
			}
		}
	}
	for _, messages := range changes {
		t.Error(strings.Join(messages, "; "))
	}
}

// apiFields describes the exported fields of a struct in order, with all that a
// literal, an encoder or reflection could tell apart.
func apiFields(s *types.Struct, pkg *types.Package) []string {
	var fields []string
	for i := range s.NumFields() {
		field := s.Field(i)
		if !field.Exported() {
			continue
		}
		fields = append(fields, fmt.Sprintf("%s %s embedded=%t tag=%s",
			field.Name(), types.TypeString(field.Type(), types.RelativeTo(pkg)), field.Embedded(), s.Tag(i)))
	}
	return fields
}

func TestStructsHaveTheFieldsAndTagsOfTheReference(t *testing.T) {
	t.Parallel()
	own, reference := apiLoad(t)
	compared := 0
	for _, name := range own.Scope().Names() {
		if !ast.IsExported(name) {
			continue
		}
		obj, ok := own.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		s, ok := obj.Type().Underlying().(*types.Struct)
		if !ok {
			continue
		}
		ref, ok := reference.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		refStruct, ok := ref.Type().Underlying().(*types.Struct)
		if !ok {
			t.Errorf("%s is a struct here and %s in the reference", name, ref.Type().Underlying())
			continue
		}
		got, want := apiFields(s, own), apiFields(refStruct, reference)
		if !slices.Equal(got, want) {
			t.Errorf("fields of %s:\n got %s\nwant %s", name, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
		compared++
	}
	if compared < 30 {
		t.Errorf("compared %d structs, expected all of the package", compared)
	}
}
