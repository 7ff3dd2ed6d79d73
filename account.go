package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// accountInfoResponse is the reply to $JS.API.INFO.
type accountInfoResponse struct {
	apiResponse
	AccountInfo
}

const (
	// accountAttempts is how often AccountInfo asks when nobody responds.
	accountAttempts = 3

	// accountRetryWait is the pause between these attempts.
	accountRetryWait = 100 * time.Millisecond
)

func (js *jetStream) AccountInfo(ctx context.Context) (*AccountInfo, error) {
	for attempt := 1; ; attempt++ {
		var resp accountInfoResponse
		err := js.call(ctx, "INFO", nil, &resp)
		if err == nil {
			return &resp.AccountInfo, nil
		}
		if !errors.Is(err, nats.ErrNoResponders) {
			return nil, mapAPIError(err, ErrJetStreamNotEnabledForAccount, ErrJetStreamNotEnabled)
		}
		// A server that starts or a cluster that elects a leader has nobody to
		// respond for a moment either, and is not without JetStream for that.
		if attempt == accountAttempts {
			return nil, ErrJetStreamNotEnabled
		}
		select {
		case <-ctx.Done():
			return nil, ErrJetStreamNotEnabled
		case <-time.After(accountRetryWait):
		}
	}
}

// AccountInfo is what [JetStream.AccountInfo] returns: limits and usage of an
// account.
type AccountInfo struct {
	// Tier is the usage of the account as a whole, and its limits unless they
	// depend on the number of replicas.
	Tier

	// Domain is the JetStream domain of the server that responded, or empty.
	Domain string `json:"domain"`

	// API tells how the account uses the JetStream API.
	API APIStats `json:"api"`

	// Tiers holds usage and limits for each number of replicas, under names
	// like R1 and R3. It is nil for accounts whose limits do not depend on it.
	Tiers map[string]Tier `json:"tiers"`
}

// Tier is the usage of storage and assets together with their limits.
type Tier struct {
	// Memory is the number of bytes in use in memory.
	Memory uint64 `json:"memory"`

	// Store is the number of bytes in use on disk.
	Store uint64 `json:"storage"`

	// ReservedMemory is the number of bytes in memory that streams have claimed
	// by their MaxBytes.
	ReservedMemory uint64 `json:"reserved_memory"`

	// ReservedStore is the number of bytes on disk that streams have claimed by
	// their MaxBytes.
	ReservedStore uint64 `json:"reserved_storage"`

	// Streams is the number of streams.
	Streams int `json:"streams"`

	// Consumers is the number of consumers of all streams.
	Consumers int `json:"consumers"`

	// Limits is what all this may grow to.
	Limits AccountLimits `json:"limits"`
}

// APIStats counts the requests of an account to the JetStream API.
type APIStats struct {
	// Level is the version of the API that the server supports.
	Level int `json:"level"`

	// Total is the number of requests so far.
	Total uint64 `json:"total"`

	// Errors is the number of those that failed.
	Errors uint64 `json:"errors"`

	// Inflight is the number of requests being worked on.
	Inflight uint64 `json:"inflight,omitempty"`
}

// AccountLimits are the limits of an account, or of one tier of it. -1 stands
// for no limit.
type AccountLimits struct {
	// MaxMemory is the number of bytes that may be in use in memory.
	MaxMemory int64 `json:"max_memory"`

	// MaxStore is the number of bytes that may be in use on disk.
	MaxStore int64 `json:"max_storage"`

	// MaxStreams is how many streams there may be.
	MaxStreams int `json:"max_streams"`

	// MaxConsumers is how many consumers there may be.
	MaxConsumers int `json:"max_consumers"`

	// MaxAckPending is the most that a consumer's config may have as its
	// MaxAckPending.
	MaxAckPending int `json:"max_ack_pending"`

	// MemoryMaxStreamBytes is the most bytes one stream in memory may have.
	MemoryMaxStreamBytes int64 `json:"memory_max_stream_bytes"`

	// StoreMaxStreamBytes is the most bytes one stream on disk may have.
	StoreMaxStreamBytes int64 `json:"storage_max_stream_bytes"`

	// MaxBytesRequired says that streams must have MaxBytes set.
	MaxBytesRequired bool `json:"max_bytes_required"`
}
