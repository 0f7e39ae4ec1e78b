package controller

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// usableBroker is a broker on which replicas may be placed. One without a rack
// is in the rack of all those without.
type usableBroker struct {
	id      model.NodeID
	rack    string
	hasRack bool
	fenced  bool
}

// ring gives its brokers in turn, beginning one further with every partition.
type ring struct {
	brokers       []model.NodeID
	index, offset int
	epoch         int
}

func (r *ring) start(rng *rand.Rand) {
	if len(r.brokers) > 0 {
		slices.Sort(r.brokers)
		r.offset = rng.IntN(len(r.brokers))
	}
}

func (r *ring) shuffle(rng *rand.Rand) {
	rng.Shuffle(len(r.brokers), func(i, j int) { r.brokers[i], r.brokers[j] = r.brokers[j], r.brokers[i] })
}

// next is the next broker for the partition of this epoch, NoNode when all had
// their turn.
func (r *ring) next(epoch int) model.NodeID {
	if len(r.brokers) == 0 {
		return model.NoNode
	}
	if r.epoch != epoch {
		r.epoch, r.index = epoch, 0
		r.offset = (r.offset + 1) % len(r.brokers)
	}
	if r.index >= len(r.brokers) {
		return model.NoNode
	}
	id := r.brokers[(r.index+r.offset)%len(r.brokers)]
	r.index++
	return id
}

type rack struct {
	name             string
	named            bool
	unfenced, fenced ring
}

func (r *rack) next(epoch int) model.NodeID {
	if id := r.unfenced.next(epoch); id != model.NoNode {
		return id
	}
	return r.fenced.next(epoch)
}

// placer spreads replicas over racks and brokers as Kafka's striped placer does:
// the leader on an unfenced broker of the next rack, the other replicas one rack
// after another, unfenced brokers first. The order of racks and brokers is mixed
// again once every unfenced broker has led a partition, so that replicas of
// successive partitions do not always share the same brokers.
type placer struct {
	rng             *rand.Rand
	racks           []*rack
	total, unfenced int
	epoch           int // counts partitions; what a ring gave in another epoch does not matter
	offset          int // the rack that leads next
}

func newPlacer(rng *rand.Rand, brokers []usableBroker) *placer {
	p := &placer{rng: rng, total: len(brokers)}
	for _, b := range brokers {
		r := p.rack(b)
		if b.fenced {
			r.fenced.brokers = append(r.fenced.brokers, b.id)
		} else {
			r.unfenced.brokers = append(r.unfenced.brokers, b.id)
			p.unfenced++
		}
	}
	slices.SortFunc(p.racks, func(a, b *rack) int {
		if a.named != b.named {
			return map[bool]int{false: -1, true: 1}[a.named]
		}
		return cmp.Compare(a.name, b.name)
	})
	for _, r := range p.racks {
		r.unfenced.start(rng)
		r.fenced.start(rng)
	}
	if len(p.racks) > 0 {
		p.offset = rng.IntN(len(p.racks))
	}
	return p
}

func (p *placer) rack(b usableBroker) *rack {
	for _, r := range p.racks {
		if r.name == b.rack && r.named == b.hasRack {
			return r
		}
	}
	r := &rack{name: b.rack, named: b.hasRack}
	p.racks = append(p.racks, r)
	return r
}

// check refuses what place could not do.
func (p *placer) check(replicas int) error {
	switch {
	case replicas <= 0:
		return kerr.InvalidReplicationFactor.With("Invalid replication factor %d: the replication factor must be positive.", replicas)
	case p.unfenced == 0:
		return kerr.InvalidReplicationFactor.With("All brokers are currently fenced, or have all their log directories cordoned.")
	case replicas > p.total:
		return kerr.InvalidReplicationFactor.With("The target replication factor of %d cannot be reached because only %d broker(s) "+
			"are registered or some brokers have all their log directories cordoned.", replicas, p.total)
	}
	return nil
}

// place is the replicas of the next partition; check has allowed their number,
// and every broker has its turn once in an epoch, so that as many are found.
func (p *placer) place(replicas int) []model.NodeID {
	if p.epoch > 0 && p.epoch%p.unfenced == 0 && p.unfenced > 1 {
		p.shuffle()
	}
	if p.offset == len(p.racks) {
		p.offset = 0
	}
	leader, first := p.leader()
	placed := append(make([]model.NodeID, 0, replicas), leader)
	at := p.offset
	for len(placed) < replicas {
		id := model.NoNode
		if at == first {
			first = -1 // the leader's rack has had its turn
		} else {
			id = p.racks[at].next(p.epoch)
		}
		at = (at + 1) % len(p.racks)
		if id != model.NoNode {
			placed = append(placed, id)
		}
	}
	p.epoch++
	p.offset++
	return placed
}

// leader is an unfenced broker of the first rack from the offset on that has one.
func (p *placer) leader() (id model.NodeID, at int) {
	for at = p.offset; ; at = (at + 1) % len(p.racks) {
		if id = p.racks[at].unfenced.next(p.epoch); id != model.NoNode {
			return id, at
		}
	}
}

func (p *placer) shuffle() {
	p.rng.Shuffle(len(p.racks), func(i, j int) { p.racks[i], p.racks[j] = p.racks[j], p.racks[i] })
	for _, r := range p.racks {
		r.unfenced.shuffle(p.rng)
		r.fenced.shuffle(p.rng)
	}
}

// usable are the brokers on which replicas may be placed, in id order.
func (m *Machine) usable() []usableBroker {
	var all []usableBroker
	for b := range m.draft.Brokers() {
		if m.shuttingDown(b) || !b.HasUncordonedDirs() {
			continue
		}
		u := usableBroker{id: b.ID, fenced: b.Fenced}
		if b.Rack != nil {
			u.rack, u.hasRack = *b.Rack, true
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b usableBroker) int { return cmp.Compare(a.id, b.id) })
	return all
}
