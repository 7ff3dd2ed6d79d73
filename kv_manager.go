package jetstream

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
)

// KeyValueManager creates, changes, finds and deletes key-value buckets.
// [JetStream] implements it.
//
// A bucket is a stream named KV_<bucket> with a subject for each key (ADR-8). Each
// method that takes the name of a bucket refuses an invalid one with
// [ErrInvalidBucketName] before anything is sent. Where there is no JetStream,
// the methods that create or change a bucket return [ErrJetStreamNotEnabled] or
// [ErrJetStreamNotEnabledForAccount].
type KeyValueManager interface {
	// KeyValue returns a handle of an existing bucket. It returns
	// [ErrBucketNotFound] if there is none, and [ErrBadBucket] if the stream with
	// its name is no bucket.
	KeyValue(ctx context.Context, bucket string) (KeyValue, error)

	// CreateKeyValue creates a bucket. If it exists with exactly this config,
	// that is a success too; if it exists with another one, the error matches
	// [ErrBucketExists] and [ErrStreamNameAlreadyInUse]. A bucket of an old
	// client, which differs in nothing but that it discards old entries or has
	// no direct access, is brought up to date.
	//
	// More history than [KeyValueMaxHistory] is refused with
	// [ErrHistoryTooLarge]. With LimitMarkerTTL, the server is first asked
	// whether it is recent enough; the error is [ErrLimitMarkerTTLNotSupported]
	// if it is not.
	CreateKeyValue(ctx context.Context, cfg KeyValueConfig) (KeyValue, error)

	// UpdateKeyValue changes the config of a bucket. Settings of its stream that
	// a [KeyValueConfig] does not have stay as they are. It returns an error
	// that matches [ErrBucketNotFound] if there is no such bucket; a change that
	// the server does not allow fails with the server's error. Nothing is sent
	// beyond the question for the current config if that is the wanted one
	// already.
	UpdateKeyValue(ctx context.Context, cfg KeyValueConfig) (KeyValue, error)

	// CreateOrUpdateKeyValue is UpdateKeyValue for a bucket that exists, and
	// CreateKeyValue for one that does not.
	CreateOrUpdateKeyValue(ctx context.Context, cfg KeyValueConfig) (KeyValue, error)

	// DeleteKeyValue deletes a bucket with all it holds. If there is none, the
	// error matches [ErrBucketNotFound] and [ErrStreamNotFound].
	DeleteKeyValue(ctx context.Context, bucket string) error

	// KeyValueStoreNames lists the names of all buckets, mirrors last. It
	// returns at once and asks the server for pages in the background while they
	// are read. It ends with ctx, and if that has no deadline, with
	// [context.DeadlineExceeded] when its reader takes nothing for two minutes.
	KeyValueStoreNames(ctx context.Context) KeyValueNamesLister

	// KeyValueStores is KeyValueStoreNames with the status of each bucket, a
	// *[KeyValueBucketStatus].
	KeyValueStores(ctx context.Context) KeyValueLister
}

// KeyValueNamesLister is a running listing of the names of buckets, see
// [KeyValueManager.KeyValueStoreNames].
type KeyValueNamesLister interface {
	// Name returns the channel on which the names arrive. It is closed at the
	// end of the listing, complete or not. It is unbuffered and meant for one
	// reader.
	Name() <-chan string

	// Error returns what cut the listing short, or nil if it is complete. It
	// tells nothing before the channel is closed: until then it is nil.
	Error() error
}

// KeyValueLister is a running listing of buckets, see
// [KeyValueManager.KeyValueStores].
type KeyValueLister interface {
	// Status returns the channel on which the buckets arrive. It is closed at
	// the end of the listing, complete or not. It is unbuffered and meant for
	// one reader.
	Status() <-chan KeyValueStatus

	// Error returns what cut the listing short, or nil if it is complete. It
	// tells nothing before the channel is closed: until then it is nil.
	Error() error
}

func (js *jetStream) KeyValue(ctx context.Context, bucket string) (KeyValue, error) {
	if !validBucket(bucket) {
		return nil, ErrInvalidBucketName
	}
	info, err := js.bucketInfo(ctx, kvStreamPrefix+bucket)
	if err != nil {
		return nil, err
	}
	if info.Config.MaxMsgsPerSubject < 1 {
		return nil, ErrBadBucket
	}
	return newKeyValue(js, bucket, info), nil
}

func (js *jetStream) CreateKeyValue(ctx context.Context, cfg KeyValueConfig) (KeyValue, error) {
	wanted, err := js.prepareKeyValue(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	kv, err := js.putKeyValue(ctx, cfg.Bucket, &wanted, js.CreateStream)
	if err != ErrStreamNameAlreadyInUse {
		return kv, err
	}
	conflict := errBucketExists(cfg.Bucket, err)
	info, err := js.streamInfo(ctx, wanted.Name)
	if err != nil {
		return nil, conflict
	}
	current := info.Config
	current.Discard, current.AllowDirect = wanted.Discard, wanted.AllowDirect
	if !sameStreamConfig(&current, &wanted) {
		return nil, conflict
	}
	return js.putKeyValue(ctx, cfg.Bucket, &wanted, js.UpdateStream)
}

func (js *jetStream) UpdateKeyValue(ctx context.Context, cfg KeyValueConfig) (KeyValue, error) {
	wanted, err := js.prepareKeyValue(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	kv, err := js.updateKeyValue(ctx, cfg.Bucket, &wanted)
	if err == ErrStreamNotFound {
		return nil, errBucketNotFound(cfg.Bucket)
	}
	return kv, err
}

func (js *jetStream) CreateOrUpdateKeyValue(ctx context.Context, cfg KeyValueConfig) (KeyValue, error) {
	wanted, err := js.prepareKeyValue(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	kv, err := js.updateKeyValue(ctx, cfg.Bucket, &wanted)
	if err != ErrStreamNotFound {
		return kv, err
	}
	kv, err = js.putKeyValue(ctx, cfg.Bucket, &wanted, js.CreateStream)
	if err != ErrStreamNameAlreadyInUse {
		return kv, err
	}
	// Somebody else created the bucket, with another config, between the two
	// requests. Now it is there to be updated.
	return js.updateKeyValue(ctx, cfg.Bucket, &wanted)
}

// prepareKeyValue checks the config of a bucket and returns that of its stream.
func (js *jetStream) prepareKeyValue(ctx context.Context, cfg *KeyValueConfig) (StreamConfig, error) {
	if !validBucket(cfg.Bucket) {
		return StreamConfig{}, ErrInvalidBucketName
	}
	sc, err := kvStreamConfig(cfg)
	if err != nil || cfg.LimitMarkerTTL == 0 {
		return sc, err
	}
	// An old server would create the bucket without markers.
	account, err := js.AccountInfo(ctx)
	if err != nil {
		return sc, err
	}
	if account.API.Level < 1 {
		return sc, ErrLimitMarkerTTLNotSupported
	}
	return sc, nil
}

// putKeyValue hands the config of a bucket's stream to put.
func (js *jetStream) putKeyValue(ctx context.Context, bucket string, sc *StreamConfig, put putStreamFunc) (KeyValue, error) {
	s, err := put(ctx, *sc)
	if err != nil {
		return nil, notEnabled(err)
	}
	return newKeyValue(js, bucket, s.CachedInfo()), nil
}

// updateKeyValue gives a bucket the wanted config, unless it has it. It returns
// [ErrStreamNotFound] if there is no such bucket.
func (js *jetStream) updateKeyValue(ctx context.Context, bucket string, wanted *StreamConfig) (KeyValue, error) {
	info, err := js.streamInfo(ctx, wanted.Name)
	if err != nil {
		return nil, notEnabled(err)
	}
	merged := kvCarryOver(*wanted, &info.Config)
	if sameStreamConfig(&merged, &info.Config) {
		return newKeyValue(js, bucket, info), nil
	}
	return js.putKeyValue(ctx, bucket, &merged, js.UpdateStream)
}

// notEnabled returns the sentinel that err stands for where it means that there
// is no JetStream, and err itself otherwise.
func notEnabled(err error) error {
	if errors.Is(err, nats.ErrNoResponders) {
		return ErrJetStreamNotEnabled
	}
	return mapAPIError(err, ErrJetStreamNotEnabledForAccount, ErrJetStreamNotEnabled)
}

func (js *jetStream) DeleteKeyValue(ctx context.Context, bucket string) error {
	if !validBucket(bucket) {
		return ErrInvalidBucketName
	}
	return js.deleteBucket(ctx, kvStreamPrefix, bucket)
}
