package controller

import (
	"slices"
	"strconv"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

const (
	configMinISR   = "min.insync.replicas"
	configUnclean  = "unclean.leader.election.enable"
	configCordoned = "cordoned.log.dirs"
)

// place names a partition while its topic may change under it.
type place struct {
	topic model.TopicID
	index int32
}

// where are the partitions for which a condition holds, found before any changes.
func (m *Machine) where(holds func(*metadata.Partition) bool) []place {
	var all []place
	for t := range m.draft.Topics() {
		for i := range t.Partitions {
			if len(t.Partitions[i].Replicas) > 0 && holds(&t.Partitions[i]) {
				all = append(all, place{t.ID, int32(i)})
			}
		}
	}
	return all
}

func inISR(id model.NodeID) func(*metadata.Partition) bool {
	return func(p *metadata.Partition) bool { return slices.Contains(p.ISR, id) || p.Leader == id }
}

func inELR(id model.NodeID) func(*metadata.Partition) bool {
	return func(p *metadata.Partition) bool { return slices.Contains(p.ELR, id) }
}

func leaderless(p *metadata.Partition) bool { return !p.HasLeader() }

// event is what happened to one broker, as far as leaders and in-sync sets care.
type event struct {
	gone    model.NodeID // leaves in-sync sets and may not lead
	back    model.NodeID // may lead, whatever its registration says
	unclean model.NodeID // lost what it had: as gone, and no longer eligible
}

func goneBroker(id model.NodeID) event {
	return event{gone: id, back: model.NoNode, unclean: model.NoNode}
}

// update changes leaders and in-sync sets of the partitions after an event.
func (m *Machine) update(e event, places []place) {
	acceptable := func(id model.NodeID) bool {
		return id != e.gone && id != e.unclean && (id == e.back || m.active(id))
	}
	for _, at := range places {
		t := m.draft.TopicByID(at.topic)
		assert.That(t != nil && int(at.index) < len(t.Partitions), "partition %v-%d vanished during its own change", at.topic, at.index)
		c := m.change(t, at.index, acceptable)
		c.unclean = e.unclean
		c.isr = without(c.isr, e.gone, e.unclean)
		if r := c.build(); r != nil {
			m.emit(r)
		}
	}
}

func (m *Machine) active(id model.NodeID) bool {
	b := m.draft.Broker(id)
	return b != nil && b.Active()
}

// fence takes leaderships and in-sync membership from a broker, then fences it.
func (m *Machine) fence(b *metadata.Broker) {
	m.update(goneBroker(b.ID), m.where(inISR(b.ID)))
	m.emit(&wire.BrokerRegistrationChangeRecord{BrokerID: int32(b.ID), BrokerEpoch: int64(b.Epoch), Fenced: 1})
	m.session(b).shutdownOffset = -1
}

// unfence lets a broker in, and lets it lead what nobody leads.
func (m *Machine) unfence(b *metadata.Broker) {
	m.emit(&wire.BrokerRegistrationChangeRecord{BrokerID: int32(b.ID), BrokerEpoch: int64(b.Epoch), Fenced: -1})
	m.update(event{gone: model.NoNode, back: b.ID, unclean: model.NoNode}, m.where(leaderless))
}

// shutDown begins or continues a controlled shutdown.
func (m *Machine) shutDown(b *metadata.Broker) {
	if !b.InControlledShutdown {
		m.emit(&wire.BrokerRegistrationChangeRecord{BrokerID: int32(b.ID), BrokerEpoch: int64(b.Epoch), InControlledShutdown: 1})
	}
	m.update(goneBroker(b.ID), m.where(inISR(b.ID)))
}

// buryIncarnation cleans up after the broker's former life. One that shut down
// cleanly, or recovered completely, keeps its place as an eligible leader.
func (m *Machine) buryIncarnation(id model.NodeID, clean bool) {
	if clean || !m.elrEnabled() {
		m.update(goneBroker(id), m.where(inISR(id)))
		return
	}
	e := event{gone: model.NoNode, back: model.NoNode, unclean: id}
	m.update(e, m.where(inISR(id)))
	m.update(e, m.where(inELR(id)))
}

// effectiveMinISR is min.insync.replicas, which no topic can miss by having
// fewer replicas.
func (m *Machine) effectiveMinISR(t *metadata.Topic) int {
	n, err := strconv.Atoi(m.topicConfig(t.Name, configMinISR))
	if err != nil {
		n = m.cfg.MinISR // a value that was never validated: take the static one
	}
	return min(n, len(t.Partitions[0].Replicas))
}

func (m *Machine) uncleanEnabled(topic string) bool {
	return m.topicConfig(topic, configUnclean) == "true"
}

// defaultDir is the directory of a new replica: the broker's only one, else the
// broker chooses.
func (m *Machine) defaultDir(id model.NodeID) model.DirectoryID {
	b := m.draft.Broker(id)
	switch {
	case b == nil:
		return model.DirectoryUnassigned
	case len(b.LogDirs) == 0:
		return model.DirectoryMigrating
	case len(b.LogDirs) == 1:
		return b.LogDirs[0]
	}
	return model.DirectoryUnassigned
}

// electPreferred moves leaders back to first replicas; it reports whether there
// may be more to do.
func (m *Machine) electPreferred() (full bool) {
	return m.electAll(electPreferred, m.where(func(p *metadata.Partition) bool { return p.Leader != p.Replicas[0] }))
}

// electUnclean gives leaders to leaderless partitions of topics that allow it.
func (m *Machine) electUnclean() (full bool) {
	return m.electAll(electUnclean, m.where(leaderless))
}

func (m *Machine) electAll(how election, places []place) (full bool) {
	for _, at := range places {
		if len(m.out) >= maxElections {
			return true
		}
		t := m.draft.TopicByID(at.topic)
		if how == electUnclean && !m.uncleanEnabled(t.Name) {
			continue
		}
		c := m.change(t, at.index, m.active)
		c.election = how
		if r := c.build(); r != nil {
			m.emit(r)
		}
	}
	return false
}
