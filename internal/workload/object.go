package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// objectChunk is the chunk size that both implementations use by default.
	objectChunk = 128 << 10
	chunksPerMB = mebibyte / objectChunk
	smallSize   = 1 << 10

	// storePrefix starts the name of the stream of an object store.
	storePrefix = "OBJ_"

	objectName = "object"
)

var (
	newStore     = ground{prefix: storePrefix, config: storeStream, stored: oneObject}
	filledStore  = ground{prefix: storePrefix, config: storeStream, stored: oneObject, fill: fillStore}
	smallObjects = ground{prefix: storePrefix, config: storeStream, stored: manyObjects}
	smallObject  = ground{prefix: storePrefix, config: storeStream, stored: lastObject}
)

// An object is its chunks and its description.
func oneObject(mebibytes int) int { return mebibytes*chunksPerMB + 1 }
func manyObjects(n int) int       { return 2 * n }
func lastObject(int) int          { return 2 }

func storeStream(name string) map[string]any {
	return map[string]any{
		"subjects":          []string{"$O." + name + ".C.>", "$O." + name + ".M.>"},
		"discard":           "new",
		"allow_rollup_hdrs": true,
		"allow_direct":      true,
	}
}

// zeros is an endless reader that costs nothing.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func content(size int) io.Reader { return io.LimitReader(zeros{}, int64(size)) }

// fillStore relies on the reference to put what is read afterwards.
func fillStore(ctx context.Context, f *Fixture) error {
	c, err := newRef(f.admin, options{})
	if err != nil {
		return err
	}
	store, err := c.store(ctx, f.name)
	if err != nil {
		return err
	}
	return store.put(ctx, objectName, content(f.n*mebibyte))
}

func openStore(ctx context.Context, r *Run) error {
	var err error
	r.store, err = r.client.store(ctx, r.name)
	return err
}

func openStoreFilled(ctx context.Context, r *Run) error {
	if err := openStore(ctx, r); err != nil {
		return err
	}
	return r.store.put(ctx, objectName, content(smallSize))
}

func objectPut(ctx context.Context, r *Run) error {
	err := r.store.put(ctx, objectName, content(r.n*mebibyte))
	r.done = r.n
	return err
}

// objectGet relies on the implementations to check the digest.
func objectGet(ctx context.Context, r *Run) error {
	content, err := r.store.get(ctx, objectName)
	if err != nil {
		return err
	}
	// Hidden, so that io.Copy reads as it does for most writers, 32 KiB at a time.
	size, err := io.Copy(struct{ io.Writer }{io.Discard}, content)
	r.done = int(size / mebibyte)
	return errors.Join(err, content.Close())
}

func objectGetBytes(ctx context.Context, r *Run) error {
	content, err := r.store.getBytes(ctx, objectName)
	r.done = len(content) / mebibyte
	return err
}

func objectPutNew(_ context.Context, r *Run) error {
	return r.putSmall(func(i int) string { return fmt.Sprintf("%s-%d", objectName, i) })
}

func objectPutAgain(_ context.Context, r *Run) error {
	return r.putSmall(func(int) string { return objectName })
}

func (r *Run) putSmall(name func(i int) string) error {
	return r.each(func(i int) error {
		r.done++
		return r.store.put(context.Background(), name(i), strings.NewReader(smallContent))
	})
}

var smallContent = strings.Repeat("x", smallSize)
