package consumer

import (
	"strconv"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
)

// Config is what the broker's configuration says of consumer groups.
type Config struct {
	SessionTimeout     Limits   // group.consumer.session.timeout.ms
	HeartbeatInterval  Limits   // group.consumer.heartbeat.interval.ms
	AssignmentInterval Limits   // group.consumer.assignment.interval.ms
	MaxSize            int      // group.consumer.max.size
	Assignors          []string // group.consumer.assignors: of those that assign.ByName knows, the default first
	Migration          Policy   // group.consumer.migration.policy
	RegexRefresh       time.Duration
	ClassicMaxSize     int // group.max.size, for groups that become classic
}

// Limits is a duration that a group may have its own of, within limits.
type Limits struct{ Default, Min, Max time.Duration }

// Policy says in which directions groups may change their protocol while they have members.
type Policy struct{ Upgrade, Downgrade bool }

// ParsePolicy reads group.consumer.migration.policy.
func ParsePolicy(s string) Policy {
	switch strings.ToLower(s) {
	case "bidirectional":
		return Policy{Upgrade: true, Downgrade: true}
	case "upgrade":
		return Policy{Upgrade: true}
	case "downgrade":
		return Policy{Downgrade: true}
	}
	return Policy{}
}

// Client is who asks.
type Client struct {
	ID        string
	Host      string // as Kafka writes it: /127.0.0.1
	Address   string // as the authorizer knows it
	Principal auth.Principal
}

// Alarms are those of one group. One alarm of each kind may be set for a member;
// Lookup is for no member.
type Alarms interface {
	Set(kind Alarm, member string, at time.Time)
	SetIfAbsent(kind Alarm, member string, at time.Time)
	Cancel(kind Alarm, member string)
}

// Alarm is what is to happen at a time. Ring does it.
type Alarm uint8

// The alarms.
const (
	Session   Alarm = iota // the member was not heard of
	Rebalance              // it has not given up its partitions
	Join                   // a classic member has not joined again
	Sync                   // nor fetched its assignment
	Lookup                 // regular expressions are to be looked up
)

// Call is what one decision works with, and the records that it leads to.
type Call struct {
	Now        time.Time
	Config     *Config
	Topics     *Topics
	Alarms     Alarms
	Authorizer auth.Authorizer
	NewID      func() string // a fresh random UUID

	Records []machine.Record
	// Rebalance says that the group has become a classic one, which is to prepare a
	// rebalance once the records are folded.
	Rebalance bool
}

func (c *Call) add(records ...machine.Record) { c.Records = append(c.Records, records...) }

func (c *Call) millis() int64 { return c.Now.UnixMilli() }

func (c *Call) after(ms int32) time.Time { return c.Now.Add(time.Duration(ms) * time.Millisecond) }

// The configs that a group may have of its own.
const (
	sessionKey    = "consumer.session.timeout.ms"
	heartbeatKey  = "consumer.heartbeat.interval.ms"
	assignmentKey = "consumer.assignment.interval.ms"
)

// setting is a duration for the group: its own, or what the whole cluster was given at
// run time, within the broker's limits; else the broker's.
func (c *Call) setting(group, key string, l Limits) time.Duration {
	own, ok := c.Topics.img.Config(metadata.ConfigGroup, group)[key]
	if !ok {
		own, ok = c.Topics.img.Config(metadata.ConfigBroker, "")["group."+key]
	}
	if !ok {
		return l.Default
	}
	ms, err := strconv.ParseInt(own, 10, 32)
	if err != nil {
		return l.Default
	}
	return min(max(time.Duration(ms)*time.Millisecond, l.Min), l.Max)
}

func unknownMember(group, id string) error {
	return kerr.UnknownMemberID.With("Member %s is not a member of group %s.", id, group)
}
