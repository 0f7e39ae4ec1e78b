package txn

import (
	"errors"
	"slices"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// client is one life of a producer with a transactional id. It does one thing at
// a time and waits for the answer.
type client struct {
	id       string
	version  int16
	producer *machine.Producer
	since    int // the step at which it was told its producer
	busy     bool
	gone     bool
	attempt  *attempt
	on       []model.Partition // that are in the transaction, as it was told
	ending   *bool
}

// spawn starts a life of a producer; those before it become zombies without
// knowing.
func (s *simulation) spawn(id string) {
	version := int16(0)
	if s.level >= 2 && s.chance(75) {
		version = 2
	}
	s.clients = append(s.clients, &client{id: id, version: version})
	if len(s.clients) > 14 {
		s.clients = s.clients[1:]
	}
}

func (c *client) act(s *simulation) {
	switch {
	case c.busy || c.gone:
	case c.producer == nil:
		c.init(s, nil)
	case c.ending != nil:
		c.end(s)
	case c.attempt == nil:
		c.attempt = &attempt{number: len(s.attempts) + 1, id: c.id}
		s.attempts = append(s.attempts, c.attempt)
		c.on = nil
	case s.chance(25):
		commit := s.chance(60)
		c.ending = &commit
	case s.chance(3): // an error of its own, after which it goes on
		c.init(s, c.producer)
	default:
		c.write(s)
	}
}

func (c *client) init(s *simulation, expected *machine.Producer) {
	c.busy = true
	s.call(InitProducerID{TransactionalID: c.id, TimeoutMS: 3000, Expected: expected}, func(response any) {
		c.busy = false
		r, ok := response.(InitProducerIDReply)
		if !ok || r.Err != nil {
			c.fatal(s, r.Err)
			return
		}
		c.producer, c.since = &r.Producer, s.steps
		c.attempt, c.ending = nil, nil // aborted, if it was open
		s.inits = append(s.inits, initialised{c.id, c, s.steps})
	})
}

// fatal ends a client that is fenced.
func (c *client) fatal(s *simulation, err error) {
	for _, fatal := range []error{kerr.ProducerFenced, kerr.InvalidProducerIDMapping, kerr.InvalidTxnState} {
		if errors.Is(err, fatal) {
			s.fenced++
			c.gone = true
		}
	}
}

// write writes a record to a partition, which first becomes part of the
// transaction: by the client under version 1, by the partition under version 2.
func (c *client) write(s *simulation) {
	at := model.Partition{Topic: "t", Index: int32(s.IntN(len(s.data)))}
	if c.version < 2 && !slices.Contains(c.on, at) {
		c.busy = true
		s.call(AddPartitions{TransactionalID: c.id, Producer: *c.producer, Partitions: []model.Partition{at}}, func(response any) {
			c.busy = false
			r, ok := response.(AddPartitionsReply)
			if c.fatal(s, r.Err); ok && r.Err == nil {
				c.on = append(c.on, at)
			}
		})
		return
	}
	if s.chance(5) { // it arrives when the client has long given up
		c.writeLate(s, at)
		return
	}
	c.busy = true
	s.append(c, *c.producer, c.attempt, at, func(err error) {
		c.busy = false
		if c.fatal(s, err); err != nil {
			abort := false
			c.ending = &abort
		}
	})
}

// writeLate gives up on a record that arrives later. Under version 1 such a record
// becomes part of the producer's next transaction if that has the partition: a
// hole in the protocol that only version 2 closes, and not simulated.
func (c *client) writeLate(s *simulation, at model.Partition) {
	p, a := *c.producer, c.attempt
	s.late = append(s.late, func() {
		if t := s.txns[c.id]; c.version >= 2 || t == nil || c.attempt == a || !contains(t.partitions, at) {
			s.append(c, p, a, at, func(error) {})
		}
	})
	abort := false
	c.ending = &abort
}

// append is Produce at a partition: what it does not know to be in the
// transaction it asks the coordinator about.
func (s *simulation) append(c *client, p machine.Producer, a *attempt, at model.Partition, answered func(error)) {
	d := s.data[at]
	known := d.producers[p.ID]
	if known != nil && known.epoch > p.Epoch {
		answered(kerr.ProducerFenced)
		return
	}
	write := func() {
		known := d.producers[p.ID]
		if known == nil {
			known = &producer{}
			d.producers[p.ID] = known
		}
		switch {
		case known.epoch > p.Epoch:
			answered(kerr.ProducerFenced)
			return
		case known.open != nil && known.epoch != p.Epoch:
			s.t.Fatalf("step %d: %s: producer %d goes on with epoch %d in a transaction of %d", s.steps, at, p.ID, p.Epoch, known.epoch)
		}
		known.epoch, known.open = p.Epoch, append(known.open, a)
		answered(nil)
	}
	if known != nil && known.open != nil && known.epoch == p.Epoch {
		write()
		return
	}
	var request any = VerifyPartitions{TransactionalID: c.id, Producer: p, Partitions: []model.Partition{at}}
	if c.version >= 2 {
		request = AddPartitions{TransactionalID: c.id, Producer: p, Partitions: []model.Partition{at}, Client: 2}
	}
	guard := guard(known)
	s.call(request, func(response any) {
		var err error
		switch r := response.(type) {
		case AddPartitionsReply:
			err = r.Err
		case VerifyPartitionsReply:
			if err = r.Err; len(r.Missing) > 0 {
				err = kerr.TransactionAbortable
			}
		case error:
			err = r
		}
		if err == nil && d.guard(p.ID) != guard {
			err = kerr.InvalidTxnState // a marker came in between
		}
		if err != nil {
			answered(err)
			return
		}
		write()
	})
}

// guard is what a marker in between changes (KIP-890's verification guard).
func guard(p *producer) guarded {
	if p == nil {
		return guarded{}
	}
	return guarded{true, p.epoch, p.coordinator, p.marks}
}

func (d *data) guard(id model.ProducerID) guarded { return guard(d.producers[id]) }

type guarded struct {
	known       bool
	epoch       int16
	coordinator int32
	marks       int
}

func (c *client) end(s *simulation) {
	a, commit, p := c.attempt, *c.ending, *c.producer
	if a.endSent == 0 {
		a.endSent = s.steps
	}
	request := EndTxn{TransactionalID: c.id, Producer: p, Commit: commit, Client: c.version}
	if c.version >= 2 && s.chance(10) { // comes again much later
		s.late = append(s.late, func() { s.call(request, func(any) {}) })
	}
	c.busy = true
	s.call(request, func(response any) {
		c.busy = false
		r, ok := response.(EndTxnReply)
		if c.fatal(s, r.Err); !ok || r.Err != nil {
			return // to be tried again, unless it is fatal
		}
		if commit {
			s.checkZombie(c, a)
		}
		a.told = &commit
		s.told[commit]++
		if c.version >= 2 {
			c.producer = &r.Producer
		}
		c.attempt, c.ending = nil, nil
	})
}

// checkZombie: nobody commits what it began to commit after its successor was
// told a producer.
func (s *simulation) checkZombie(c *client, a *attempt) {
	for _, i := range s.inits {
		if i.id == c.id && i.client != c && i.step > c.since && i.step < a.endSent {
			s.t.Errorf("step %d: attempt %d of %s commits at %d, its successor began at %d", s.steps, a.number, c.id, a.endSent, i.step)
		}
	}
}
