package kraft

import "github.com/stromkafka/strom/internal/model"

// Static voters (controller.quorum.voters) are known by their node id alone. A
// voter whose disk was lost and replaced comes back under the same id, having
// forgotten its votes and what it acknowledged; if it voted, a majority could
// elect a leader that lacks committed records. Nothing tells its empty log from
// that of a new quorum, so a static voter that begins with an empty log is behind
// until it holds everything that a leader of the quorum calls committed. Its vote,
// also the one for itself, goes
//
//   - to who has an empty log, which is how a new quorum elects its first leader.
//     The price: while a quorum is so new that one voter has never caught up, the
//     disk of another must not be lost;
//   - to who has all that every other voter has. That is no less than a majority
//     of the disks that are left can know, and is needed when a new quorum's first
//     leader stopped before it could tell anybody what is committed: without this
//     rule all voters would be behind for ever. Others are asked for it with a
//     pre-vote for the log in question; an answer stays true, for what a voter
//     learns later the ordinary rules see to.
//
// Pre-votes are answered as by anybody: they elect nobody.
//
// A restart must not end being behind, for a log that is filled in part is worse
// than an empty one: it looks like one that never lost anything. So the
// quorum-state file remembers. Voters that the log names are known by directory
// too, and a replaced disk is then simply another replica, which is no voter.

// position is where a log ends.
type position struct {
	epoch model.Epoch
	end   model.Offset
}

func (p position) atLeast(q position) bool {
	return p.epoch > q.epoch || (p.epoch == q.epoch && p.end >= q.end)
}

func (m *Machine) position() position { return position{m.log.lastEpoch(), m.log.end} }

// inquiry is what other voters have said of their logs.
type inquiry struct {
	of position // the log that is asked about
	// vouched are logs in which there is all that a voter's log has.
	vouched map[model.NodeID]position
}

// isStaticVoter tells that the voter set names this node without a directory,
// beside others.
func (m *Machine) isStaticVoter() bool {
	voters := m.log.voters()
	for _, v := range voters {
		if v.matches(m.self()) {
			return v.Directory == model.DirectoryID{} && len(voters) > 1
		}
	}
	return false
}

// hasNoPast tells that this node is a static voter with an empty log.
func (m *Machine) hasNoPast() bool { return m.isStaticVoter() && m.log.end == 0 }

// mayStand tells whether this voter's log is worth a candidacy.
func (m *Machine) mayStand() bool { return m.mayTrust(m.position()) }

// mayTrust tells whether this voter may vote for a log.
func (m *Machine) mayTrust(p position) bool {
	return !m.behind || p.end == 0 || (m.inquiry != nil && len(m.doubters(p)) == 0)
}

// doubters are the voters that have not vouched for a log.
func (m *Machine) doubters(p position) (out []Peer) {
	for _, v := range m.log.voters() {
		if least, ok := m.inquiry.vouched[v.ID]; v.ID == m.cfg.NodeID || (ok && p.atLeast(least)) {
			continue
		}
		a, _ := AddressOf(v.Endpoints, m.cfg.Listener)
		out = append(out, Peer{v.ID, a})
	}
	return out
}

// inquire asks about the log for which a vote is wanted.
func (m *Machine) inquire(p position) {
	if !m.behind || p.end == 0 {
		return
	}
	if m.inquiry == nil {
		m.inquiry = &inquiry{vouched: map[model.NodeID]position{}}
	}
	m.inquiry.of = p
}

// vouches takes the word of a voter that a log has all that its own has.
func (m *Machine) vouches(id model.NodeID, p position) {
	if m.inquiry == nil {
		return
	}
	if least, ok := m.inquiry.vouched[id]; !ok || least.atLeast(p) {
		m.inquiry.vouched[id] = p
	}
}

// sendInquiry asks those who have not vouched.
func (m *Machine) sendInquiry() {
	if m.inquiry == nil {
		return
	}
	for _, p := range m.doubters(m.inquiry.of) {
		if m.calls.idle(p.ID, m.now) {
			m.call(p, m.voteRequest(p, m.inquiry.of, true))
		}
	}
}

// caughtUp ends being behind: this replica has synced all that a leader calls
// committed.
func (m *Machine) caughtUp() {
	if m.behind {
		m.behind, m.inquiry = false, nil
		m.persist()
	}
}
