package jetstream

import (
	"context"
	"errors"
	"fmt"
)

// putStreamFunc is a method that creates or updates a stream.
type putStreamFunc func(ctx context.Context, cfg StreamConfig) (Stream, error)

// bucketInfo is [jetStream.streamInfo] for the stream of a key-value bucket or an
// object store.
func (js *jetStream) bucketInfo(ctx context.Context, stream string) (*StreamInfo, error) {
	info, err := js.streamInfo(ctx, stream)
	if err == ErrStreamNotFound {
		return nil, ErrBucketNotFound
	}
	return info, err
}

// deleteBucket deletes the stream of a bucket, whose name starts with prefix.
func (js *jetStream) deleteBucket(ctx context.Context, prefix, bucket string) error {
	err := js.DeleteStream(ctx, prefix+bucket)
	if err == ErrStreamNotFound {
		return errors.Join(errBucketNotFound(bucket), err)
	}
	return err
}

func errBucketNotFound(bucket string) error {
	return fmt.Errorf("%w: %s", ErrBucketNotFound, bucket)
}

// errBucketExists adds to the refusal of a stream that it is the one of a bucket.
func errBucketExists(bucket string, refusal error) error {
	return errors.Join(fmt.Errorf("%w: %s", ErrBucketExists, bucket), refusal)
}
