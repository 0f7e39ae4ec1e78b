package kraft

import (
	"maps"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// maxBackoff bounds how far the pause after failures of one peer grows.
const maxBackoff = time.Second

// calls are this node's requests under way, at most one a peer, and which peers
// to leave alone for a while. A change of role forgets all of them: the answer to
// a question of an earlier role comes too late.
type calls struct {
	sent   uint64 // so far; the newest call has this number
	flying map[model.NodeID]call
	pauses map[model.NodeID]pause
}

type call struct {
	number   uint64
	to       Peer
	body     wire.Request
	deadline time.Time
}

// pause is how long to leave a peer alone.
type pause struct {
	failures int
	until    time.Time
}

func newCalls() calls {
	return calls{flying: map[model.NodeID]call{}, pauses: map[model.NodeID]pause{}}
}

// reset forgets what is in flight and what went wrong.
func (c *calls) reset() {
	clear(c.flying)
	clear(c.pauses)
}

func (c *calls) deadline() time.Time {
	var d time.Time
	for _, one := range c.flying {
		d = earlier(d, one.deadline)
	}
	return d
}

// ready is when the first of the peers that is paused may be asked again.
func (c *calls) ready(peers []Peer, now time.Time) time.Time {
	var d time.Time
	for _, p := range peers {
		if _, busy := c.flying[p.ID]; !busy && c.pauses[p.ID].until.After(now) {
			d = earlier(d, c.pauses[p.ID].until)
		}
	}
	return d
}

func (c *calls) idle(id model.NodeID, now time.Time) bool {
	_, busy := c.flying[id]
	return !busy && !c.pauses[id].until.After(now)
}

// fetching tells whether a Fetch, or what takes its turn, is under way. There is
// never more than one, lest an offset be appended twice.
func (c *calls) fetching() bool {
	for _, one := range c.flying {
		if _, vote := one.body.(*wire.VoteRequest); !vote {
			return true
		}
	}
	return false
}

// answered takes the call with this number out of what is under way.
func (c *calls) answered(number uint64) (call, bool) {
	for id, one := range c.flying {
		if one.number == number {
			delete(c.flying, id)
			return one, true
		}
	}
	return call{}, false
}

// call sends a request to a peer that has none under way.
func (m *Machine) call(to Peer, body wire.Request) {
	c := &m.calls
	c.sent++
	c.flying[to.ID] = call{c.sent, to, body, m.now.Add(m.cfg.RequestTimeout)}
	m.emit(Send{c.sent, to, body})
}

// failed leaves the peer alone for a while that doubles with each failure.
func (m *Machine) failed(id model.NodeID) {
	p := m.calls.pauses[id]
	p.until = m.now.Add(min(m.cfg.RetryBackoff<<min(p.failures, 10), maxBackoff))
	p.failures++
	m.calls.pauses[id] = p
}

// expireCalls gives up what took too long.
func (m *Machine) expireCalls() {
	for _, id := range slices.Sorted(maps.Keys(m.calls.flying)) {
		if one := m.calls.flying[id]; !one.deadline.After(m.now) {
			delete(m.calls.flying, id)
			m.fetcher.download = nil
			m.failed(id)
		}
	}
}

// response takes the outcome of a call.
func (m *Machine) response(e Response) {
	one, ok := m.calls.answered(e.Call)
	if !ok {
		return
	}
	if e.Body == nil {
		m.unanswered(one, e.Failure)
		return
	}
	good := false
	role, epoch := m.role, m.epoch
	switch body := e.Body.(type) {
	case *wire.FetchResponse:
		good = m.fetchedLog(body)
	case *wire.FetchSnapshotResponse:
		good = m.fetchedSnapshot(body)
	case *wire.VoteResponse:
		good = m.voteResponse(one, body)
	case *wire.BeginQuorumEpochResponse:
		good = m.beginResponse(one, body)
	case *wire.EndQuorumEpochResponse:
		good = m.endResponse(one, body)
	case *wire.UpdateRaftVoterResponse:
		good = m.updateResponse(body)
	}
	switch {
	case m.role != role || m.epoch != epoch: // all is new
	case good:
		delete(m.calls.pauses, one.to.ID)
	default:
		m.fetcher.download = nil // its leader may be gone: look for it with a Fetch
		m.failed(one.to.ID)
	}
}

// unanswered takes the failure of a call.
func (m *Machine) unanswered(one call, why Failure) {
	if why == Unsupported {
		switch q := one.body.(type) {
		case *wire.VoteRequest:
			if m.role == Prospective && q.Topics[0].Partitions[0].PreVote {
				// A peer older than pre-votes: without it, no majority may ever come.
				m.ballot.ends = true
				m.failed(one.to.ID)
				m.standWhenSynced()
				return
			}
		case *wire.UpdateRaftVoterRequest:
			m.following.updated = true // it has no use for it
			return
		}
	}
	m.fetcher.download = nil
	m.failed(one.to.ID)
	if why == Refused && m.role == Follower && one.to.ID == m.leader {
		m.leaderRefused()
	}
}

// send sends what is due by now.
func (m *Machine) send() {
	if m.halted {
		return
	}
	switch m.role {
	case Unattached:
		m.sendInquiry()
		m.fetch()
	case Follower:
		m.fetch()
	case Prospective, Candidate:
		for _, p := range m.askedPeers() {
			if m.calls.idle(p.ID, m.now) {
				m.call(p, m.voteRequest(p, m.position(), m.role == Prospective))
			}
		}
	case Leader:
		m.announce()
	case Resigned:
		for _, p := range m.askedPeers() {
			if m.calls.idle(p.ID, m.now) {
				m.call(p, m.endRequest())
			}
		}
	}
}

// askedPeers are the voters that owe an answer: to the election, or to the
// resignation.
func (m *Machine) askedPeers() []Peer {
	if m.ballot != nil && m.ballot.lost(m.log.voters()) {
		return nil
	}
	var peers []Peer
	for _, v := range m.log.voters() {
		switch {
		case v.ID == m.cfg.NodeID:
			continue
		case m.ballot != nil && m.ballot.has(v.ID):
			continue
		case m.resigned != nil && m.resigned.acked[v.ID]:
			continue
		}
		if a, ok := AddressOf(v.Endpoints, m.cfg.Listener); ok {
			peers = append(peers, Peer{v.ID, a})
		}
	}
	return peers
}
