package jetstream

import "time"

// StreamInfo is what the server knows about a stream at one moment.
type StreamInfo struct {
	// Config is the configuration in force, with the server's defaults filled
	// in and the server's own keys in its Metadata.
	Config StreamConfig `json:"config"`

	// Created is when the stream was created.
	Created time.Time `json:"created"`

	// State is what the stream holds.
	State StreamState `json:"state"`

	// Domain is the JetStream domain the stream lives in, empty where there is
	// none.
	Domain string `json:"domain,omitempty"`

	// Cluster tells where the replicas are. It is nil on a server that runs
	// alone.
	Cluster *ClusterInfo `json:"cluster,omitempty"`

	// Mirror tells how far a mirror is, and is nil for other streams.
	Mirror *StreamSourceInfo `json:"mirror,omitempty"`

	// Sources tells how far the copy of each source is.
	Sources []*StreamSourceInfo `json:"sources,omitempty"`

	// Alternates are the stream and its mirrors, the nearest first. It is nil
	// without mirrors.
	Alternates []StreamAlternate `json:"alternates,omitempty"`

	// TimeStamp is when the server put this together.
	TimeStamp time.Time `json:"ts"`
}

// StreamState is what a stream holds.
type StreamState struct {
	// Msgs is the number of messages.
	Msgs uint64 `json:"messages"`

	// Bytes is what the messages take up in the store.
	Bytes uint64 `json:"bytes"`

	// FirstSeq is the sequence of the oldest message. In an empty stream it is
	// the sequence that the next message gets.
	FirstSeq uint64 `json:"first_seq"`

	// FirstTime is when the oldest message was stored.
	FirstTime time.Time `json:"first_ts"`

	// LastSeq is the sequence of the newest message, also when that is no
	// longer there.
	LastSeq uint64 `json:"last_seq"`

	// LastTime is when the newest message was stored.
	LastTime time.Time `json:"last_ts"`

	// Consumers is the number of consumers.
	Consumers int `json:"consumer_count"`

	// Deleted are the sequences missing between the first and the last one. It
	// is nil unless asked for with [WithDeletedDetails].
	Deleted []uint64 `json:"deleted"`

	// NumDeleted is the number of such sequences.
	NumDeleted int `json:"num_deleted"`

	// NumSubjects is the number of different subjects.
	NumSubjects uint64 `json:"num_subjects"`

	// Subjects has the number of messages by subject, for subjects that match
	// [WithSubjectFilter]. It is nil unless asked for, and in
	// [Stream.CachedInfo].
	Subjects map[string]uint64 `json:"subjects"`

	// Lost is what a damaged store lost. It is nil when all is well.
	Lost *LostStreamData `json:"lost,omitempty"`
}

// LostStreamData is what the server could not read from a stream's files.
type LostStreamData struct {
	// Msgs are the sequences of the messages.
	Msgs []uint64 `json:"msgs"`

	// Bytes is what the messages took up.
	Bytes uint64 `json:"bytes"`
}

// StreamSourceInfo is the state of a copy from another stream.
type StreamSourceInfo struct {
	// Name is the name of the origin.
	Name string `json:"name"`

	// External is the way to an origin in another account or domain.
	External *ExternalStream `json:"external,omitempty"`

	// Lag is how many messages of the origin are still to be copied.
	Lag uint64 `json:"lag"`

	// Seq is the sequence, in the origin, of the last message copied.
	Seq uint64 `json:"seq,omitempty"`

	// Active is how long ago the origin was last heard of, and -1 when it
	// never was.
	Active time.Duration `json:"active"`

	// Error is why copying does not work, and nil when it does.
	Error *APIError `json:"error,omitempty"`

	// FilterSubject is the filter on the copy.
	FilterSubject string `json:"filter_subject,omitempty"`

	// SubjectTransforms are the filters on the copy with their new subjects.
	SubjectTransforms []SubjectTransformConfig `json:"subject_transforms,omitempty"`
}

// StreamAlternate is a stream that has the same messages as another: the stream
// itself or one of its mirrors.
type StreamAlternate struct {
	// Name is the stream's name.
	Name string `json:"name"`

	// Domain is the domain it lives in.
	Domain string `json:"domain,omitempty"`

	// Cluster is the cluster it lives in.
	Cluster string `json:"cluster"`
}

// ClusterInfo tells which servers of a cluster serve a stream or consumer.
type ClusterInfo struct {
	// Name is the cluster's name.
	Name string `json:"name,omitempty"`

	// RaftGroup is the name of the group in which the servers agree. It is
	// empty for a single replica.
	RaftGroup string `json:"raft_group,omitempty"`

	// Leader is the name of the server that answers requests. It is empty
	// during an election.
	Leader string `json:"leader,omitempty"`

	// LeaderSince is when it became the leader (server 2.12).
	LeaderSince *time.Time `json:"leader_since,omitempty"`

	// SystemAcc says that replication runs over the system account (server
	// 2.12).
	SystemAcc bool `json:"system_account,omitempty"`

	// TrafficAcc is the account that replication runs over (server 2.12).
	TrafficAcc string `json:"traffic_account,omitempty"`

	// Replicas are the other servers of the group, without the leader.
	Replicas []*PeerInfo `json:"replicas,omitempty"`

	// Desired is where a move or another change of the group is heading. It is
	// nil when there is none under way (server 2.15).
	Desired *DesiredClusterInfo `json:"desired,omitempty"`
}

// PeerInfo is the state of a replica, as its leader sees it.
type PeerInfo struct {
	// Name is the name of the server.
	Name string `json:"name"`

	// Current says that the replica was heard of lately and has all that the
	// leader has.
	Current bool `json:"current"`

	// Offline says that the server seems to be down.
	Offline bool `json:"offline,omitempty"`

	// Active is how long ago the replica was last heard of.
	Active time.Duration `json:"active"`

	// Lag is by how many operations the replica is behind.
	Lag uint64 `json:"lag,omitempty"`

	// Peer is the ID of the server in the group.
	Peer string `json:"peer"`

	// Pending says that the replica is about to enter or to leave the group
	// (server 2.15).
	Pending bool `json:"pending,omitempty"`
}

// DesiredClusterInfo is the goal of a change to the servers of a stream or
// consumer (server 2.15).
type DesiredClusterInfo struct {
	// Created is when the change was asked for.
	Created time.Time `json:"created"`

	// Name is the name of the cluster to be in.
	Name string `json:"name,omitempty"`

	// Replicas are the servers to be on.
	Replicas []*DesiredPeerInfo `json:"replicas,omitempty"`

	// Origin is how it was before the change.
	Origin *DesiredClusterInfoOrigin `json:"origin,omitempty"`

	// Status is what the change is busy with.
	Status *DesiredClusterInfoStatus `json:"status,omitempty"`
}

// DesiredClusterInfoOrigin is the part of the configuration that a change under
// way departs from.
type DesiredClusterInfoOrigin struct {
	// Replicas is the number of replicas there were.
	Replicas int `json:"replicas"`

	// Placement is the placement there was.
	Placement *Placement `json:"placement,omitempty"`

	// Retention is the retention there was, and nil when that does not change.
	Retention *RetentionPolicy `json:"retention,omitempty"`
}

// DesiredPeerInfo is a server that a change leads to.
type DesiredPeerInfo struct {
	// Name is the name of the server.
	Name string `json:"name"`

	// Offline says that the server seems to be down.
	Offline bool `json:"offline,omitempty"`

	// Peer is the ID of the server in the group.
	Peer string `json:"peer"`
}

// DesiredClusterInfoStatus is what a change is doing or waiting for.
type DesiredClusterInfoStatus struct {
	// Description is a line for people to read.
	Description string `json:"description"`

	// Type is the same for programs.
	Type MigrationStatusType `json:"type"`

	// Err is a problem that does not go away by itself, if there is one.
	Err string `json:"err,omitempty"`
}

// MigrationStatusType is what has to happen for a change to go on.
type MigrationStatusType string

const (
	// MigrationStatusMeta waits for the meta leader of the cluster.
	MigrationStatusMeta MigrationStatusType = "meta"

	// MigrationStatusMembership waits for the group to agree on a member.
	MigrationStatusMembership MigrationStatusType = "membership"

	// MigrationStatusSnapshot waits for a snapshot of the state.
	MigrationStatusSnapshot MigrationStatusType = "snapshot"

	// MigrationStatusCatchup waits for replicas to receive what they lack.
	MigrationStatusCatchup MigrationStatusType = "catchup"

	// MigrationStatusQuorum waits for servers to come back, since too few are
	// up.
	MigrationStatusQuorum MigrationStatusType = "quorum"

	// MigrationStatusBlocked waits for the stream or a consumer of it to change
	// first.
	MigrationStatusBlocked MigrationStatusType = "blocked"

	// MigrationStatusUnavailable does not go on on this server, which shuts
	// down or no longer has the stream or consumer.
	MigrationStatusUnavailable MigrationStatusType = "unavailable"
)
