package jetstream_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"example.com/jetstream"
)

// objFiles returns the names in a directory.
func objFiles(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func objWantFile(t testing.TB, file string, content []byte, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s holds %d bytes, want %d, %v", filepath.Base(file), len(got), len(content), err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != mode {
		t.Errorf("%s has mode %v, want %v, %v", filepath.Base(file), info.Mode(), mode, err)
	}
}

func TestFilesArePutAndGotUnderTheirPath(t *testing.T) {
	t.Parallel()
	store, _, _ := objStart(t)
	ctx := objContext(t)
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for _, size := range []int{0, 1, 400_000} {
		content := objContent(size)
		if err := os.WriteFile(from, content, 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := store.PutFile(ctx, from)
		if err != nil || info.Name != from || int(info.Size) != size {
			t.Fatalf("put %+v, %v", info, err)
		}
		if err := store.GetFile(ctx, from, to); err != nil {
			t.Fatal(err)
		}
		objWantFile(t, to, content, 0o600)
		if err := os.Remove(to); err != nil {
			t.Fatal(err)
		}
	}
	if names := objFiles(t, dir); len(names) != 1 {
		t.Errorf("files %v", names)
	}
}

// A63
func TestGetFileReplacesAllOfALongerFile(t *testing.T) {
	t.Parallel()
	store, _, _ := objStart(t)
	ctx := objContext(t)
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"abc", ""} {
		objPut(t, store, "A", []byte(content), 0)
		for _, target := range []string{file, link} {
			if err := os.WriteFile(file, objContent(1000), 0o640); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, 0o640); err != nil {
				t.Fatal(err)
			}
			if err := store.GetFile(ctx, "A", target); err != nil {
				t.Fatal(err)
			}
			objWantFile(t, file, []byte(content), 0o640)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is now %v, %v", info.Mode(), err)
	}
	if names := objFiles(t, dir); len(names) != 2 {
		t.Errorf("files %v", names)
	}
}

// B49
func TestFailedGetFileLeavesTheFileAsItWas(t *testing.T) {
	t.Parallel()
	store, js, _ := objStart(t)
	ctx := objContext(t)
	info := objPut(t, store, "corrupt", objContent(1_000_000), 0)
	if _, err := js.Publish(ctx, "$O.B.C."+info.NUID, []byte("more")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"none": jetstream.ErrObjectNotFound, "corrupt": jetstream.ErrDigestMismatch} {
		for _, target := range []string{file, filepath.Join(dir, "other")} {
			if err := store.GetFile(ctx, name, target); !errors.Is(err, want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	objWantFile(t, file, []byte("before"), 0o600)
	if names := objFiles(t, dir); len(names) != 1 {
		t.Errorf("files %v", names)
	}
	if err := store.GetFile(ctx, "corrupt", filepath.Join(dir, "missing", "file")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a missing directory: %v", err)
	}
	if err := store.GetFile(ctx, "corrupt", dir); err == nil {
		t.Error("a directory was written to")
	}
}

func TestGetFileWritesToWhatIsNoRegularFile(t *testing.T) {
	t.Parallel()
	store, _, _ := objStart(t)
	objPut(t, store, "A", []byte("content"), 0)
	before, err := os.Stat(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.GetFile(objContext(t), "A", os.DevNull); err != nil {
		t.Error(err)
	}
	if after, err := os.Stat(os.DevNull); err != nil || after.Mode() != before.Mode() {
		t.Errorf("it is now %v, %v", after.Mode(), err)
	}
}
