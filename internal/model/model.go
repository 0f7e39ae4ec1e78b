// Package model has the nouns that every package shares. Each is a type of its
// own, so that an offset is never passed where an epoch is meant.
package model

import (
	"encoding/base64"
	"fmt"
	"strconv"
)

// NodeID names a broker or a controller: node.id. -1 is nobody.
type NodeID int32

// NoNode is the absence of a node: no leader, no controller.
const NoNode NodeID = -1

// Offset is a record's position in a partition, counted from 0. Ends are
// exclusive: a log with one record has start 0 and end 1.
type Offset int64

// Epoch counts the leaders of a partition, or of the metadata quorum. -1 means
// that no epoch is known.
type Epoch int32

// NoEpoch is the absence of an epoch.
const NoEpoch Epoch = -1

// BrokerEpoch is the metadata offset at which a broker registered; it tells one
// life of a broker from the next. -1 means none.
type BrokerEpoch int64

// ProducerID names an idempotent producer; -1 means none.
type ProducerID int64

// UUID is Kafka's: 16 bytes, written as 22 characters of unpadded URL base64.
type UUID [16]byte

// TopicID outlives no topic: a topic created again under its old name has
// another. Zero means unknown.
type TopicID UUID

// DirectoryID names a log directory (directory.id in its meta.properties).
type DirectoryID UUID

// The reserved directory ids of KIP-858. All ids below 100 are reserved.
var (
	DirectoryMigrating  = DirectoryID{15: 0} // no broker has told a directory
	DirectoryUnassigned = DirectoryID{15: 1} // the broker has yet to choose one
	DirectoryLost       = DirectoryID{15: 2} // some offline directory
)

// MetadataTopic is the name of the metadata log, partition 0 of which is the
// quorum's; MetadataTopicID is its fixed topic id.
const MetadataTopic = "__cluster_metadata"

// MetadataTopicID is 0,1 in Kafka's notation.
var MetadataTopicID = TopicID{15: 1}

// The internal topics: what coordinators write, which clients may read but not
// write.
const (
	OffsetsTopic      = "__consumer_offsets"
	TransactionsTopic = "__transaction_state"
	ShareStateTopic   = "__share_group_state"
)

// IsInternalTopic reports whether a topic is one of the coordinators'.
func IsInternalTopic(name string) bool {
	return name == OffsetsTopic || name == TransactionsTopic || name == ShareStateTopic
}

func (u UUID) String() string { return base64.RawURLEncoding.EncodeToString(u[:]) }

// IsZero reports whether the id is absent.
func (u UUID) IsZero() bool { return u == UUID{} }

func (t TopicID) String() string     { return UUID(t).String() }
func (d DirectoryID) String() string { return UUID(d).String() }

// IsZero reports whether the topic id is absent.
func (t TopicID) IsZero() bool { return t == TopicID{} }

// IsReserved reports whether no directory may carry the id.
func (u UUID) IsReserved() bool {
	for _, b := range u[:15] {
		if b != 0 {
			return false
		}
	}
	return u[15] < 100
}

// ParseUUID reads Kafka's notation of a UUID, and the 36 characters of RFC 4122
// are an error as in Kafka.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) > 24 {
		return u, fmt.Errorf("%q is not a UUID: longer than 24 characters", s)
	}
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(u) {
		return u, fmt.Errorf("%q is not a UUID: want 22 characters of URL-safe base64 for 16 bytes", s)
	}
	copy(u[:], b)
	return u, nil
}

// Partition names one partition of one topic.
type Partition struct {
	Topic string
	Index int32
}

// String is the partition's directory name, topic-index.
func (p Partition) String() string { return p.Topic + "-" + strconv.Itoa(int(p.Index)) }
