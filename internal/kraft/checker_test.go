package kraft

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// checker holds what must be true of the whole quorum after every step. The
// properties that Kafka's RaftEventSimulationTest has too bear its names.
type checker struct {
	epochs    map[model.NodeID]model.Epoch
	marks     map[model.NodeID]model.Offset // high watermark of the node's present life
	leaders   map[model.Epoch]model.NodeID
	led       map[model.Epoch]bool // epochs whose leader's log was looked at
	committed []entry
}

func newChecker() *checker {
	return &checker{
		epochs: map[model.NodeID]model.Epoch{}, marks: map[model.NodeID]model.Offset{},
		leaders: map[model.Epoch]model.NodeID{}, led: map[model.Epoch]bool{},
	}
}

func (c *checker) check(net *network) error {
	had := len(c.committed)
	for _, id := range net.ids() {
		nd := net.nodes[id]
		if nd.m == nil {
			c.marks[id] = -1
			continue
		}
		if nd.halt != "" {
			return fmt.Errorf("NoHalt: node %d: %s", id, nd.halt)
		}
		for _, p := range []func(*network, *node) error{
			c.leaderCompleteness, c.monotonicEpoch, c.singleLeader, c.monotonicHighWatermark, c.consistentCommittedData, snapshotAtLogStart,
		} {
			if err := p(net, nd); err != nil {
				return err
			}
		}
	}
	if len(c.committed) > had {
		return c.majorityReachedHighWatermark(net)
	}
	return nil
}

func (c *checker) monotonicEpoch(_ *network, nd *node) error {
	id, epoch := nd.cfg.NodeID, nd.m.epoch
	if epoch < c.epochs[id] {
		return fmt.Errorf("MonotonicEpoch: node %d went from epoch %d back to %d", id, c.epochs[id], epoch)
	}
	c.epochs[id] = epoch
	return nil
}

func (c *checker) singleLeader(_ *network, nd *node) error {
	if nd.m.leader < 0 {
		return nil
	}
	if was, ok := c.leaders[nd.m.epoch]; ok && was != nd.m.leader {
		return fmt.Errorf("SingleLeader: epoch %d has leaders %d and %d", nd.m.epoch, was, nd.m.leader)
	}
	c.leaders[nd.m.epoch] = nd.m.leader
	return nil
}

func (c *checker) monotonicHighWatermark(_ *network, nd *node) error {
	id := nd.cfg.NodeID
	was, ok := c.marks[id]
	if nd.m.role == Leader && ok && nd.hw > max(was, 0) {
		if last := nd.disk.all()[nd.hw-1]; last.Epoch != nd.m.epoch {
			return fmt.Errorf("OwnEpochCommitted: leader %d of epoch %d commits up to a record of epoch %d", id, nd.m.epoch, last.Epoch)
		}
	}
	if ok && nd.hw < was {
		return fmt.Errorf("MonotonicHighWatermark: node %d went from %d to %d", id, c.marks[id], nd.hw)
	}
	c.marks[id] = nd.hw
	return nil
}

// leaderCompleteness looks at a leader when it is new: its log holds all that was
// ever called committed.
func (c *checker) leaderCompleteness(_ *network, nd *node) error {
	if nd.m.role != Leader || c.led[nd.m.epoch] {
		return nil
	}
	c.led[nd.m.epoch] = true
	log := nd.disk.all()
	for i, want := range c.committed {
		if i >= len(log) || log[i].Epoch != want.Epoch || log[i].Value != want.Value {
			return fmt.Errorf("LeaderCompleteness: leader %d of epoch %d lacks committed record %d (%d:%s)", nd.cfg.NodeID, nd.m.epoch, i, want.Epoch, want.Value)
		}
	}
	return nil
}

// consistentCommittedData holds each node's committed records against those that
// any node ever called committed, those inside its newest snapshot too: what is
// committed is never lost, nor another.
func (c *checker) consistentCommittedData(_ *network, nd *node) error {
	all := nd.disk.all()
	for i, got := range all[:max(0, min(int(nd.hw), len(all)))] {
		switch {
		case i < len(c.committed):
			if want := c.committed[i]; got.Epoch != want.Epoch || got.Value != want.Value {
				return fmt.Errorf("ConsistentCommittedData: node %d: record %d is %d:%s, was %d:%s", nd.cfg.NodeID, i, got.Epoch, got.Value, want.Epoch, want.Value)
			}
		default:
			c.committed = append(c.committed, got)
		}
	}
	return nil
}

// majorityReachedHighWatermark looks at what has just become committed: the
// disks of a majority of the voters hold it, synced. A disk that was lost counts:
// its word was good when it was given.
func (c *checker) majorityReachedHighWatermark(net *network) error {
	last := len(c.committed) - 1
	voters := net.votersAt(model.Offset(len(c.committed)))
	holders := 0
	for _, v := range voters {
		nd := net.nodes[v.ID]
		if (v.matches(Replica{v.ID, nd.cfg.DirectoryID}) && nd.disk.holds(last, c.committed[last])) ||
			(nd.lost != nil && v.matches(Replica{v.ID, nd.lostDir}) && nd.lost.holds(last, c.committed[last])) {
			holders++
		}
	}
	if holders <= len(voters)/2 {
		return fmt.Errorf("MajorityReachedHighWatermark: record %d is committed and on %d disks of %d%s", last, holders, len(voters), net.describe())
	}
	return nil
}

func snapshotAtLogStart(_ *network, nd *node) error {
	if d := &nd.disk; d.start > 0 && !slices.ContainsFunc(d.snapshots, func(s snapshotFile) bool { return s.End >= d.start }) {
		return fmt.Errorf("SnapshotAtLogStart: node %d starts at %d without a snapshot", nd.cfg.NodeID, d.start)
	}
	return nil
}

// holds tells whether a record is on the disk for good.
func (d *disk) holds(at int, e entry) bool {
	all := d.all()
	return d.synced > model.Offset(at) && at < len(all) && all[at].Epoch == e.Epoch && all[at].Value == e.Value
}

// logMatching: where two logs have a record of the same offset and epoch, they
// are the same up to it.
func logMatching(net *network) error {
	ids := net.ids()
	for i, x := range ids {
		for _, y := range ids[i+1:] {
			a, b := net.nodes[x].disk.all(), net.nodes[y].disk.all()
			n := min(len(a), len(b))
			for n > 0 && a[n-1].Epoch != b[n-1].Epoch {
				n--
			}
			for j := range n {
				if a[j].Epoch != b[j].Epoch || a[j].Value != b[j].Value {
					return fmt.Errorf("LogMatching: nodes %d and %d agree at %d and differ at %d", x, y, n-1, j)
				}
			}
		}
	}
	return nil
}

// votersOfLogs: the voters that count for a node are the last in its log, committed
// or not, else those of its newest snapshot or of how it was formatted.
func votersOfLogs(net *network) error {
	for _, id := range net.ids() {
		nd := net.nodes[id]
		if nd.m == nil {
			continue
		}
		want := nd.cfg.StaticVoters
		controls := nd.disk.log().Controls
		if len(nd.disk.snapshots) == 0 {
			controls = append(slices.Clone(nd.bootstrap), controls...)
		}
		for _, c := range controls {
			r, ok := c.Record.(*wire.VotersRecord)
			if !ok {
				continue
			}
			var err error
			if want, err = VotersFromRecord(r); err != nil {
				return err
			}
		}
		if got := nd.m.log.voters(); !slices.EqualFunc(got, want, Voter.equal) {
			return fmt.Errorf("VotersOfLog: node %d goes by voters %s, its log says %s", id, got, want)
		}
	}
	return nil
}

func (n *network) ids() []model.NodeID { return slices.Sorted(maps.Keys(n.nodes)) }

// votersAt are those of the leader that has just committed up to hw; if it is not
// there to tell, those of the node that is furthest.
func (n *network) votersAt(hw model.Offset) VoterSet {
	for _, id := range n.ids() {
		if nd := n.nodes[id]; nd.m != nil && nd.m.role == Leader && nd.hw == hw {
			return nd.m.log.voters()
		}
	}
	return n.newestVoters()
}

// newestVoters are those of the node that is furthest.
func (n *network) newestVoters() VoterSet {
	var set VoterSet
	best := model.Epoch(-1)
	for _, id := range n.ids() {
		if m := n.nodes[id].m; m != nil && m.epoch > best && len(m.log.voters()) > 0 {
			best, set = m.epoch, m.log.voters()
		}
	}
	return set
}

// all is the log from offset 0 on, what is in its newest snapshot included.
func (d *disk) all() []entry {
	if d.start == 0 {
		return d.entries
	}
	for _, s := range d.snapshots {
		if s.End >= d.start {
			content := decodeEntries(s.content)
			return append(content[:d.start:d.start], d.entries...)
		}
	}
	return nil
}

// describe is every node's disk and progress, for a failure's message.
func (n *network) describe() (out string) {
	for _, id := range n.ids() {
		nd := n.nodes[id]
		out += fmt.Sprintf("\nnode %d %x: log %d-%d, synced %d, high watermark %d", id, nd.cfg.DirectoryID, nd.disk.start, nd.disk.end(), nd.disk.synced, nd.hw)
		if nd.m != nil {
			out += fmt.Sprintf(", %s in %d", nd.m.role, nd.m.epoch)
			if nd.m.leading != nil {
				for r, p := range nd.m.leading.replicas {
					out += fmt.Sprintf(", %d-%x at %d", r.ID, r.Directory, p.end)
				}
			}
		}
	}
	return out
}
