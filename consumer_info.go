package jetstream

import "time"

// ConsumerInfo is what the server knows about a consumer at one moment.
type ConsumerInfo struct {
	// Stream is the name of the stream.
	Stream string `json:"stream_name"`

	// Name is the name of the consumer, which was made up if none was given.
	Name string `json:"name"`

	// Created is when the consumer was created.
	Created time.Time `json:"created"`

	// Config is the configuration in force, with the server's defaults filled
	// in and the server's own keys in its Metadata.
	Config ConsumerConfig `json:"config"`

	// Delivered is the last delivery.
	Delivered SequenceInfo `json:"delivered"`

	// AckFloor is the message up to which all are acknowledged.
	AckFloor SequenceInfo `json:"ack_floor"`

	// NumAckPending is the number of messages that await acknowledgement.
	NumAckPending int `json:"num_ack_pending"`

	// NumRedelivered is how many of them were delivered more than once.
	NumRedelivered int `json:"num_redelivered"`

	// NumWaiting is the number of pull requests that wait for messages.
	NumWaiting int `json:"num_waiting"`

	// NumPending is the number of matching messages that were not delivered
	// yet.
	NumPending uint64 `json:"num_pending"`

	// Cluster tells where the replicas are. It is nil on a server that runs
	// alone.
	Cluster *ClusterInfo `json:"cluster,omitempty"`

	// PushBound says that a push consumer has a subscriber.
	PushBound bool `json:"push_bound,omitempty"`

	// TimeStamp is when the server put this together.
	TimeStamp time.Time `json:"ts"`

	// PriorityGroups is the state of the consumer's groups (server 2.11).
	PriorityGroups []PriorityGroupState `json:"priority_groups,omitempty"`

	// Paused says that delivery is suspended (server 2.11).
	Paused bool `json:"paused,omitempty"`

	// PauseRemaining is for how much longer, and zero if it is not.
	PauseRemaining time.Duration `json:"pause_remaining,omitempty"`
}

// SequenceInfo is a position of a consumer.
type SequenceInfo struct {
	// Consumer counts deliveries of the consumer, repeated ones included.
	Consumer uint64 `json:"consumer_seq"`

	// Stream is the sequence of the message in the stream.
	Stream uint64 `json:"stream_seq"`

	// Last is when the position last changed, and nil when it never did.
	Last *time.Time `json:"last_active,omitempty"`
}

// PriorityGroupState is the state of a priority group of a consumer (server
// 2.11).
type PriorityGroupState struct {
	// Group is the name of the group.
	Group string `json:"group"`

	// PinnedClientID is the ID of the client that the group is pinned to, and
	// empty when it is to none.
	PinnedClientID string `json:"pinned_client_id,omitempty"`

	// PinnedTS is when that was, and the zero time when it is to none.
	PinnedTS time.Time `json:"pinned_ts,omitempty"`
}

// ConsumerPauseResponse is the outcome of pausing or resuming a consumer.
type ConsumerPauseResponse struct {
	// Paused says that delivery is suspended. It is false after resuming, and
	// after pausing until a time that has passed.
	Paused bool `json:"paused"`

	// PauseUntil is when delivery goes on.
	PauseUntil time.Time `json:"pause_until"`

	// PauseRemaining is how long that takes, by the server's clock.
	PauseRemaining time.Duration `json:"pause_remaining,omitempty"`
}

// ConsumerResetResponse is the outcome of resetting a consumer (server 2.14).
type ConsumerResetResponse struct {
	// ConsumerInfo is the consumer after the reset. It is never nil in a
	// response without an error.
	*ConsumerInfo

	// ResetSeq is the stream sequence at which delivery goes on.
	ResetSeq uint64 `json:"reset_seq"`
}
