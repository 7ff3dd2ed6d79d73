package jetstream

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// KeyValueMaxHistory is the most revisions of a key that a bucket can keep.
	KeyValueMaxHistory = 64

	// kvStreamPrefix starts the name of every stream that is a bucket.
	kvStreamPrefix = "KV_"

	// kvSubjectPrefix starts the subject of every key.
	kvSubjectPrefix = "$KV."

	// kvDuplicates is the longest duplicate window of a bucket.
	kvDuplicates = 2 * time.Minute

	// serverMetadata starts the keys of metadata that belong to the server.
	serverMetadata = "_nats."
)

// KeyValueConfig describes a key-value bucket. Only Bucket is required. Nothing
// it refers to is changed or kept by the calls it is passed to.
type KeyValueConfig struct {
	// Bucket is the name: letters, digits, - and _.
	Bucket string `json:"bucket"`

	// Description is free text of up to 4 KiB.
	Description string `json:"description,omitempty"`

	// MaxValueSize limits the bytes of a value; the server counts the headers of
	// the message in, which a create or update has. Zero means no limit.
	MaxValueSize int32 `json:"max_value_size,omitempty"`

	// History is how many revisions are kept of each key, at most
	// [KeyValueMaxHistory]. Zero means 1.
	History uint8 `json:"history,omitempty"`

	// TTL removes revisions of that age. Zero keeps them.
	TTL time.Duration `json:"ttl,omitempty"`

	// MaxBytes limits the size of the bucket. A full bucket refuses writes. Zero
	// means no limit.
	MaxBytes int64 `json:"max_bytes,omitempty"`

	// Storage is where values are kept, in files by default. It cannot be
	// changed later.
	Storage StorageType `json:"storage,omitempty"`

	// Replicas is the number of servers in a cluster that hold the bucket, at
	// most 5. Zero means 1.
	Replicas int `json:"num_replicas,omitempty"`

	// Placement says which servers the bucket may be placed on.
	Placement *Placement `json:"placement,omitempty"`

	// RePublish publishes a copy of each entry after it was stored.
	RePublish *RePublish `json:"republish,omitempty"`

	// Mirror makes the bucket a copy of another one. Name is that of the other
	// bucket. What is written through the mirror's handle goes to the other
	// bucket and comes back by way of the mirroring; what is read comes from the
	// mirror.
	Mirror *StreamSource `json:"mirror,omitempty"`

	// Sources are buckets whose entries are copied into this one, Name being
	// that of the bucket. A source with SubjectTransforms is taken as it is:
	// Name is that of a stream then, and the transforms have to lead to keys of
	// this bucket. Sources are ignored if Mirror is set.
	Sources []*StreamSource `json:"sources,omitempty"`

	// Compression compresses the bucket's files.
	Compression bool `json:"compression,omitempty"`

	// LimitMarkerTTL makes the bucket leave a marker, for that long, where a key
	// has expired, so that watchers learn of it, and allows [KeyTTL] and
	// [PurgeTTL]. At least a second; zero does neither. It needs server 2.11 and
	// does not go with Mirror.
	LimitMarkerTTL time.Duration `json:"limit_marker_ttl,omitempty"`

	// Metadata are keys and values of the user's own.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// kvStreamConfig returns the config of the stream that is the bucket. Domains are
// left for whoever sends it to resolve.
func kvStreamConfig(cfg *KeyValueConfig) (StreamConfig, error) {
	if cfg.History > KeyValueMaxHistory {
		return StreamConfig{}, ErrHistoryTooLarge
	}
	sc := StreamConfig{
		Name:                   kvStreamPrefix + cfg.Bucket,
		Description:            cfg.Description,
		MaxMsgsPerSubject:      int64(max(cfg.History, 1)),
		MaxBytes:               cmp.Or(cfg.MaxBytes, -1),
		MaxMsgSize:             cmp.Or(cfg.MaxValueSize, -1),
		MaxAge:                 cfg.TTL,
		MaxMsgs:                -1,
		MaxConsumers:           -1,
		Duplicates:             kvDuplicateWindow(cfg.TTL),
		Replicas:               cmp.Or(cfg.Replicas, 1),
		Storage:                cfg.Storage,
		Placement:              cfg.Placement,
		RePublish:              cfg.RePublish,
		Metadata:               cfg.Metadata,
		Discard:                DiscardNew,
		AllowRollup:            true,
		DenyDelete:             true,
		AllowDirect:            true,
		AllowMsgTTL:            cfg.LimitMarkerTTL != 0,
		SubjectDeleteMarkerTTL: cfg.LimitMarkerTTL,
	}
	if cfg.Compression {
		sc.Compression = S2Compression
	}
	if cfg.Mirror != nil {
		mirror := *cfg.Mirror
		if !strings.HasPrefix(mirror.Name, kvStreamPrefix) {
			mirror.Name = kvStreamPrefix + mirror.Name
		}
		sc.Mirror, sc.MirrorDirect = &mirror, true
	} else {
		sc.Subjects = []string{kvSubjectPrefix + cfg.Bucket + ".>"}
		for _, source := range cfg.Sources {
			sc.Sources = append(sc.Sources, kvSource(source, cfg.Bucket))
		}
	}
	return sc, nil
}

// kvDuplicateWindow returns the duplicate window of a bucket with the given TTL,
// which the window cannot exceed.
func kvDuplicateWindow(ttl time.Duration) time.Duration {
	if ttl > 0 && ttl < kvDuplicates {
		return ttl
	}
	return kvDuplicates
}

// kvSource returns the source of the stream that a source of a bucket stands
// for.
func kvSource(source *StreamSource, bucket string) *StreamSource {
	if source == nil || len(source.SubjectTransforms) > 0 {
		return source
	}
	from := strings.TrimPrefix(source.Name, kvStreamPrefix)
	resolved := *source
	resolved.Name = kvStreamPrefix + from
	// An entry that comes from elsewhere under the very same subject needs none.
	if source.External == nil || from != bucket {
		resolved.SubjectTransforms = []SubjectTransformConfig{{
			Source:      kvSubjectPrefix + from + ".>",
			Destination: kvSubjectPrefix + bucket + ".>",
		}}
	}
	return &resolved
}

// kvCarryOver returns the wanted config of a bucket with the settings of the
// stream as it is for all that a [KeyValueConfig] has no say in.
func kvCarryOver(wanted StreamConfig, current *StreamConfig) StreamConfig {
	merged := *current
	merged.Description = wanted.Description
	merged.MaxMsgsPerSubject = wanted.MaxMsgsPerSubject
	merged.MaxBytes = wanted.MaxBytes
	merged.MaxMsgSize = wanted.MaxMsgSize
	merged.MaxAge = wanted.MaxAge
	merged.Replicas = wanted.Replicas
	merged.Storage = wanted.Storage
	merged.Placement = wanted.Placement
	merged.RePublish = wanted.RePublish
	merged.Metadata = wanted.Metadata
	merged.Compression = wanted.Compression
	merged.Discard = wanted.Discard
	merged.AllowRollup = wanted.AllowRollup
	merged.DenyDelete = wanted.DenyDelete
	merged.AllowDirect = wanted.AllowDirect
	merged.Mirror, merged.MirrorDirect = wanted.Mirror, wanted.MirrorDirect
	merged.Sources = wanted.Sources
	merged.SubjectDeleteMarkerTTL = wanted.SubjectDeleteMarkerTTL
	// Messages with a TTL cannot be disallowed again.
	merged.AllowMsgTTL = wanted.AllowMsgTTL || current.AllowMsgTTL

	if len(wanted.Subjects) == 0 || !slices.Contains(current.Subjects, wanted.Subjects[0]) {
		merged.Subjects = wanted.Subjects
	}
	// A window that follows from the TTL keeps doing so.
	if current.Duplicates == kvDuplicateWindow(current.MaxAge) {
		merged.Duplicates = wanted.Duplicates
	} else if wanted.MaxAge > 0 {
		merged.Duplicates = min(merged.Duplicates, wanted.MaxAge)
	}
	return merged
}

// sameStreamConfig reports whether two configs mean the same to the server. What
// the server adds to the metadata does not count, nor does the difference
// between nothing and none.
func sameStreamConfig(a, b *StreamConfig) bool {
	ja, errA := json.Marshal(comparableConfig(a))
	jb, errB := json.Marshal(comparableConfig(b))
	return errA == nil && errB == nil && bytes.Equal(ja, jb)
}

func comparableConfig(cfg *StreamConfig) *StreamConfig {
	c, err := resolveDomains(*cfg)
	if err != nil {
		c = *cfg
	}
	c.Metadata = maps.Clone(c.Metadata)
	maps.DeleteFunc(c.Metadata, func(key, _ string) bool { return strings.HasPrefix(key, serverMetadata) })
	if p := c.Placement; p != nil && p.Cluster == "" && len(p.Tags) == 0 {
		c.Placement = nil
	}
	return &c
}

// kvConfig returns the config of a bucket as its stream has it.
func kvConfig(bucket string, sc *StreamConfig) KeyValueConfig {
	return KeyValueConfig{
		Bucket:         bucket,
		Description:    sc.Description,
		MaxValueSize:   sc.MaxMsgSize,
		History:        uint8(min(max(sc.MaxMsgsPerSubject, 0), 255)),
		TTL:            sc.MaxAge,
		MaxBytes:       sc.MaxBytes,
		Storage:        sc.Storage,
		Replicas:       sc.Replicas,
		Placement:      sc.Placement,
		RePublish:      sc.RePublish,
		Mirror:         sc.Mirror,
		Sources:        sc.Sources,
		Compression:    sc.Compression != NoCompression,
		LimitMarkerTTL: sc.SubjectDeleteMarkerTTL,
		Metadata:       sc.Metadata,
	}
}

// kvPrefixes are the starts of the subjects that the keys of a bucket have. They
// end in a dot.
type kvPrefixes struct {
	write string // of published messages
	read  string // of stored messages
}

// kvSubjects returns the subject prefixes of a bucket whose stream has the given
// config. api is the API prefix of the handle.
//
// What a mirror stores keeps the subject of its origin, unless the mirror
// transforms it. Writes go to the origin: by its own name if it can be reached
// in the same account, otherwise through the imported prefix or the domain. The
// server maps subjects of buckets below the API prefix of a domain, and accounts
// that share a bucket export them likewise.
func kvSubjects(api, bucket string, sc *StreamConfig) kvPrefixes {
	own := kvSubjectPrefix + bucket + "."
	p := kvPrefixes{write: own, read: own}
	if m := sc.Mirror; m != nil {
		origin := kvSubjectPrefix + strings.TrimPrefix(m.Name, kvStreamPrefix) + "."
		if m.External != nil && m.External.APIPrefix != "" {
			return kvPrefixes{write: strings.TrimSuffix(m.External.APIPrefix, ".") + "." + origin, read: origin}
		}
		p.write = origin
		if len(m.SubjectTransforms) == 0 {
			p.read = origin
		}
	}
	if api != DefaultAPIPrefix {
		p.write = api + p.write
	}
	return p
}
