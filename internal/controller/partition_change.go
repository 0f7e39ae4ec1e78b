package controller

import (
	"slices"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// election is which leaders a change may choose.
type election int8

const (
	electOnline    election = iota // the present one, else any in-sync replica
	electPreferred                 // the first replica, else as online
	electUnclean                   // as online, else any replica that lives
)

// noLeaderChange leaves leader and leader epoch as they are.
const noLeaderChange = -2

// partitionChange turns a wish (target in-sync replicas, directories, replicas)
// into the PartitionChangeRecord that also completes a reassignment, keeps the
// eligible leader replicas (KIP-966) and elects a leader if one is needed.
type partitionChange struct {
	topic      model.TopicID
	index      int32
	now        metadata.Partition
	version    metadata.Version
	minISR     int
	elrEnabled bool
	acceptable func(model.NodeID) bool // may lead: lives, directory online
	defaultDir func(model.NodeID) model.DirectoryID

	election election
	unclean  model.NodeID // the replica whose unclean shutdown this is about, or NoNode
	isr      []model.NodeID
	replicas []model.NodeID
	removing []model.NodeID
	adding   []model.NodeID
	recovery int8
	dirs     map[model.NodeID]model.DirectoryID

	elr []model.NodeID
}

// change begins with a partition as it is.
func (m *Machine) change(t *metadata.Topic, index int32, acceptable func(model.NodeID) bool) *partitionChange {
	p := t.Partitions[index]
	c := &partitionChange{
		topic: t.ID, index: index, now: p, version: m.version(),
		minISR: m.effectiveMinISR(t), elrEnabled: m.elrEnabled(), defaultDir: m.defaultDir,
		unclean: model.NoNode, isr: p.ISR, replicas: p.Replicas, removing: p.Removing, adding: p.Adding,
		recovery: p.RecoveryState, elr: p.ELR, dirs: map[model.NodeID]model.DirectoryID{},
	}
	c.acceptable = func(id model.NodeID) bool {
		dir, isReplica := p.Directory(id)
		b := m.draft.Broker(id)
		return isReplica && b != nil && acceptable(id) && b.DirOnline(dir)
	}
	for i, id := range p.Replicas {
		c.dirs[id] = p.Directories[i]
	}
	if m.uncleanEnabled(t.Name) {
		c.election = electUnclean
	}
	return c
}

// build is the record, nil when nothing changes.
func (c *partitionChange) build() *wire.PartitionChangeRecord {
	r := &wire.PartitionChangeRecord{}
	r.Reset()
	r.TopicID, r.PartitionID = model.UUID(c.topic), c.index
	c.completeReassignment()
	c.targetELR()
	c.elect(r)
	if r.Leader == noLeaderChange && !containsAll(c.replicas, c.now.Replicas) {
		r.Leader = int32(c.now.Leader) // a replica that was removed must learn of a new epoch
	}
	c.recordELR(r)
	if r.ISR == nil && (len(c.isr) > 0 || c.elrEnabled) && !slices.Equal(c.isr, c.now.ISR) {
		r.ISR = metadata.NodeInts(c.isr)
	}
	if c.version.EpochBumpOnShrink() && r.Leader == noLeaderChange && r.ISR != nil && !containsAll(c.isr, c.now.ISR) {
		r.Leader = int32(c.now.Leader)
	}
	c.recordLastKnownLeader(r)
	c.recordAssignment(r)
	if c.recovery != c.now.RecoveryState {
		r.LeaderRecoveryState = c.recovery
	}
	if isNoOp(r) {
		return nil
	}
	return r
}

func isNoOp(r *wire.PartitionChangeRecord) bool {
	return r.ISR == nil && r.Leader == noLeaderChange && r.Replicas == nil && r.RemovingReplicas == nil && r.AddingReplicas == nil &&
		r.LeaderRecoveryState == -1 && r.Directories == nil && r.EligibleLeaderReplicas == nil && r.LastKnownELR == nil
}

// completeReassignment drops the removed replicas once all added ones are in
// sync, and, when more are removed than added, all that stay are.
func (c *partitionChange) completeReassignment() {
	if len(c.removing)+len(c.adding) == 0 {
		return
	}
	isr, replicas := without(c.isr, c.removing...), without(c.replicas, c.removing...)
	if len(isr) == 0 || len(replicas) == 0 || !containsAll(isr, c.adding) {
		return
	}
	if len(c.adding) < len(c.removing) && !containsAll(isr, replicas) {
		return
	}
	c.isr, c.replicas, c.removing, c.adding = isr, replicas, nil, nil
}

// targetELR keeps as eligible whoever leaves an in-sync set that is below the
// minimum: what was committed then is on all of them.
func (c *partitionChange) targetELR() {
	if !c.elrEnabled {
		return
	}
	if len(c.isr) >= c.minISR {
		c.elr = nil
		return
	}
	candidates := slices.Concat(c.now.ELR, c.now.ISR)
	slices.Sort(candidates)
	c.elr = without(without(slices.Compact(candidates), c.isr...), c.unclean)
}

func (c *partitionChange) elect(r *wire.PartitionChangeRecord) {
	leader, unclean := c.choose()
	if leader == c.now.Leader {
		return
	}
	if slices.Contains(c.elr, leader) {
		c.isr, c.elr = []model.NodeID{leader}, without(c.elr, leader)
	}
	r.Leader = int32(leader)
	if unclean {
		r.ISR = []int32{int32(leader)}
		if c.now.RecoveryState != metadata.Recovering {
			r.LeaderRecoveryState = metadata.Recovering
		}
	}
}

func (c *partitionChange) choose() (leader model.NodeID, unclean bool) {
	candidates := slices.Concat([]model.NodeID{c.now.Leader}, c.replicas)
	if c.election == electPreferred {
		candidates = slices.Concat(c.replicas[:1], candidates)
	}
	if i := slices.IndexFunc(candidates, c.mayLead); i >= 0 {
		return candidates[i], false
	}
	if c.lastKnownLeads() {
		return c.now.LastKnownELR[0], true
	}
	if i := slices.IndexFunc(c.replicas, c.acceptable); c.election == electUnclean && i >= 0 {
		return c.replicas[i], true
	}
	return model.NoNode, false
}

// mayLead reports whether the replica can be elected without losing anything.
func (c *partitionChange) mayLead(id model.NodeID) bool {
	return (slices.Contains(c.isr, id) || len(c.isr) == 0 && slices.Contains(c.elr, id)) && c.acceptable(id)
}

// lastKnownLeads reports whether the last leader, which stopped uncleanly, leads
// again because nobody else can: it has all that ever was acknowledged, unless
// its disk forgot.
func (c *partitionChange) lastKnownLeads() bool {
	return c.elrEnabled && len(c.elr) == 0 && len(c.isr) == 0 && len(c.now.LastKnownELR) == 1 && c.acceptable(c.now.LastKnownELR[0])
}

func (c *partitionChange) recordELR(r *wire.PartitionChangeRecord) {
	if r.ISR != nil || !c.elrEnabled { // an unclean election, or the feature is off
		c.elr = nil
	}
	if !slices.Equal(c.elr, c.now.ELR) {
		r.EligibleLeaderReplicas = metadata.NodeInts(c.elr)
	}
}

// recordLastKnownLeader remembers who led when nobody does any more.
func (c *partitionChange) recordLastKnownLeader(r *wire.PartitionChangeRecord) {
	switch {
	case !c.elrEnabled:
	case r.Leader == int32(model.NoNode) && len(c.now.LastKnownELR) == 0:
		r.LastKnownELR = []int32{int32(c.now.Leader)}
	case r.Leader >= 0 && len(c.now.LastKnownELR) > 0:
		r.LastKnownELR = []int32{}
	}
}

func (c *partitionChange) recordAssignment(r *wire.PartitionChangeRecord) {
	if c.version.Directories() {
		dirs := make([]model.UUID, len(c.replicas))
		for i, id := range c.replicas {
			dir, known := c.dirs[id]
			if !known {
				dir = c.defaultDir(id)
			}
			dirs[i] = model.UUID(dir)
		}
		if !slices.EqualFunc(dirs, c.now.Directories, func(a model.UUID, b model.DirectoryID) bool { return model.DirectoryID(a) == b }) {
			r.Directories = dirs
		}
	}
	for _, f := range []struct {
		field     *[]int32
		want, now []model.NodeID
	}{{&r.Replicas, c.replicas, c.now.Replicas}, {&r.RemovingReplicas, c.removing, c.now.Removing}, {&r.AddingReplicas, c.adding, c.now.Adding}} {
		if !slices.Equal(f.want, f.now) {
			*f.field = metadata.NodeInts(f.want)
		}
	}
}

func without(ids []model.NodeID, drop ...model.NodeID) []model.NodeID {
	var rest []model.NodeID
	for _, id := range ids {
		if !slices.Contains(drop, id) {
			rest = append(rest, id)
		}
	}
	return rest
}

func containsAll(ids, all []model.NodeID) bool {
	return !slices.ContainsFunc(all, func(id model.NodeID) bool { return !slices.Contains(ids, id) })
}
