package jetstream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// defaultObjectChunk is the chunk size of objects that are put without one.
const defaultObjectChunk = 128 << 10

// ObjectStore is a handle of one object store. It is made by the methods of
// [ObjectStoreManager], costs next to nothing and is safe for concurrent use.
//
// An object is content of any size under a name, which may be any text that is
// not empty. It is stored in chunks, and a description of it, the [ObjectInfo],
// after them. So an object comes into being, and takes the place of one with the
// same name, all at once and only when all of it is stored. Whoever reads the old
// content at that time can find it gone and gets [ErrDigestMismatch].
//
// Calls take the handle's default timeout when their context has no deadline; for
// those that transfer content, it limits the time without progress and not the
// whole. The context of a watch is also its lifetime. Writes fail with what the
// stream refuses them with, which errors.As finds as an *[APIError].
type ObjectStore interface {
	// Put stores what the reader yields, up to its io.EOF, as the object that
	// meta describes. The name is required: without one, the error is
	// [ErrBadObjectMeta]. A link in the options is refused with
	// [ErrLinkNotAllowed]. A nil reader makes an empty object without a digest.
	//
	// It returns once everything is stored. If it fails, an older object under
	// that name stays as it was, and what was stored of the new one is removed
	// in the background. An error of the reader is returned as it is.
	//
	// While chunks are on their way, the reader is read on. At most 32 MiB are
	// held in memory, or one chunk if that is more. Chunks must not exceed the
	// server's limit for messages; [nats.ErrMaxPayload] says that they do.
	//
	// A ctx that has a deadline limits all of it, and Put returns
	// [nats.ErrTimeout] when it has passed. Without one, there is no limit but
	// for the acknowledgement of each chunk, [ErrAsyncPublishTimeout] being the
	// error. When ctx is canceled, Put returns [context.Canceled]. None of this
	// interrupts a Read of the reader.
	Put(ctx context.Context, obj ObjectMeta, reader io.Reader) (*ObjectInfo, error)

	// PutBytes is Put of data, which is not copied and must not change before
	// PutBytes returns.
	PutBytes(ctx context.Context, name string, data []byte) (*ObjectInfo, error)

	// PutString is Put of a string.
	PutString(ctx context.Context, name string, data string) (*ObjectInfo, error)

	// PutFile is Put of the content of a file. The object has the path, as given,
	// for a name.
	PutFile(ctx context.Context, file string) (*ObjectInfo, error)

	// Get looks an object up and begins to read its content. It does not wait for
	// the content, which the result yields as it arrives. Links to objects are
	// followed, also into other stores; of a link to a store the error is
	// [ErrCantGetBucket]. If there is no such object, or it was deleted, the error
	// is [ErrObjectNotFound], but see [GetObjectShowDeleted]. An empty name is
	// refused with [ErrNameRequired].
	//
	// The context is that of the whole read: the result fails with
	// [nats.ErrTimeout] when its deadline has passed and with [context.Canceled]
	// when it was canceled. Without a deadline, a Read fails with nats.ErrTimeout
	// when nothing has arrived for the handle's default timeout. It does not
	// matter how much time passes between one Read and the next.
	//
	// A result should be closed; one that was read to its end need not be. About
	// 32 MiB of content are requested ahead.
	Get(ctx context.Context, name string, opts ...GetObjectOpt) (ObjectResult, error)

	// GetBytes returns the content of an object, or an error and nothing.
	GetBytes(ctx context.Context, name string, opts ...GetObjectOpt) ([]byte, error)

	// GetString is GetBytes for a string.
	GetString(ctx context.Context, name string, opts ...GetObjectOpt) (string, error)

	// GetFile writes the content of an object to a file. It is written to a
	// temporary file beside it first, which takes the place of the file only when
	// the content is complete and its digest right; until then a file that exists
	// stays as it is. A new file has mode 0600, one that exists keeps its mode.
	// What is not a regular file is written to directly.
	GetFile(ctx context.Context, name, file string, opts ...GetObjectOpt) error

	// GetInfo returns the description of an object. A link is not followed. If
	// there is no such object, or it was deleted, the error is exactly
	// [ErrObjectNotFound], but see [GetObjectInfoShowDeleted].
	GetInfo(ctx context.Context, name string, opts ...GetObjectInfoOpt) (*ObjectInfo, error)

	// UpdateMeta gives an object the name, description, headers and metadata of
	// meta, in place of those it has. The options stay as they are. The error is
	// [ErrUpdateMetaDeleted] if there is no such object or it was deleted, and
	// [ErrObjectAlreadyExists] if it is to get the name of another one. A change
	// of the name is two steps; should the second fail, the object has both names.
	UpdateMeta(ctx context.Context, name string, meta ObjectMeta) error

	// Delete removes the content of an object and marks it as deleted. If there
	// is no such object, the error is [ErrObjectNotFound]; that it was deleted
	// already is none.
	Delete(ctx context.Context, name string) error

	// AddLink stores a link to an object under a name, in place of a link that
	// has it. obj is taken as it is and not looked up. The error is
	// [ErrObjectRequired] if it is nil or has no name, [ErrNoLinkToDeleted] or
	// [ErrNoLinkToLink] if it describes such, and [ErrObjectAlreadyExists] if an
	// object that is not a link has the name.
	AddLink(ctx context.Context, name string, obj *ObjectInfo) (*ObjectInfo, error)

	// AddBucketLink stores a link to a whole store under a name, in place of a
	// link that has it. The error is [ErrBucketRequired] if there is no store,
	// [ErrBucketMalformed] if it is not one of this package, and
	// [ErrObjectAlreadyExists] if an object that is not a link has the name.
	AddBucketLink(ctx context.Context, name string, bucket ObjectStore) (*ObjectInfo, error)

	// Seal makes the store read-only for good.
	Seal(ctx context.Context) error

	// Watch delivers the descriptions of objects: first that of each object there
	// is, in the order of the last change, then nil, and then each change as it
	// happens. [UpdatesOnly] leaves out what is there, and the nil with it;
	// [IgnoreDeletes] leaves out the deleted; [IncludeHistory] makes no
	// difference, as there is no history; [MetaOnly] and [ResumeFromRevision] have
	// no effect.
	//
	// They come in order, without gaps and once each, also if the connection is
	// interrupted or servers come and go. The watch ends, and its channel is
	// closed, with [ObjectWatcher].Stop, with ctx, when the connection is closed,
	// and when the store is deleted.
	Watch(ctx context.Context, opts ...WatchOpt) (ObjectWatcher, error)

	// List returns the descriptions of all objects, in the order of the last
	// change. The deleted are not among them unless [ListObjectsShowDeleted] is
	// given. If there is none, the error is [ErrNoObjectsFound].
	List(ctx context.Context, opts ...ListObjectsOpt) ([]*ObjectInfo, error)

	// Status asks the server for the state of the store. The result is an
	// *[ObjectBucketStatus]. If the store is gone, the error is
	// [ErrStreamNotFound].
	Status(ctx context.Context) (ObjectStoreStatus, error)
}

// ObjectMeta is the part of an object's description that its owner writes.
type ObjectMeta struct {
	// Name is the name of the object, any text that is not empty.
	Name string `json:"name"`

	// Description is free text.
	Description string `json:"description,omitempty"`

	// Headers are the user's own, with any number of values each.
	Headers nats.Header `json:"headers,omitempty"`

	// Metadata are keys and values of the user's own.
	Metadata map[string]string `json:"metadata,omitempty"`

	// Opts says how the object is stored, nil for the defaults.
	Opts *ObjectMetaOptions `json:"options,omitempty"`
}

// ObjectMetaOptions says how an object is stored.
type ObjectMetaOptions struct {
	// Link is what the object is a link to, nil if it is none. Links are made by
	// [ObjectStore.AddLink] and [ObjectStore.AddBucketLink].
	Link *ObjectLink `json:"link,omitempty"`

	// ChunkSize is the size of each chunk but the last, in bytes. Zero means 128
	// KiB.
	ChunkSize uint32 `json:"max_chunk_size,omitempty"`
}

// ObjectLink is the target of a link.
type ObjectLink struct {
	// Bucket is the name of the store.
	Bucket string `json:"bucket"`

	// Name is the name of the object, empty for a link to the store as a whole.
	Name string `json:"name,omitempty"`
}

// ObjectInfo describes an object.
type ObjectInfo struct {
	ObjectMeta

	// Bucket is the name of the store.
	Bucket string `json:"bucket"`

	// NUID identifies the content. Each put makes a new one.
	NUID string `json:"nuid"`

	// Size is the size of the content in bytes.
	Size uint64 `json:"size"`

	// ModTime is when the description was stored: by the server's clock if it was
	// asked for, by the client's where the result of a put or a new link says so.
	ModTime time.Time `json:"mtime"`

	// Chunks is the number of chunks of the content.
	Chunks uint32 `json:"chunks"`

	// Digest is the SHA-256 of the content, see [DecodeObjectDigest].
	Digest string `json:"digest,omitempty"`

	// Deleted says that the object was deleted.
	Deleted bool `json:"deleted,omitempty"`
}

// link returns what the object is a link to, or nil if it is none.
func (i *ObjectInfo) link() *ObjectLink {
	if i.Opts == nil {
		return nil
	}
	return i.Opts.Link
}

// GetObjectOpt configures [ObjectStore.Get] and its kin. A nil option is ignored.
type GetObjectOpt func(opts *getObjectOpts) error

// GetObjectInfoOpt configures [ObjectStore.GetInfo]. A nil option is ignored.
type GetObjectInfoOpt func(opts *getObjectInfoOpts) error

// ListObjectsOpt configures [ObjectStore.List]. A nil option is ignored.
type ListObjectsOpt func(opts *listObjectOpts) error

type getObjectOpts struct{ showDeleted bool }

type getObjectInfoOpts struct{ showDeleted bool }

type listObjectOpts struct{ showDeleted bool }

// GetObjectShowDeleted makes [ObjectStore.Get] return a deleted object, which has
// no content any more.
func GetObjectShowDeleted() GetObjectOpt {
	return func(opts *getObjectOpts) error {
		opts.showDeleted = true
		return nil
	}
}

// GetObjectInfoShowDeleted makes [ObjectStore.GetInfo] return the description of a
// deleted object, too.
func GetObjectInfoShowDeleted() GetObjectInfoOpt {
	return func(opts *getObjectInfoOpts) error {
		opts.showDeleted = true
		return nil
	}
}

// ListObjectsShowDeleted makes [ObjectStore.List] include deleted objects.
func ListObjectsShowDeleted() ListObjectsOpt {
	return func(opts *listObjectOpts) error {
		opts.showDeleted = true
		return nil
	}
}

// collectObjectOpts applies options of one kind.
func collectObjectOpts[R any, O ~func(*R) error](opts []O) (R, error) {
	var o R
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

// objectStore implements [ObjectStore].
//
// What it publishes goes to the plain subjects, whatever domain or API prefix the
// handle has: servers map the subjects of buckets below the API prefix of a
// domain, but not those of object stores, so that a message with the prefix would
// reach nobody.
type objectStore struct {
	js     *jetStream
	stream *stream
	bucket string

	// Prefixes of subjects, all ending in a dot.

	chunks string
	metas  string
}

var _ ObjectStore = (*objectStore)(nil)

func newObjectStore(js *jetStream, bucket string, info *StreamInfo) *objectStore {
	return &objectStore{
		js:     js,
		stream: newStream(js, objectStreamPrefix+bucket, info),
		bucket: bucket,
		chunks: objectSubjectPrefix + bucket + ".C.",
		metas:  objectMetaPrefix(bucket),
	}
}

func objectMetaPrefix(bucket string) string { return objectSubjectPrefix + bucket + ".M." }

// objectToken returns the token that stands for the name of an object in subjects.
func objectToken(name string) string { return base64.URLEncoding.EncodeToString([]byte(name)) }

func (o *objectStore) GetInfo(ctx context.Context, name string, opts ...GetObjectInfoOpt) (*ObjectInfo, error) {
	options, err := collectObjectOpts[getObjectInfoOpts](opts)
	if err != nil {
		return nil, err
	}
	return o.info(ctx, name, options.showDeleted)
}

// info returns the description of an object, deleted ones only if wanted.
func (o *objectStore) info(ctx context.Context, name string, showDeleted bool) (*ObjectInfo, error) {
	if name == "" {
		return nil, ErrNameRequired
	}
	info, err := readObjectInfo(o.stream.lastMsg(ctx, o.metas, objectToken(name)))
	if err != nil {
		return nil, err
	}
	if info.Deleted && !showDeleted {
		return nil, ErrObjectNotFound
	}
	return info, nil
}

// readObjectInfo returns the description that a stored message holds.
func readObjectInfo(msg RawStreamMsg, err error) (*ObjectInfo, error) {
	switch {
	case errors.Is(err, ErrMsgNotFound):
		return nil, ErrObjectNotFound
	case errors.Is(err, ErrStreamNotFound):
		return nil, ErrBucketNotFound
	case err != nil:
		return nil, err
	}
	info, err := parseObjectInfo(msg.Data)
	if err != nil {
		return nil, err
	}
	info.ModTime = msg.Time
	return info, nil
}

// parseObjectInfo decodes a description. It can have been written by anybody who
// may write to the store, so what becomes part of subjects is looked at: with a
// wildcard for its content, replacing an object would purge those of all others.
func parseObjectInfo(data []byte) (*ObjectInfo, error) {
	info := new(ObjectInfo)
	if json.Unmarshal(data, info) != nil || info.Name == "" || !validObjectID(info.NUID) || (info.Bucket != "" && !validBucket(info.Bucket)) {
		return nil, ErrBadObjectMeta
	}
	return info, nil
}

// validObjectID reports whether id is empty or can be one token of a subject.
func validObjectID(id string) bool {
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c == 0x7f || c == '.' || c == '*' || c == '>' {
			return false
		}
	}
	return true
}

// metaHeader makes a description take the place of the one before. It is never
// written to.
var metaHeader = nats.Header{MsgRollup: {MsgRollupSubject}}

// metaMsg returns the message that stores a description. From a mirror, it goes to
// the store the description names. Elsewhere that may be anything.
func (o *objectStore) metaMsg(info *ObjectInfo) (*nats.Msg, error) {
	prefix := o.metas
	if info.Bucket != "" && o.stream.info.Load().Config.Mirror != nil {
		prefix = objectMetaPrefix(info.Bucket)
	}
	stored := *info
	// The time is that of the message.
	stored.ModTime = time.Time{}
	data, err := json.Marshal(&stored)
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: prefix + objectToken(info.Name), Header: metaHeader, Data: data}, nil
}

// putMeta stores a description.
func (o *objectStore) putMeta(ctx context.Context, info *ObjectInfo) error {
	msg, err := o.metaMsg(info)
	if err != nil {
		return err
	}
	_, err = o.js.publishSync(ctx, msg, DefaultPubRetryAttempts, DefaultPubRetryWait)
	return err
}

// purge removes all messages with a subject.
func (o *objectStore) purge(ctx context.Context, subject string) error {
	return o.stream.purge(ctx, &StreamPurgeRequest{Subject: subject})
}

func (o *objectStore) UpdateMeta(ctx context.Context, name string, meta ObjectMeta) error {
	info, err := o.info(ctx, name, false)
	if err != nil {
		if err == ErrObjectNotFound {
			return ErrUpdateMetaDeleted
		}
		return err
	}
	if meta.Name != name {
		switch _, err := o.info(ctx, meta.Name, false); {
		case err == nil:
			return ErrObjectAlreadyExists
		case err != ErrObjectNotFound:
			return err
		}
	}
	info.Name, info.Description = meta.Name, meta.Description
	info.Headers, info.Metadata = meta.Headers, meta.Metadata
	if err := o.putMeta(ctx, info); err != nil {
		return err
	}
	if meta.Name != name {
		return o.purge(ctx, o.metas+objectToken(name))
	}
	return nil
}

func (o *objectStore) Delete(ctx context.Context, name string) error {
	switch info, err := o.info(ctx, name, true); {
	case err != nil:
		return err
	case info.NUID == "":
		return ErrBadObjectMeta
	default:
		info.Deleted = true
		info.Size, info.Chunks, info.Digest = 0, 0, ""
		if err := o.putMeta(ctx, info); err != nil {
			return err
		}
		return o.purge(ctx, o.chunks+info.NUID)
	}
}

func (o *objectStore) AddLink(ctx context.Context, name string, obj *ObjectInfo) (*ObjectInfo, error) {
	switch {
	case name == "":
		return nil, ErrNameRequired
	case obj == nil || obj.Name == "":
		return nil, ErrObjectRequired
	case obj.Deleted:
		return nil, ErrNoLinkToDeleted
	case obj.link() != nil:
		return nil, ErrNoLinkToLink
	}
	return o.addLink(ctx, name, ObjectLink{Bucket: obj.Bucket, Name: obj.Name})
}

func (o *objectStore) AddBucketLink(ctx context.Context, name string, bucket ObjectStore) (*ObjectInfo, error) {
	switch {
	case name == "":
		return nil, ErrNameRequired
	case bucket == nil:
		return nil, ErrBucketRequired
	}
	target, ok := bucket.(*objectStore)
	if !ok {
		return nil, ErrBucketMalformed
	}
	return o.addLink(ctx, name, ObjectLink{Bucket: target.bucket})
}

// addLink stores a link, unless an object that is none has the name.
func (o *objectStore) addLink(ctx context.Context, name string, link ObjectLink) (*ObjectInfo, error) {
	switch existing, err := o.info(ctx, name, false); {
	case err == nil && existing.link() == nil:
		return nil, ErrObjectAlreadyExists
	case err != nil && err != ErrObjectNotFound:
		return nil, err
	}
	info := &ObjectInfo{
		ObjectMeta: ObjectMeta{Name: name, Opts: &ObjectMetaOptions{Link: &link}},
		Bucket:     o.bucket,
		NUID:       nuid.Next(),
		ModTime:    time.Now().UTC(),
	}
	if err := o.putMeta(ctx, info); err != nil {
		return nil, err
	}
	return info, nil
}

func (o *objectStore) Seal(ctx context.Context) error {
	info, err := o.stream.Info(ctx)
	if err != nil {
		return err
	}
	cfg := info.Config
	cfg.Sealed = true
	_, err = o.js.UpdateStream(ctx, cfg)
	return err
}

func (o *objectStore) Status(ctx context.Context) (ObjectStoreStatus, error) {
	info, err := o.stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	return &ObjectBucketStatus{info: info, bucket: o.bucket}, nil
}
