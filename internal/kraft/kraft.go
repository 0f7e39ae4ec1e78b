// Package kraft is the consensus of the metadata quorum (KIP-595, KIP-630,
// KIP-853, KIP-1166) as a pure machine. What happened goes in as an Event, with
// the time; what must be done comes out as Effects, in order. There is no
// goroutine, clock, lock, file or socket in here: given the same events the
// machine does the same things, which is what its tests rest on.
//
// States. A sole voter passes through Prospective and Candidate at once.
//
//	                election time-out               majority of pre-votes
//	Unattached ───────────────────────► Prospective ─────────────────────► Candidate
//	 ▲      │                             │     ▲  ▲      time-out           │  │
//	 │      │ a leader is named           │     │  └─────────────────────────┘  │
//	 │      ▼                pre-votes    │     │ fetch time-out                │ majority
//	 │   Follower ◄───────────────────────┘     │ (voters)                      ▼
//	 │      └──────────────lost─────────────────┘                            Leader
//	 │                                                                          │
//	 └───── election time-out, epoch + 1 ───── Resigned ◄── check-quorum, asked to, shutdown
//
// A higher epoch seen anywhere leads to Unattached, or to Follower if its leader
// is known. An observer is Unattached or Follower for ever, unless a record in
// its log makes it a voter.
//
// Words: end is the log end offset (exclusive); synced is how far this replica's
// log is on disk; the high watermark is what is committed (exclusive).
//
// Disk and network go on side by side: while a Sync is under way the machine
// serves fetches and votes. What may be said meanwhile of records that are in the
// log and not yet on disk:
//   - A leader serves them, and does not count them for itself. A majority of
//     others commits them all the same; if this node then loses them with its
//     power, it comes back as a replica that lacks committed records, which
//     elects nobody shorter and leads no more in that epoch.
//   - A voter fetches only when all of its log is on disk, for its fetch offset is
//     its word that it keeps everything below. So nothing is truncated during a
//     Sync, and a Sync tells of the very bytes that it was asked for.
//   - A voter asks for pre-votes with them, and stands for election without any: a
//     vote that it was given in an epoch is given again after its crash, when its
//     log may be shorter than what was voted for.
//   - A voter that syncs is not given up for its silence, nor gives up its leader:
//     BeginQuorumEpoch and its answer tell them of each other.
//   - A voter judges candidates by all that it has, synced or not. That is more
//     than it ever acknowledged.
//   - The election file is another matter: it is on disk before anything is said
//     that depends on it (Persist).
//
// Invariants that the rest of the program may rely on:
//   - The epoch never goes down, nor does the high watermark of one life of the
//     node.
//   - At most one leader is named for an epoch.
//   - Persist effects come before any message that depends on them.
//   - A leader counts its own log only as far as it is synced, and publishes no
//     high watermark before a record of its own epoch is committed.
//   - At most one Fetch or FetchSnapshot of this node is in flight.
package kraft

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/model"
)

// Role is what a replica is in its current epoch.
type Role int8

// The roles, in Kafka's words.
const (
	Unattached  Role = iota // knows no leader it could reach
	Prospective             // asks whether an election could be won (KIP-996)
	Candidate               // has voted for itself and asks for votes
	Leader
	Resigned // led this epoch and does not any more
	Follower // fetches from the leader, as a voter or an observer
)

func (r Role) String() string {
	return [...]string{"unattached", "prospective", "candidate", "leader", "resigned", "follower"}[r]
}

// Config is what a machine is told once.
type Config struct {
	NodeID      model.NodeID
	DirectoryID model.DirectoryID
	ClusterID   string
	// Controller tells that the node has the controller role: it may be a voter
	// in the leader's eyes before it knows so itself, hence it syncs what it
	// fetched before it fetches again (KAFKA-17332).
	Controller bool
	// Listener is the name of the default controller listener, and Endpoints are
	// this node's own controller listeners, none for a broker.
	Listener  string
	Endpoints []Endpoint
	// StaticVoters are controller.quorum.voters; they count while the log and
	// its snapshots name no voters.
	StaticVoters VoterSet
	// Bootstrap are the addresses to ask for the leader
	// (controller.quorum.bootstrap.servers); the static voters when empty.
	Bootstrap []Address

	ElectionTimeout  time.Duration // controller.quorum.election.timeout.ms
	ElectionBackoff  time.Duration // controller.quorum.election.backoff.max.ms
	FetchTimeout     time.Duration // controller.quorum.fetch.timeout.ms
	RequestTimeout   time.Duration // controller.quorum.request.timeout.ms
	RetryBackoff     time.Duration // controller.quorum.retry.backoff.ms
	FetchMaxBytes    int32         // controller.quorum.fetch.max.bytes
	SnapshotMaxBytes int32         // controller.quorum.fetch.snapshot.max.bytes

	Rand *rand.Rand
}

// fetchMaxWait is how long a leader may hold a Fetch of this node back.
const fetchMaxWait = 500 * time.Millisecond

// Election is what the quorum-state file holds.
type Election struct {
	Epoch  model.Epoch
	Leader model.NodeID
	Voted  Replica // ID is NoNode when no vote was given in this epoch
	// Version is the kraft.version in force, which decides the file's format.
	Version int16
	// Voters are the ids of the current voters, written in format 0.
	Voters []model.NodeID
	// Behind tells that this static voter once began with an empty log and has
	// not caught up with a leader since; see behind.go. Format 0 only.
	Behind bool
}

func (e Election) equal(o Election) bool {
	return e.Epoch == o.Epoch && e.Leader == o.Leader && e.Voted == o.Voted && e.Version == o.Version && e.Behind == o.Behind && slices.Equal(e.Voters, o.Voters)
}

// NoElection is what is known when there is no quorum-state file.
var NoElection = Election{Leader: model.NoNode, Voted: Replica{ID: model.NoNode}}

// Machine is one replica of the quorum. It is not safe for concurrent use.
type Machine struct {
	cfg Config
	now time.Time
	log replicaLog
	out []Effect

	role      Role
	epoch     model.Epoch
	leader    model.NodeID
	endpoints []Endpoint // of the leader, as far as they are known
	voted     Replica
	stored    Election     // what the quorum-state file says
	hw        model.Offset // -1 while unknown in this life

	// election is when the patience with the present role ends: that of
	// Unattached, Prospective, Candidate and Resigned. Zero is never.
	election time.Time
	behind   bool     // see behind.go
	inquiry  *inquiry // only while behind
	stopping bool     // Shutdown was asked for
	handover bool     // it found this node leading

	leading   *leading   // only while role is Leader
	resigned  *resigned  // only while role is Resigned
	ballot    *ballot    // only while role is Prospective or Candidate
	following *following // only while role is Follower
	suspects  bool       // the leader of this epoch has refused connections, and nothing was heard of it since
	quickAt   time.Time  // when a refused connection last stood for the fetch time-out
	fetcher   fetcher    // only used while role is Unattached or Follower
	calls     calls
	halted    bool
}

// New is a machine over what the disk holds. The returned effects come first.
func New(cfg Config, now time.Time, stored Election, log Log) (*Machine, []Effect, error) {
	mirror, err := newReplicaLog(cfg.StaticVoters, log)
	if err != nil {
		return nil, nil, err
	}
	m := &Machine{
		cfg: cfg, now: now, log: mirror,
		epoch: stored.Epoch, leader: stored.Leader, voted: stored.Voted, stored: stored, hw: -1,
		calls: newCalls(), fetcher: fetcher{hw: -1},
	}
	if newest, ok := m.log.newestSnapshot(); ok {
		m.hw = newest.End // a snapshot holds only what was committed
	}
	voters := m.log.voters()
	if !m.isVoter() && len(voters) == 0 && len(cfg.Bootstrap) == 0 {
		return nil, nil, fmt.Errorf("node %d knows no voters: neither its metadata log, nor controller.quorum.voters, nor controller.quorum.bootstrap.servers names one", cfg.NodeID)
	}
	m.behind = m.hasNoPast() || (stored.Behind && m.isStaticVoter())
	m.begin()
	m.send()
	return m, m.take(), nil
}

// begin enters the role that the disk speaks for. A node that led comes back as
// Resigned and never leads in the same epoch: it may have lost records that
// others have (KAFKA-10527).
func (m *Machine) begin() {
	switch last := m.log.lastEpoch(); {
	case m.isSoleVoter():
		m.epoch = max(m.epoch, last)
		m.becomeCandidate()
	case last > m.epoch:
		m.becomeUnattached(last, model.NoNode)
	case m.leader == m.cfg.NodeID:
		m.becomeResigned(nil)
	case m.voted == m.self() && m.isVoter() && m.mayStand():
		m.standAgain()
	case m.epoch > 0 && m.leader >= 0 && len(m.log.voters().endpoints(m.leader)) > 0:
		m.becomeFollower(m.epoch, m.leader, m.log.voters().endpoints(m.leader))
	default:
		m.becomeUnattached(m.epoch, m.leader)
	}
}

// Step takes one event at the given time and returns what to do, in order.
// Times must not go backwards. Effects that ask for an event must be answered
// with it before the next Step (AppendFetched with Fetched, InstallSnapshot with
// Installed), but for Sync, which is answered with Synced when the disk is ready.
func (m *Machine) Step(now time.Time, event Event) []Effect {
	if m.halted {
		return nil
	}
	m.now = now
	switch e := event.(type) {
	case Tick:
	case Request:
		m.request(e)
	case Abandoned:
		m.abandon(e.Token)
	case Response:
		m.response(e)
	case Appended:
		m.appended(e)
	case Fetched:
		m.fetched(e)
	case Synced:
		m.synced(e)
	case Frozen:
		m.log.addSnapshot(e.Snapshot)
	case Installed:
		m.installed(e)
	case Cleaned:
		m.log.clean(e)
	case Resign:
		if m.role == Leader && m.epoch == e.Epoch {
			m.resign()
		}
	case ControlAppended:
		m.controlAppended(e)
	case Shutdown:
		m.shutdown()
	}
	m.expire()
	m.send()
	return m.take()
}

// Deadline is when Step wants a Tick, unless something else happens first; the
// zero time means never.
func (m *Machine) Deadline() time.Time {
	if m.halted {
		return time.Time{}
	}
	d := earlier(m.election, m.calls.deadline())
	switch m.role {
	case Leader:
		return earlier(d, m.leading.deadline(m))
	case Follower:
		if m.isVoter() && !m.stopping {
			d = earlier(d, m.following.fetchBy)
		}
		return earlier(d, m.fetcher.deadline(m))
	case Unattached:
		if m.inquiry != nil {
			d = earlier(d, m.calls.ready(m.doubters(m.inquiry.of), m.now))
		}
		return earlier(d, m.fetcher.deadline(m))
	case Prospective, Candidate, Resigned:
		return earlier(d, m.calls.ready(m.askedPeers(), m.now))
	}
	return d
}

// Status is what the machine knows, for who asks from outside.
type Status struct {
	Role          Role
	Epoch         model.Epoch
	Leader        model.NodeID // NoNode while unknown
	Endpoints     []Endpoint   // of the leader
	HighWatermark model.Offset // -1 while unknown
	End, Synced   model.Offset
	Voters        VoterSet
	Version       int16 // kraft.version
	Voter         bool  // this node is one
}

// Status is the current one.
func (m *Machine) Status() Status {
	return Status{
		Role: m.role, Epoch: m.epoch, Leader: m.leader, Endpoints: slices.Clone(m.endpoints),
		HighWatermark: m.hw, End: m.log.end, Synced: m.log.synced,
		Voters: m.log.voters(), Version: m.log.version(), Voter: m.isVoter(),
	}
}

func (m *Machine) self() Replica { return Replica{ID: m.cfg.NodeID, Directory: m.cfg.DirectoryID} }

// isVoter goes by the newest voter set in the log, committed or not.
func (m *Machine) isVoter() bool { return m.log.voters().has(m.self()) }

func (m *Machine) isSoleVoter() bool { return m.isVoter() && len(m.log.voters()) == 1 }

func (m *Machine) emit(e Effect) { m.out = append(m.out, e) }

func (m *Machine) take() []Effect {
	out := m.out
	m.out = nil
	return out
}

// halt stops the machine: something came from outside that Kafka, too, stops
// for, because going on would lose or fork committed metadata.
func (m *Machine) halt(format string, args ...any) {
	m.halted = true
	m.emit(Halt{Reason: fmt.Sprintf(format, args...)})
}

// setHighWatermark moves it up; it never goes down.
func (m *Machine) setHighWatermark(hw model.Offset) {
	if hw > m.hw {
		m.hw = hw
		m.emit(HighWatermark{Offset: hw})
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
