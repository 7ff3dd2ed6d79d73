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
		// That a later attempt is cut short says less than that nobody responded
		// to the first one.
		cutShort := attempt > 1 && ctx.Err() != nil
		if !errors.Is(err, nats.ErrNoResponders) && !cutShort {
			return nil, mapAPIError(err, ErrJetStreamNotEnabledForAccount, ErrJetStreamNotEnabled)
		}
		// A server that starts or a cluster that elects a leader has nobody to
		// respond for a moment either, and is not without JetStream for that.
		if attempt == accountAttempts || cutShort {
			return nil, ErrJetStreamNotEnabled
		}
		select {
		case <-ctx.Done():
			return nil, ErrJetStreamNotEnabled
		case <-time.After(accountRetryWait):
		}
	}
}

// AccountInfo is what the account of a connection uses of JetStream, and what
// it may use.
type AccountInfo struct {
	// Tier is the sum over all tiers. Its Limits are those of an account
	// without tiers.
	Tier

	// Domain is the JetStream domain of the server, empty if it has none.
	Domain string `json:"domain"`

	// API counts API requests of the account.
	API APIStats `json:"api"`

	// Tiers has the usage and limits by the name of the tier, such as R1 or R3
	// for the number of replicas. It is nil for an account without tiers.
	Tiers map[string]Tier `json:"tiers"`
}

// Tier is the use of JetStream under one set of limits.
type Tier struct {
	// Memory is the bytes stored in memory, all replicas counted.
	Memory uint64 `json:"memory"`

	// Store is the bytes stored in files, all replicas counted.
	Store uint64 `json:"storage"`

	// ReservedMemory is the bytes set aside in memory for streams with
	// MaxBytes.
	ReservedMemory uint64 `json:"reserved_memory"`

	// ReservedStore is the bytes set aside in files for streams with MaxBytes.
	ReservedStore uint64 `json:"reserved_storage"`

	// Streams is the number of streams.
	Streams int `json:"streams"`

	// Consumers is the number of consumers.
	Consumers int `json:"consumers"`

	// Limits is what the account may use.
	Limits AccountLimits `json:"limits"`
}

// APIStats counts the API requests of an account.
type APIStats struct {
	// Level is the API level of the server, which rises with its features: 1
	// for server 2.11, 2 for 2.12. It is 0 for older ones.
	Level int `json:"level"`

	// Total is the number of requests.
	Total uint64 `json:"total"`

	// Errors is how many of them were answered with an error.
	Errors uint64 `json:"errors"`

	// Inflight is how many are being worked on.
	Inflight uint64 `json:"inflight,omitempty"`
}

// AccountLimits is what an account may use of JetStream. -1 means no limit.
type AccountLimits struct {
	// MaxMemory limits the bytes stored in memory.
	MaxMemory int64 `json:"max_memory"`

	// MaxStore limits the bytes stored in files.
	MaxStore int64 `json:"max_storage"`

	// MaxStreams limits the number of streams.
	MaxStreams int `json:"max_streams"`

	// MaxConsumers limits the number of consumers of a stream.
	MaxConsumers int `json:"max_consumers"`

	// MaxAckPending limits the MaxAckPending of a consumer.
	MaxAckPending int `json:"max_ack_pending"`

	// MemoryMaxStreamBytes limits the bytes of a stream in memory.
	MemoryMaxStreamBytes int64 `json:"memory_max_stream_bytes"`

	// StoreMaxStreamBytes limits the bytes of a stream in files.
	StoreMaxStreamBytes int64 `json:"storage_max_stream_bytes"`

	// MaxBytesRequired says that streams must have MaxBytes set.
	MaxBytesRequired bool `json:"max_bytes_required"`
}
