package kraft

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Replica names one replica of the metadata log: a node, and the directory its
// log is in. A zero Directory is unknown.
type Replica struct {
	ID        model.NodeID
	Directory model.DirectoryID
}

// Address is where a node listens.
type Address struct {
	Host string
	Port uint16
}

func (a Address) String() string {
	if strings.Contains(a.Host, ":") {
		return fmt.Sprintf("[%s]:%d", a.Host, a.Port)
	}
	return fmt.Sprintf("%s:%d", a.Host, a.Port)
}

// Endpoint is a listener of a controller. Names are compared without regard to
// case, as Kafka writes them upper-cased.
type Endpoint struct {
	Name string
	Address
}

// Peer is a node to send to. Bootstrap servers, whose ids are unknown, are
// numbered -2, -3 and so on.
type Peer struct {
	ID model.NodeID
	Address
}

// Voter is one member of a voter set. A voter of the static configuration has
// no directory, and then matches any directory of its node.
type Voter struct {
	Replica
	Endpoints              []Endpoint
	MinVersion, MaxVersion int16 // the kraft.version levels it understands
}

func (v Voter) matches(r Replica) bool {
	return v.ID == r.ID && (v.Directory == model.DirectoryID{} || v.Directory == r.Directory)
}

func (v Voter) equal(o Voter) bool {
	return v.Replica == o.Replica && endpointsEqual(v.Endpoints, o.Endpoints) && v.MinVersion == o.MinVersion && v.MaxVersion == o.MaxVersion
}

// VoterSet is who votes, in order of node id. It is immutable.
type VoterSet []Voter

// NewVoterSet orders the voters and refuses a node that occurs twice.
func NewVoterSet(voters ...Voter) (VoterSet, error) {
	s := slices.SortedFunc(slices.Values(voters), func(a, b Voter) int { return cmp.Compare(a.ID, b.ID) })
	for i := 1; i < len(s); i++ {
		if s[i].ID == s[i-1].ID {
			return nil, fmt.Errorf("voter %d is named twice", s[i].ID)
		}
	}
	return s, nil
}

// VotersFromRecord reads a voter set as the log holds it.
func VotersFromRecord(r *wire.VotersRecord) (VoterSet, error) {
	voters := make([]Voter, 0, len(r.Voters))
	for _, v := range r.Voters {
		voter := Voter{
			Replica:    Replica{model.NodeID(v.VoterID), model.DirectoryID(v.VoterDirectoryID)},
			MinVersion: v.KRaftVersionFeature.MinSupportedVersion, MaxVersion: v.KRaftVersionFeature.MaxSupportedVersion,
		}
		for _, e := range v.Endpoints {
			voter.Endpoints = append(voter.Endpoints, Endpoint{e.Name, Address{e.Host, e.Port}})
		}
		voters = append(voters, voter)
	}
	return NewVoterSet(voters...)
}

// Record is the voter set as the log holds it.
func (s VoterSet) Record() *wire.VotersRecord {
	r := new(wire.VotersRecord)
	r.Reset()
	for _, v := range s {
		var w wire.VotersRecordVoter
		w.Reset()
		w.VoterID, w.VoterDirectoryID = int32(v.ID), model.UUID(v.Directory)
		w.KRaftVersionFeature.MinSupportedVersion, w.KRaftVersionFeature.MaxSupportedVersion = v.MinVersion, v.MaxVersion
		for _, e := range v.Endpoints {
			w.Endpoints = append(w.Endpoints, wire.VotersRecordEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
		}
		r.Voters = append(r.Voters, w)
	}
	return r
}

func (s VoterSet) String() string {
	names := make([]string, len(s))
	for i, v := range s {
		names[i] = fmt.Sprint(v.ID)
		if len(v.Endpoints) > 0 {
			names[i] += "@" + v.Endpoints[0].Address.String()
		}
	}
	return strings.Join(names, ",")
}

// IDs are the voters' node ids, in order.
func (s VoterSet) IDs() []model.NodeID {
	ids := make([]model.NodeID, len(s))
	for i, v := range s {
		ids[i] = v.ID
	}
	return ids
}

func (s VoterSet) has(r Replica) bool {
	return slices.ContainsFunc(s, func(v Voter) bool { return v.matches(r) })
}

// directory of a voter, zero if the set does not know it.
func (s VoterSet) directory(id model.NodeID) model.DirectoryID {
	for _, v := range s {
		if v.ID == id {
			return v.Directory
		}
	}
	return model.DirectoryID{}
}

func (s VoterSet) endpoints(id model.NodeID) []Endpoint {
	for _, v := range s {
		if v.ID == id {
			return v.Endpoints
		}
	}
	return nil
}

// with is the set with the voter of the same id replaced.
func (s VoterSet) with(voter Voter) VoterSet {
	out := slices.Clone(s)
	for i := range out {
		if out[i].ID == voter.ID {
			out[i] = voter
		}
	}
	return out
}

func endpointsEqual(a, b []Endpoint) bool {
	return slices.EqualFunc(a, b, func(x, y Endpoint) bool {
		return strings.EqualFold(x.Name, y.Name) && x.Address == y.Address
	})
}

// AddressOf is the address of the listener of that name.
func AddressOf(endpoints []Endpoint, listener string) (Address, bool) {
	for _, e := range endpoints {
		if strings.EqualFold(e.Name, listener) {
			return e.Address, true
		}
	}
	return Address{}, false
}

// Control is a control record of the log or of a snapshot at its offset. Those
// of the bootstrap snapshot 0-0 are at offset -1: they are in force, but nobody
// has committed them. Record is nil unless it is a *wire.VotersRecord or a
// *wire.KRaftVersionRecord.
type Control struct {
	Offset model.Offset
	Record wire.Message
}

// history is the voter sets and kraft.versions that the log and its newest
// snapshot hold, by offset. The last entry counts, committed or not.
type history struct {
	static   VoterSet
	voters   []at[VoterSet]
	versions []at[int16]
}

type at[T any] struct {
	offset model.Offset
	value  T
}

func (h *history) add(c Control) error {
	switch r := c.Record.(type) {
	case *wire.VotersRecord:
		set, err := VotersFromRecord(r)
		if err != nil {
			return fmt.Errorf("voters at offset %d: %w", c.Offset, err)
		}
		h.voters = append(h.voters, at[VoterSet]{c.Offset, set})
	case *wire.KRaftVersionRecord:
		h.versions = append(h.versions, at[int16]{c.Offset, r.KRaftVersion})
	}
	return nil
}

func (h *history) latestVoters() VoterSet {
	if len(h.voters) == 0 {
		return h.static
	}
	return h.voters[len(h.voters)-1].value
}

func (h *history) latestVersion() int16 {
	if len(h.versions) == 0 {
		return 0
	}
	return h.versions[len(h.versions)-1].value
}

// votersAt is where the voters in force were written, -1 if not in the log.
func (h *history) votersAt() model.Offset {
	if len(h.voters) == 0 {
		return -1
	}
	return h.voters[len(h.voters)-1].offset
}

// fromBootstrap tells whether the voters in force were never in the log.
func (h *history) fromBootstrap() bool {
	return len(h.voters) > 0 && h.votersAt() < 0
}

// truncate forgets what was at or above end.
func (h *history) truncate(end model.Offset) {
	h.voters = truncated(h.voters, end)
	h.versions = truncated(h.versions, end)
}

// trim forgets all but the last entry below start.
func (h *history) trim(start model.Offset) {
	h.voters = trimmed(h.voters, start)
	h.versions = trimmed(h.versions, start)
}

func truncated[T any](entries []at[T], end model.Offset) []at[T] {
	n := len(entries)
	for n > 0 && entries[n-1].offset >= end {
		n--
	}
	return entries[:n]
}

func trimmed[T any](entries []at[T], start model.Offset) []at[T] {
	n := 0
	for n+1 < len(entries) && entries[n+1].offset < start {
		n++
	}
	return entries[n:]
}
