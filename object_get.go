package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
)

const (
	// maxObjectLinks is how many links in a row are followed.
	maxObjectLinks = 16

	// presizeLimit is how much memory is set aside for content because of the
	// size a description claims.
	presizeLimit = 64 << 20
)

func (o *objectStore) Get(ctx context.Context, name string, opts ...GetObjectOpt) (ObjectResult, error) {
	r, err := o.get(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// get follows links to an object and begins to read that.
func (o *objectStore) get(ctx context.Context, name string, opts []GetObjectOpt) (*objectResult, error) {
	options, err := collectObjectOpts[getObjectOpts](opts)
	if err != nil {
		return nil, err
	}
	if ctx == nil {
		return nil, nats.ErrInvalidContext
	}
	store, showDeleted := o, options.showDeleted
	for range maxObjectLinks + 1 {
		info, err := store.info(ctx, name, showDeleted)
		if err != nil {
			return nil, err
		}
		if info.NUID == "" {
			return nil, ErrBadObjectMeta
		}
		link := info.link()
		if link == nil {
			return newObjectResult(ctx, store, info)
		}
		if link.Name == "" {
			return nil, ErrCantGetBucket
		}
		if link.Bucket != store.bucket {
			if store, err = store.js.openObjectStore(ctx, link.Bucket); err != nil {
				return nil, err
			}
		}
		name, showDeleted = link.Name, false
	}
	return nil, fmt.Errorf("%w: more than %d links in a row", ErrNoLinkToLink, maxObjectLinks)
}

func (o *objectStore) GetBytes(ctx context.Context, name string, opts ...GetObjectOpt) ([]byte, error) {
	var content bytes.Buffer
	if err := o.getInto(ctx, name, opts, &content); err != nil {
		return nil, err
	}
	if content.Len() == 0 {
		return []byte{}, nil
	}
	return content.Bytes(), nil
}

func (o *objectStore) GetString(ctx context.Context, name string, opts ...GetObjectOpt) (string, error) {
	var content strings.Builder
	if err := o.getInto(ctx, name, opts, &content); err != nil {
		return "", err
	}
	return content.String(), nil
}

// contentBuffer is memory for the content of an object.
type contentBuffer interface {
	io.Writer
	Grow(n int)
	Len() int
	Cap() int
}

// getInto appends the content of an object to an empty buffer.
func (o *objectStore) getInto(ctx context.Context, name string, opts []GetObjectOpt, to contentBuffer) error {
	r, err := o.get(ctx, name, opts)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	_, err = r.WriteTo(&presizedBuffer{contentBuffer: to, size: r.info.Size})
	return err
}

// presizedBuffer is a buffer for content of a size that is claimed. It believes
// the claim in proportion to what has arrived.
type presizedBuffer struct {
	contentBuffer
	size uint64
}

func (b *presizedBuffer) Write(p []byte) (int, error) {
	if have := b.Len(); b.Cap()-have < len(p) {
		limit := max(presizeLimit, 4*have)
		b.Grow(max(len(p), int(min(b.size, uint64(limit)))-have)) //nolint:gosec // the limit is an int
	}
	return b.contentBuffer.Write(p)
}

func (o *objectStore) GetFile(ctx context.Context, name, file string, opts ...GetObjectOpt) error {
	r, err := o.get(ctx, name, opts)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return writeFile(file, r)
}

// writeFile makes what is read the content of a file, all at once and only if it
// can be read to its end. A file that does not exist gets mode 0600.
func writeFile(file string, content io.WriterTo) error {
	// What a symbolic link leads to is replaced, not the link.
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		target = file
	}
	old, err := os.Stat(target)
	switch {
	case err == nil && !old.Mode().IsRegular():
		return overwriteFile(target, content)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	exists := err == nil
	temp, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		if exists {
			// A file that may be written to in a directory that may not.
			return overwriteFile(target, content)
		}
		return err
	}
	_, err = content.WriteTo(temp)
	if err == nil && exists {
		err = temp.Chmod(old.Mode().Perm())
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), target)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// overwriteFile writes content to a file that exists. On failure, a regular file
// is emptied, for it must not look complete.
func overwriteFile(file string, content io.WriterTo) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	if _, err = content.WriteTo(f); err != nil {
		// Of what is not a regular file there is nothing to take back.
		_ = f.Truncate(0)
	}
	return errors.Join(err, f.Close())
}
