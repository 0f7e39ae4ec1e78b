package kraft

import "github.com/stromkafka/strom/internal/model"

// Static voters (controller.quorum.voters) are known by their node id alone. A
// voter whose disk was lost and replaced comes back under the same id, having
// forgotten its votes and what it acknowledged; if it voted, a majority could
// elect a leader that lacks committed records. Nothing tells its empty log from
// that of a new quorum, so a static voter that begins with an empty log is behind
// until it holds everything that a leader of the quorum calls committed:
//
//   - it votes only for who has an empty log too, which is how a new quorum elects
//     its first leader;
//   - it stands for election only while its own log is empty.
//
// A replaced voter is outvoted by those that have records: they refuse it, it
// refuses them, and so a majority of voters that are not behind must exist. The
// price: a new quorum whose first leader wrote its first record, and stopped
// before anybody fetched it, elects another only when a majority of the voters
// with empty logs is there.
//
// A restart must not end it, for a log that is filled in part is worse than an
// empty one: it looks like one that never lost anything. So the quorum-state file
// remembers. Voters that the log names are known by directory too, and a
// replaced disk is then simply another replica, which is no voter.

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
func (m *Machine) mayStand() bool { return !m.behind || m.log.end == 0 }

// mayTrust tells whether this voter's vote means anything for a candidate whose
// log ends at end.
func (m *Machine) mayTrust(end model.Offset) bool { return !m.behind || end == 0 }

// caughtUp ends being behind: this replica has synced all that a leader calls
// committed.
func (m *Machine) caughtUp() {
	if m.behind {
		m.behind = false
		m.persist()
	}
}
