package workload

import (
	"context"
	"io"
	"strings"
)

const (
	mebibyte = 1 << 20

	// objectChunk is the chunk size that both implementations use by default.
	objectChunk = 128 << 10

	// storePrefix starts the name of the stream of an object store.
	storePrefix = "OBJ_"

	objectName = "object"
)

// objectStore is what workloads use of an object store.
type objectStore struct {
	put func(ctx context.Context, name string, content io.Reader) error
	get func(ctx context.Context, name string) (io.ReadCloser, error)
}

// zeros is an endless reader that costs nothing.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func (r *Run) configureStore(config map[string]any) {
	subjects := "$O." + r.stream
	config["subjects"] = []string{subjects + ".C.>", subjects + ".M.>"}
	config["discard"], config["allow_rollup_hdrs"], config["allow_direct"] = "new", true, true
	r.stream = storePrefix + r.stream
}

func (r *Run) openStore(ctx context.Context, impl Impl) error {
	var err error
	if r.store, err = impl.objects(ctx, r.nc, strings.TrimPrefix(r.stream, storePrefix)); err != nil || !r.reads {
		return err
	}
	return objectPut(ctx, r)
}

func objectPut(ctx context.Context, r *Run) error {
	return r.store.put(ctx, objectName, io.LimitReader(zeros{}, int64(r.n)*mebibyte))
}

// objectGet relies on the implementations to check the digest.
func objectGet(ctx context.Context, r *Run) error {
	content, err := r.store.get(ctx, objectName)
	if err != nil {
		return err
	}
	size, err := io.Copy(io.Discard, content)
	r.seen = int(size / mebibyte)
	if err != nil {
		return err
	}
	return content.Close()
}
