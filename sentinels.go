package jetstream

import "github.com/nats-io/nats.go"

// Errors about JetStream itself and about what a handle was asked to do.
var (
	// ErrJetStreamNotEnabled means that the server runs without JetStream.
	// [JetStream.AccountInfo] and the calls for key-value and object stores
	// return it; other calls return nats.ErrNoResponders, since nobody is there
	// to say so.
	ErrJetStreamNotEnabled JetStreamError = serverError(503, JSErrCodeJetStreamNotEnabled, "jetstream not enabled")

	// ErrJetStreamNotEnabledForAccount means that the account of the connection
	// may not use JetStream.
	ErrJetStreamNotEnabledForAccount JetStreamError = serverError(503, JSErrCodeJetStreamNotEnabledForAccount, "jetstream not enabled for account")

	// ErrBadRequest means that the server could not make sense of a request. A
	// pull request with options that do not fit its consumer ends with it.
	ErrBadRequest JetStreamError = serverError(400, JSErrCodeBadRequest, "bad request")

	// ErrInvalidJetStreamResponse means that a response lacks what it must
	// have.
	ErrInvalidJetStreamResponse JetStreamError = clientError("invalid jetstream api response")

	// ErrInvalidOption means that an option was refused, or that options
	// exclude each other. The text says which and why. Nothing was sent.
	ErrInvalidOption JetStreamError = clientError("invalid jetstream option")

	// ErrInvalidSubject means that a subject is empty, starts or ends with a
	// dot, has white space, or has a > before its end. Nothing was sent.
	ErrInvalidSubject JetStreamError = clientError("invalid subject name")

	// ErrEndOfData marks the end of a listing inside this package. No call
	// returns it.
	ErrEndOfData JetStreamError = clientError("end of data reached")
)

// Errors about streams.
var (
	// ErrStreamNameRequired means that the name of a stream is empty. Nothing
	// was sent.
	ErrStreamNameRequired JetStreamError = clientError("stream name is required")

	// ErrInvalidStreamName means that the name of a stream has white space or
	// one of . * > / \. Nothing was sent.
	ErrInvalidStreamName JetStreamError = clientError("invalid stream name")

	// ErrStreamNotFound means that there is no such stream, or none that stores
	// a subject.
	ErrStreamNotFound JetStreamError = serverError(404, JSErrCodeStreamNotFound, "stream not found")

	// ErrStreamNameAlreadyInUse means that [StreamManager.CreateStream] found a
	// stream with that name and another configuration.
	ErrStreamNameAlreadyInUse JetStreamError = serverError(400, JSErrCodeStreamNameInUse, "stream name already in use")

	// ErrStreamMessageExceedsMaximum means that a published message is larger
	// than the stream's MaxMsgSize.
	ErrStreamMessageExceedsMaximum JetStreamError = serverError(400, JSErrCodeStreamMessageExceedsMaximum, "message size exceeds maximum allowed")

	// ErrStreamSubjectTransformNotSupported means that the server ignored the
	// subject transform of a stream or of one of its sources, as before 2.10.
	// The stream was created or updated without it.
	ErrStreamSubjectTransformNotSupported JetStreamError = clientError("stream subject transformation not supported by nats-server")

	// ErrStreamSourceSubjectTransformNotSupported is for matching only:
	// [ErrStreamSubjectTransformNotSupported] is what calls return.
	ErrStreamSourceSubjectTransformNotSupported JetStreamError = clientError("stream subject transformation not supported by nats-server")

	// ErrStreamSourceNotSupported means that the server ignored the sources of
	// a stream. The stream was created or updated without them.
	ErrStreamSourceNotSupported JetStreamError = clientError("stream sourcing is not supported by nats-server")

	// ErrStreamSourceMultipleFilterSubjectsNotSupported is for matching only:
	// no call returns it.
	ErrStreamSourceMultipleFilterSubjectsNotSupported JetStreamError = clientError("stream sourcing with multiple subject filters not supported by nats-server")

	// ErrMirrorWithMsgSchedules means that a mirror was asked to schedule
	// messages.
	ErrMirrorWithMsgSchedules JetStreamError = serverError(400, JSErrCodeMirrorWithMsgSchedules, "stream mirrors can not also schedule messages")

	// ErrSourceWithMsgSchedules means that a stream with sources was asked to
	// schedule messages.
	ErrSourceWithMsgSchedules JetStreamError = serverError(400, JSErrCodeSourceWithMsgSchedules, "stream source can not also schedule messages")

	// ErrMsgNotFound means that a stream has no message with that sequence or
	// on that subject.
	ErrMsgNotFound JetStreamError = serverError(404, JSErrCodeMessageNotFound, "message not found")

	// ErrMsgDeleteUnsuccessful means that [Stream.DeleteMsg] or
	// [Stream.SecureDeleteMsg] did not delete a message. The error that wraps
	// it has the server's reason.
	ErrMsgDeleteUnsuccessful JetStreamError = clientError("message deletion unsuccessful")
)

// Errors about creating, finding and changing consumers.
var (
	// ErrInvalidConsumerName means that the name of a consumer is empty or has
	// white space or one of . * > / \. Nothing was sent.
	ErrInvalidConsumerName JetStreamError = clientError("invalid consumer name")

	// ErrConsumerNotFound means that there is no such consumer.
	ErrConsumerNotFound JetStreamError = serverError(404, JSErrCodeConsumerNotFound, "consumer not found")

	// ErrConsumerExists means that a consumer with that name and another
	// configuration was there before one was to be created.
	ErrConsumerExists JetStreamError = serverError(400, JSErrCodeConsumerExists, "consumer already exists")

	// ErrConsumerDoesNotExist means that there was no consumer with that name
	// when one was to be updated.
	ErrConsumerDoesNotExist JetStreamError = serverError(400, JSErrCodeConsumerDoesNotExist, "consumer does not exist")

	// ErrConsumerNameAlreadyInUse is for matching only: the server's error has
	// the code [JSErrCodeConsumerNameExists], which no sentinel has.
	ErrConsumerNameAlreadyInUse JetStreamError = clientError("consumer name already in use")

	// ErrConsumerCreate means that the server could not create or update a
	// consumer, for instance because the update changes what cannot be changed.
	ErrConsumerCreate JetStreamError = serverError(500, JSErrCodeConsumerCreate, "could not create consumer")

	// ErrConsumerCreationResponseEmpty means that the response to creating or
	// updating a consumer says nothing about it.
	ErrConsumerCreationResponseEmpty JetStreamError = clientError("consumer creation response is empty")

	// ErrMaximumConsumersLimit means that the stream or the account has as many
	// consumers as it may.
	ErrMaximumConsumersLimit JetStreamError = serverError(400, JSErrCodeMaximumConsumersLimit, "maximum consumers limit reached")

	// ErrDuplicateFilterSubjects means that a [ConsumerConfig] has both
	// FilterSubject and FilterSubjects.
	ErrDuplicateFilterSubjects JetStreamError = serverError(500, JSErrCodeDuplicateFilterSubjects, "consumer cannot have both FilterSubject and FilterSubjects specified")

	// ErrOverlappingFilterSubjects means that FilterSubjects of a
	// [ConsumerConfig] overlap.
	ErrOverlappingFilterSubjects JetStreamError = serverError(500, JSErrCodeOverlappingFilterSubjects, "consumer subject filters cannot overlap")

	// ErrEmptyFilter means that one of the FilterSubjects of a [ConsumerConfig]
	// is empty.
	ErrEmptyFilter JetStreamError = serverError(500, JSErrCodeConsumerEmptyFilter, "consumer filter in FilterSubjects cannot be empty")

	// ErrConsumerMultipleFilterSubjectsNotSupported means that the server
	// ignored FilterSubjects, as before 2.10. The consumer was created or
	// updated and delivers all subjects.
	ErrConsumerMultipleFilterSubjectsNotSupported JetStreamError = clientError("multiple consumer filter subjects not supported by nats-server")

	// ErrConsumerInvalidReset means that a consumer cannot be reset to that
	// sequence, for instance because it lies before the start in its
	// configuration.
	ErrConsumerInvalidReset JetStreamError = serverError(400, JSErrCodeConsumerInvalidReset, "invalid reset")

	// ErrConsumerResetResponseEmpty means that the response to resetting a
	// consumer says nothing about it.
	ErrConsumerResetResponseEmpty JetStreamError = clientError("consumer reset response is empty")

	// ErrNotPullConsumer means that a push consumer was looked up as a pull
	// consumer, or pulled from.
	ErrNotPullConsumer JetStreamError = clientError("consumer is not a pull consumer")

	// ErrNotPushConsumer means that a pull consumer was looked up as a push
	// consumer, or that a push consumer was to be created without
	// DeliverSubject.
	ErrNotPushConsumer JetStreamError = clientError("consumer is not a push consumer")
)

// Errors about consuming. Where a consume or an iterator goes on after an
// error, that is said; otherwise it has ended.
var (
	// ErrHandlerRequired means that the handler for messages is nil.
	ErrHandlerRequired JetStreamError = clientError("handler cannot be empty")

	// ErrNoHeartbeat means that neither a message nor a heartbeat came for
	// twice the heartbeat interval: the consumer may be gone, or the connection
	// slow. Consuming goes on with a new pull request, and an iterator can be
	// used on.
	ErrNoHeartbeat JetStreamError = clientError("no heartbeat received")

	// ErrConsumerDeleted means that the consumer or its stream was deleted.
	ErrConsumerDeleted JetStreamError = clientError("consumer deleted")

	// ErrConsumerLeadershipChanged means that another server took over the
	// consumer. Consuming goes on with a new pull request; a fetch ends.
	ErrConsumerLeadershipChanged JetStreamError = clientError("leadership change")

	// ErrServerShutdown means that the server of the consumer is about to stop.
	// Consuming goes on once it is back or another took over; a fetch ends.
	ErrServerShutdown JetStreamError = clientError("server shutdown")

	// ErrConnectionClosed means that the connection was closed for good while
	// consuming. It is not nats.ErrConnectionClosed, although it reads the
	// same.
	ErrConnectionClosed JetStreamError = clientError("connection closed")

	// ErrMsgIteratorClosed means that [MessagesContext.Next] has nothing more
	// to return, because the iterator was stopped, drained, or ended with an
	// earlier error.
	ErrMsgIteratorClosed JetStreamError = clientError("messages iterator closed")

	// ErrPinIDMismatch means that the client lost its pin on a priority group,
	// by letting PinnedTTL pass or by [ConsumerManager.UnpinConsumer].
	// Consuming goes on in the hope of a new one; a fetch ends, and the next
	// one asks anew.
	ErrPinIDMismatch JetStreamError = clientError("pin ID mismatch")

	// ErrMaxBytesExceeded means that the next message is larger than the bytes
	// that pull requests ask for. A fetch just ends there, without an error;
	// consuming goes on asking.
	ErrMaxBytesExceeded JetStreamError = clientError("message size exceeds max bytes")

	// ErrBatchCompleted means that a pull request has got all messages it asked
	// for before all bytes. It is no failure and is not reported.
	ErrBatchCompleted JetStreamError = clientError("batch completed")

	// ErrNoMessages means that a pull request that does not wait found nothing.
	// A fetch just ends there, without an error.
	ErrNoMessages JetStreamError = clientError("no messages")

	// ErrConsumerAlreadyConsuming means that a push consumer handle is in use.
	// Stop that first, or get another handle.
	ErrConsumerAlreadyConsuming JetStreamError = clientError("consumer is already consuming")

	// ErrConsumerHasActiveSubscription is for matching only: no call returns
	// it.
	ErrConsumerHasActiveSubscription JetStreamError = clientError("consumer has active subscription")
)

// Errors about ordered consumers.
var (
	// ErrOrderedConsumerReset is for matching only: an ordered consumer
	// replaces its consumer on the server without telling.
	ErrOrderedConsumerReset JetStreamError = clientError("recreating ordered consumer")

	// ErrOrderConsumerUsedAsFetch means that the consumer was fetched from
	// before, so that it cannot be used with Consume or Messages.
	ErrOrderConsumerUsedAsFetch JetStreamError = clientError("ordered consumer initialized as fetch")

	// ErrOrderConsumerUsedAsConsume means that the consumer was used with
	// Consume or Messages before, so that it cannot be fetched from.
	ErrOrderConsumerUsedAsConsume JetStreamError = clientError("ordered consumer initialized as consume")

	// ErrOrderedConsumerConcurrentRequests means that the consumer is in use,
	// and it can only be used by one at a time.
	ErrOrderedConsumerConcurrentRequests JetStreamError = clientError("cannot run concurrent processing using ordered consumer")

	// ErrOrderedConsumerNotCreated means that there is no consumer on the
	// server yet to tell about.
	ErrOrderedConsumerNotCreated JetStreamError = clientError("consumer instance not yet created")
)

// Errors about messages and their acknowledgement.
var (
	// ErrNotJSMessage means that a message did not come from a consumer: its
	// reply subject is not that of an acknowledgement.
	ErrNotJSMessage JetStreamError = clientError("not a jetstream message")

	// ErrMsgNotBound means that a message did not come from a subscription, so
	// that it can neither be acknowledged nor have metadata.
	ErrMsgNotBound JetStreamError = clientError("message is not bound to subscription/connection")

	// ErrMsgNoReply means that a message has no reply subject to send an
	// acknowledgement to.
	ErrMsgNoReply JetStreamError = clientError("message does not have a reply")

	// ErrMsgAlreadyAckd means that a message was acknowledged, negatively
	// acknowledged or terminated before.
	ErrMsgAlreadyAckd JetStreamError = clientError("message was already acknowledged")
)

// Errors about publishing.
var (
	// ErrNoStreamResponse means that no stream took the message, after all
	// retries: probably none stores its subject. It wraps
	// [nats.ErrNoResponders].
	ErrNoStreamResponse JetStreamError = &jsError{message: "no response from stream", cause: nats.ErrNoResponders}

	// ErrInvalidJSAck means that the response to a publish is not an
	// acknowledgement. Something else may be listening on the subject, and
	// whether the message was stored is not known.
	ErrInvalidJSAck JetStreamError = clientError("invalid jetstream publish response")

	// ErrAsyncPublishReplySubjectSet means that a message with a reply subject
	// was given to [Publisher.PublishMsgAsync], which needs that for itself.
	ErrAsyncPublishReplySubjectSet JetStreamError = clientError("reply subject should be empty")

	// ErrTooManyStalledMsgs means that as many messages as allowed await
	// acknowledgement, and did so for the whole stall wait. The message was not
	// sent. See [WithPublishAsyncMaxPending] and [WithStallWait].
	ErrTooManyStalledMsgs JetStreamError = clientError("stalled with too many outstanding async published messages")

	// ErrAsyncPublishTimeout means that no acknowledgement came in the time set
	// by [WithPublishAsyncTimeout]. Whether the message was stored is not
	// known.
	ErrAsyncPublishTimeout JetStreamError = clientError("timeout waiting for ack")

	// ErrJetStreamPublisherClosed means that [Publisher.CleanupPublisher] was
	// called before the acknowledgement came. Whether the message was stored is
	// not known.
	ErrJetStreamPublisherClosed JetStreamError = clientError("jetstream context closed")
)

// Errors about scheduling messages, from publishing one.
var (
	// ErrMessageSchedulesDisabled means that the stream does not have
	// AllowMsgSchedules set.
	ErrMessageSchedulesDisabled JetStreamError = serverError(400, JSErrCodeMessageSchedulesDisabled, "message schedules is disabled")

	// ErrSchedulePatternInvalid means that the time or interval of a schedule
	// could not be read.
	ErrSchedulePatternInvalid JetStreamError = serverError(400, JSErrCodeSchedulePatternInvalid, "message schedules pattern is invalid")

	// ErrScheduleTargetInvalid means that the subject to publish to is missing,
	// invalid, or not one of the stream.
	ErrScheduleTargetInvalid JetStreamError = serverError(400, JSErrCodeScheduleTargetInvalid, "message schedules target is invalid")

	// ErrScheduleSourceInvalid means that the subject to take the message from
	// is invalid.
	ErrScheduleSourceInvalid JetStreamError = serverError(400, JSErrCodeScheduleSourceInvalid, "message schedules source is invalid")

	// ErrScheduleTTLInvalid means that the age limit for what a schedule
	// publishes is invalid.
	ErrScheduleTTLInvalid JetStreamError = serverError(400, JSErrCodeScheduleTTLInvalid, "message schedules invalid per-message TTL")

	// ErrScheduleRollupInvalid means that the rollup for what a schedule
	// publishes is invalid.
	ErrScheduleRollupInvalid JetStreamError = serverError(400, JSErrCodeScheduleRollupInvalid, "message schedules invalid rollup")
)

// Errors about key-value stores.
var (
	// ErrKeyValueConfigRequired is for matching only: no call returns it.
	ErrKeyValueConfigRequired JetStreamError = clientError("config required")

	// ErrInvalidBucketName means that the name of a bucket is empty or has
	// characters other than letters, digits, - and _. Nothing was sent.
	ErrInvalidBucketName JetStreamError = clientError("invalid bucket name")

	// ErrBucketExists means that a bucket with that name and another
	// configuration exists. The error also matches [ErrStreamNameAlreadyInUse].
	ErrBucketExists JetStreamError = clientError("bucket name already in use")

	// ErrBucketNotFound means that there is no such bucket.
	ErrBucketNotFound JetStreamError = clientError("bucket not found")

	// ErrBadBucket means that the stream behind a bucket is not one of a
	// key-value store.
	ErrBadBucket JetStreamError = clientError("bucket not valid key-value store")

	// ErrInvalidKey means that a key, or a filter for keys, is not valid:
	// empty, with a dot at either end or two in a row, or with characters that
	// keys cannot have. Nothing was sent.
	ErrInvalidKey JetStreamError = clientError("invalid key")

	// ErrKeyNotFound means that a bucket has no such key or revision, or that
	// the key was deleted.
	ErrKeyNotFound JetStreamError = clientError("key not found")

	// ErrKeyDeleted is for matching only: [ErrKeyNotFound] is what calls
	// return.
	ErrKeyDeleted JetStreamError = clientError("key was deleted")

	// ErrKeyExists means that a key to be created exists. It is matched by
	// every error with the code [JSErrCodeStreamWrongLastSequence].
	ErrKeyExists JetStreamError = &jsError{apiErr: &APIError{ErrorCode: JSErrCodeStreamWrongLastSequence, Code: 400}, message: "key exists"}

	// ErrKeyRevisionMismatch means that a key is not at the revision that an
	// update or delete expected.
	ErrKeyRevisionMismatch JetStreamError = clientError("key revision mismatch")

	// ErrHistoryTooLarge means that a bucket was to keep more than
	// [KeyValueMaxHistory] revisions of a key.
	ErrHistoryTooLarge JetStreamError = clientError("history limited to a max of 64")

	// ErrNoKeysFound means that a bucket has no keys.
	ErrNoKeysFound JetStreamError = clientError("no keys found")

	// ErrTTLOnDeleteNotSupported means that a delete was given a TTL, which
	// only a purge can have. Nothing was sent.
	ErrTTLOnDeleteNotSupported JetStreamError = clientError("TTL is not supported on delete")

	// ErrLimitMarkerTTLNotSupported means that the server cannot leave markers
	// for expired keys, as before 2.11.
	ErrLimitMarkerTTLNotSupported JetStreamError = clientError("limit marker TTLs not supported by server")
)

// Errors about object stores.
var (
	// ErrObjectConfigRequired is for matching only: no call returns it.
	ErrObjectConfigRequired JetStreamError = clientError("object-store config required")

	// ErrInvalidStoreName means that the name of an object store is empty or
	// has characters other than letters, digits, - and _. Nothing was sent.
	ErrInvalidStoreName JetStreamError = clientError("invalid object-store name")

	// ErrNameRequired means that the name of an object is empty. Nothing was
	// sent.
	ErrNameRequired JetStreamError = clientError("name is required")

	// ErrBadObjectMeta means that the description of an object is not valid:
	// without a name when put, or unreadable when got.
	ErrBadObjectMeta JetStreamError = clientError("object-store meta information invalid")

	// ErrObjectNotFound means that a store has no such object, or that it was
	// deleted.
	ErrObjectNotFound JetStreamError = clientError("object not found")

	// ErrObjectAlreadyExists means that an object has the name that a link or a
	// renamed object was to get.
	ErrObjectAlreadyExists JetStreamError = clientError("an object already exists with that name")

	// ErrNoObjectsFound means that a store has no objects.
	ErrNoObjectsFound JetStreamError = clientError("no objects found")

	// ErrDigestMismatch means that what was read of an object is not what was
	// put.
	ErrDigestMismatch JetStreamError = clientError("received a corrupt object, digests do not match")

	// ErrInvalidDigestFormat means that the digest of an object is not of the
	// form algorithm=value.
	ErrInvalidDigestFormat JetStreamError = clientError("object digest hash has invalid format")

	// ErrUpdateMetaDeleted means that there is no object whose description
	// could be updated.
	ErrUpdateMetaDeleted JetStreamError = clientError("cannot update meta for a deleted object")

	// ErrLinkNotAllowed means that an object to be put has a link in its
	// options. Links are made with [ObjectStore.AddLink] and
	// [ObjectStore.AddBucketLink].
	ErrLinkNotAllowed JetStreamError = clientError("link cannot be set when putting the object in bucket")

	// ErrObjectRequired means that no object was given to link to.
	ErrObjectRequired = clientError("object required")

	// ErrNoLinkToDeleted means that the object to link to was deleted.
	ErrNoLinkToDeleted JetStreamError = clientError("not allowed to link to a deleted object")

	// ErrNoLinkToLink means that the object to link to is a link itself.
	ErrNoLinkToLink JetStreamError = clientError("not allowed to link to another link")

	// ErrCantGetBucket means that an object is a link to a whole store, which
	// has no content to get.
	ErrCantGetBucket JetStreamError = clientError("invalid Get, object is a link to a bucket")

	// ErrBucketRequired means that no store was given to link to.
	ErrBucketRequired JetStreamError = clientError("bucket required")

	// ErrBucketMalformed means that the store to link to is not one of this
	// package.
	ErrBucketMalformed JetStreamError = clientError("bucket malformed")
)
