package jetstream

import "time"

// KeyValueStatus is what a bucket looked like when the server was asked, see
// [KeyValue.Status].
type KeyValueStatus interface {
	// Bucket returns the name of the bucket.
	Bucket() string

	// Values returns the number of entries stored: all revisions that are kept
	// and the markers of deleted keys.
	Values() uint64

	// History returns how many revisions are kept of each key.
	History() int64

	// TTL returns the age at which revisions are removed, zero if they are not.
	TTL() time.Duration

	// BackingStore returns JetStream.
	BackingStore() string

	// Bytes returns the size of all that is stored.
	Bytes() uint64

	// IsCompressed reports whether the bucket's files are compressed.
	IsCompressed() bool

	// LimitMarkerTTL returns for how long the markers of expired keys stay, zero
	// if there are none.
	LimitMarkerTTL() time.Duration

	// Metadata returns the metadata, including what the server adds to it.
	Metadata() map[string]string

	// Config returns the bucket's config as the server has it: limits that are
	// not set are -1, and Mirror and Sources are those of the stream.
	Config() KeyValueConfig
}

// KeyValueBucketStatus is the [KeyValueStatus] of this package. It also has the
// info of the stream behind the bucket.
type KeyValueBucketStatus struct {
	info   *StreamInfo
	bucket string
}

var _ KeyValueStatus = (*KeyValueBucketStatus)(nil)

// Bucket implements [KeyValueStatus].
func (s *KeyValueBucketStatus) Bucket() string { return s.bucket }

// Values implements [KeyValueStatus].
func (s *KeyValueBucketStatus) Values() uint64 { return s.info.State.Msgs }

// History implements [KeyValueStatus].
func (s *KeyValueBucketStatus) History() int64 { return s.info.Config.MaxMsgsPerSubject }

// TTL implements [KeyValueStatus].
func (s *KeyValueBucketStatus) TTL() time.Duration { return s.info.Config.MaxAge }

// BackingStore implements [KeyValueStatus].
func (s *KeyValueBucketStatus) BackingStore() string { return "JetStream" }

// Bytes implements [KeyValueStatus].
func (s *KeyValueBucketStatus) Bytes() uint64 { return s.info.State.Bytes }

// IsCompressed implements [KeyValueStatus].
func (s *KeyValueBucketStatus) IsCompressed() bool {
	return s.info.Config.Compression != NoCompression
}

// LimitMarkerTTL implements [KeyValueStatus].
func (s *KeyValueBucketStatus) LimitMarkerTTL() time.Duration {
	return s.info.Config.SubjectDeleteMarkerTTL
}

// Metadata implements [KeyValueStatus].
func (s *KeyValueBucketStatus) Metadata() map[string]string { return s.info.Config.Metadata }

// Config implements [KeyValueStatus].
func (s *KeyValueBucketStatus) Config() KeyValueConfig { return kvConfig(s.bucket, &s.info.Config) }

// StreamInfo returns the info of the stream behind the bucket.
func (s *KeyValueBucketStatus) StreamInfo() *StreamInfo { return s.info }
