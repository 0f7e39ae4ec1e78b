// Package assign divides the partitions of topics among the members of a consumer
// group (KIP-848's server side assignors). It is pure and deterministic: the same
// members, whatever order they come in, get the same partitions.
//
// Two strategies exist. Range gives each member a run of neighbouring partitions of
// each topic, so that equal partition numbers of several topics meet in one member.
// Uniform spreads all partitions evenly and moves as few as it can. Neither looks
// at racks, as in Apache Kafka 4.3.
package assign

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/model"
)

// Assignment is the partitions that a member has of each topic: ascending, without
// repeats, and no topic with none. It is never changed once it is made, so that
// several may share their slices.
type Assignment map[model.TopicID][]int32

// Equal reports whether the same partitions are assigned.
func (a Assignment) Equal(b Assignment) bool {
	return maps.EqualFunc(a, b, slices.Equal[[]int32])
}

// Count is the number of partitions.
func (a Assignment) Count() int {
	n := 0
	for _, partitions := range a {
		n += len(partitions)
	}
	return n
}

// Topics are the topics in the order of their ids.
func (a Assignment) Topics() []model.TopicID { return slices.SortedFunc(maps.Keys(a), CompareTopics) }

// CompareTopics orders topic ids.
func CompareTopics(a, b model.TopicID) int { return bytes.Compare(a[:], b[:]) }

// Member is a member as an assignor sees it.
type Member struct {
	ID         string
	InstanceID string          // of a static member, else empty
	Topics     []model.TopicID // that it subscribes to, all of which exist; ascending, without repeats
	Assigned   Assignment      // what it has so far; topics and partitions may be gone
}

// Input is what a strategy works on. No partition is assigned to two members.
type Input struct {
	Members    []Member
	Partitions func(model.TopicID) int32 // how many a topic has
}

// Strategy gives every member its new assignment, by member id.
type Strategy func(Input) map[string]Assignment

// DefaultStrategies are the names of the strategies that Kafka has, the one first
// that is used when nobody asks for another.
var DefaultStrategies = []string{"uniform", "range"}

// ByName is a strategy by the name that clients and group.consumer.assignors use.
func ByName(name string) (Strategy, error) {
	switch name {
	case "uniform":
		return Uniform, nil
	case "range":
		return Range, nil
	}
	return nil, fmt.Errorf("there is no assignor %q: those of Apache Kafka that are built in are uniform and range", name)
}

// byID are the members in the order of their ids.
func (in Input) byID() []Member {
	return slices.SortedFunc(slices.Values(in.Members), func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
}

// homogeneous reports whether all members subscribe to the same topics.
func homogeneous(members []Member) bool {
	for i := 1; i < len(members); i++ {
		if !slices.Equal(members[i].Topics, members[0].Topics) {
			return false
		}
	}
	return true
}
