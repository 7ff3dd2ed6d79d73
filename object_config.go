package jetstream

import (
	"cmp"
	"context"
	"strings"
	"time"
)

const (
	// objectStreamPrefix starts the name of every stream that is an object store.
	objectStreamPrefix = "OBJ_"

	// objectSubjectPrefix starts the subjects of all object stores.
	objectSubjectPrefix = "$O."

	// objectAllSubjects has a subject in common with every object store that is
	// not a mirror.
	objectAllSubjects = "$O.*.C.>"
)

// ObjectStoreConfig describes an object store. Only Bucket is required. Nothing it
// refers to is changed or kept by the calls it is passed to.
type ObjectStoreConfig struct {
	// Bucket is the name: letters, digits, - and _.
	Bucket string `json:"bucket"`

	// Description is free text of up to 4 KiB.
	Description string `json:"description,omitempty"`

	// TTL removes what has that age: content and description of an object alike.
	// Zero keeps it.
	TTL time.Duration `json:"max_age,omitempty"`

	// MaxBytes limits the size of the store. A full store refuses writes. Zero
	// means no limit.
	MaxBytes int64 `json:"max_bytes,omitempty"`

	// Storage is where objects are kept, in files by default. It cannot be
	// changed later.
	Storage StorageType `json:"storage,omitempty"`

	// Replicas is the number of servers in a cluster that hold the store, at most
	// 5. Zero means 1.
	Replicas int `json:"num_replicas,omitempty"`

	// Placement says which servers the store may be placed on.
	Placement *Placement `json:"placement,omitempty"`

	// Compression compresses the store's files.
	Compression bool `json:"compression,omitempty"`

	// Metadata are keys and values of the user's own.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// ObjectStoreManager creates, changes, finds and deletes object stores.
// [JetStream] implements it.
//
// An object store is a stream named OBJ_<bucket> that holds objects in chunks
// (ADR-20). Each method that takes the name of a store refuses an invalid one with
// [ErrInvalidStoreName] before anything is sent.
type ObjectStoreManager interface {
	// ObjectStore returns a handle of an existing store, and exactly
	// [ErrBucketNotFound] if there is none. Any stream with the name of a store
	// will do, so that mirrors made by hand can be read.
	ObjectStore(ctx context.Context, bucket string) (ObjectStore, error)

	// CreateObjectStore creates a store. If it exists with exactly this config,
	// that is a success too; if it exists with another one, the error matches
	// [ErrBucketExists] and [ErrStreamNameAlreadyInUse].
	CreateObjectStore(ctx context.Context, cfg ObjectStoreConfig) (ObjectStore, error)

	// UpdateObjectStore changes the config of a store. The error matches
	// [ErrBucketNotFound] if there is none; a change that the server does not
	// allow fails with the server's error.
	UpdateObjectStore(ctx context.Context, cfg ObjectStoreConfig) (ObjectStore, error)

	// CreateOrUpdateObjectStore is UpdateObjectStore for a store that exists, and
	// CreateObjectStore for one that does not.
	CreateOrUpdateObjectStore(ctx context.Context, cfg ObjectStoreConfig) (ObjectStore, error)

	// DeleteObjectStore deletes a store with all it holds. If there is none, the
	// error matches [ErrBucketNotFound] and [ErrStreamNotFound].
	DeleteObjectStore(ctx context.Context, bucket string) error

	// ObjectStoreNames lists the names of all stores; mirrors are not among them.
	// It returns at once and asks the server for pages in the background while
	// they are read. It ends with ctx, and if that has no deadline, with
	// [context.DeadlineExceeded] when its reader takes nothing for two minutes.
	ObjectStoreNames(ctx context.Context) ObjectStoreNamesLister

	// ObjectStores is ObjectStoreNames with the status of each store, an
	// *[ObjectBucketStatus].
	ObjectStores(ctx context.Context) ObjectStoresLister
}

// ObjectStoreNamesLister is a running listing of the names of object stores, see
// [ObjectStoreManager.ObjectStoreNames].
type ObjectStoreNamesLister interface {
	// Name returns the channel on which the names arrive. It is closed at the
	// end of the listing, complete or not. It is unbuffered and meant for one
	// reader.
	Name() <-chan string

	// Error returns what cut the listing short, or nil if it is complete. It
	// tells nothing before the channel is closed: until then it is nil.
	Error() error
}

// ObjectStoresLister is a running listing of object stores, see
// [ObjectStoreManager.ObjectStores].
type ObjectStoresLister interface {
	// Status returns the channel on which the stores arrive. It is closed at the
	// end of the listing, complete or not. It is unbuffered and meant for one
	// reader.
	Status() <-chan ObjectStoreStatus

	// Error returns what cut the listing short, or nil if it is complete. It
	// tells nothing before the channel is closed: until then it is nil.
	Error() error
}

// ObjectStoreStatus is what an object store looked like when the server was
// asked, see [ObjectStore.Status].
type ObjectStoreStatus interface {
	// Bucket returns the name of the store.
	Bucket() string

	// Description returns the description of the store.
	Description() string

	// TTL returns the age at which objects are removed, zero if they are not.
	TTL() time.Duration

	// Storage returns where objects are kept.
	Storage() StorageType

	// Replicas returns the number of servers that hold the store.
	Replicas() int

	// Sealed reports whether the store is sealed, see [ObjectStore.Seal].
	Sealed() bool

	// Size returns the bytes of all that is stored, descriptions included.
	Size() uint64

	// BackingStore returns JetStream.
	BackingStore() string

	// Metadata returns the metadata, including what the server adds to it.
	Metadata() map[string]string

	// IsCompressed reports whether the store's files are compressed.
	IsCompressed() bool
}

// ObjectBucketStatus is the [ObjectStoreStatus] of this package. It also has the
// info of the stream behind the store.
type ObjectBucketStatus struct {
	info   *StreamInfo
	bucket string
}

var _ ObjectStoreStatus = (*ObjectBucketStatus)(nil)

// Bucket implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) Bucket() string { return s.bucket }

// Description implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) Description() string { return s.info.Config.Description }

// TTL implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) TTL() time.Duration { return s.info.Config.MaxAge }

// Storage implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) Storage() StorageType { return s.info.Config.Storage }

// Replicas implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) Replicas() int { return s.info.Config.Replicas }

// Sealed implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) Sealed() bool { return s.info.Config.Sealed }

// Size implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) Size() uint64 { return s.info.State.Bytes }

// BackingStore implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) BackingStore() string { return "JetStream" }

// Metadata implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) Metadata() map[string]string { return s.info.Config.Metadata }

// IsCompressed implements [ObjectStoreStatus].
func (s *ObjectBucketStatus) IsCompressed() bool {
	return s.info.Config.Compression != NoCompression
}

// StreamInfo returns the info of the stream behind the store.
func (s *ObjectBucketStatus) StreamInfo() *StreamInfo { return s.info }

// objectStreamConfig returns the config of the stream that is the store.
func objectStreamConfig(cfg *ObjectStoreConfig) StreamConfig {
	subjects := objectSubjectPrefix + cfg.Bucket
	sc := StreamConfig{
		Name:        objectStreamPrefix + cfg.Bucket,
		Description: cfg.Description,
		Subjects:    []string{subjects + ".C.>", subjects + ".M.>"},
		MaxAge:      cfg.TTL,
		MaxBytes:    cmp.Or(cfg.MaxBytes, -1),
		Storage:     cfg.Storage,
		Replicas:    cmp.Or(cfg.Replicas, 1),
		Placement:   cfg.Placement,
		Metadata:    cfg.Metadata,
		Discard:     DiscardNew,
		AllowRollup: true,
		AllowDirect: true,
	}
	if cfg.Compression {
		sc.Compression = S2Compression
	}
	return sc
}

func (js *jetStream) ObjectStore(ctx context.Context, bucket string) (ObjectStore, error) {
	store, err := js.openObjectStore(ctx, bucket)
	if err != nil {
		return nil, err
	}
	return store, nil
}

func (js *jetStream) openObjectStore(ctx context.Context, bucket string) (*objectStore, error) {
	if !validBucket(bucket) {
		return nil, ErrInvalidStoreName
	}
	info, err := js.bucketInfo(ctx, objectStreamPrefix+bucket)
	if err != nil {
		return nil, err
	}
	return newObjectStore(js, bucket, info), nil
}

func (js *jetStream) CreateObjectStore(ctx context.Context, cfg ObjectStoreConfig) (ObjectStore, error) {
	store, err := js.putObjectStore(ctx, &cfg, js.CreateStream)
	if err == ErrStreamNameAlreadyInUse {
		return nil, errBucketExists(cfg.Bucket, err)
	}
	return store, err
}

func (js *jetStream) UpdateObjectStore(ctx context.Context, cfg ObjectStoreConfig) (ObjectStore, error) {
	store, err := js.putObjectStore(ctx, &cfg, js.UpdateStream)
	if err == ErrStreamNotFound {
		return nil, errBucketNotFound(cfg.Bucket)
	}
	return store, err
}

func (js *jetStream) CreateOrUpdateObjectStore(ctx context.Context, cfg ObjectStoreConfig) (ObjectStore, error) {
	return js.putObjectStore(ctx, &cfg, js.CreateOrUpdateStream)
}

// putObjectStore checks the config of a store and hands that of its stream to
// put.
func (js *jetStream) putObjectStore(ctx context.Context, cfg *ObjectStoreConfig, put putStreamFunc) (ObjectStore, error) {
	if !validBucket(cfg.Bucket) {
		return nil, ErrInvalidStoreName
	}
	s, err := put(ctx, objectStreamConfig(cfg))
	if err != nil {
		return nil, err
	}
	return newObjectStore(js, cfg.Bucket, s.CachedInfo()), nil
}

func (js *jetStream) DeleteObjectStore(ctx context.Context, bucket string) error {
	if !validBucket(bucket) {
		return ErrInvalidStoreName
	}
	return js.deleteBucket(ctx, objectStreamPrefix, bucket)
}

func (js *jetStream) ObjectStoreNames(ctx context.Context) ObjectStoreNamesLister {
	return bucketLister[string]{startLister(ctx, func(ctx context.Context, emit func(string) error) error {
		return js.streamNames(objectAllSubjects).each(ctx, func(name string) error {
			if bucket, ok := strings.CutPrefix(name, objectStreamPrefix); ok {
				return emit(bucket)
			}
			return nil
		})
	})}
}

func (js *jetStream) ObjectStores(ctx context.Context) ObjectStoresLister {
	return bucketLister[ObjectStoreStatus]{startLister(ctx, func(ctx context.Context, emit func(ObjectStoreStatus) error) error {
		return js.streamInfos(objectAllSubjects).each(ctx, func(info *StreamInfo) error {
			if bucket, ok := strings.CutPrefix(info.Config.Name, objectStreamPrefix); ok {
				return emit(&ObjectBucketStatus{info: info, bucket: bucket})
			}
			return nil
		})
	})}
}
