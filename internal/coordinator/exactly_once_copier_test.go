package coordinator_test

import (
	"fmt"
	"slices"

	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// copier is one life of a member and producer. It does one thing at a time and
// waits for the answer.
type copier struct {
	*simulation
	id     string
	busy   bool
	gone   bool
	awake  int // the step until which it is paused
	member string

	producer   *machine.Producer
	generation int32 // or member epoch; 0 is not joined
	owned      []int32
	assigned   []int32         // by KIP-848, to be adopted between two transactions
	positions  map[int32]int64 // nil when not known
	again      bool            // a rebalance has begun
	all        []string        // members, for the leader of a classic generation
	synced     bool

	open *copying
}

// copying is a transaction: of some records of one partition.
type copying struct {
	from     int32
	first    int64
	count    int
	written  int
	saved    bool // its offsets are
	ending   bool
	commit   bool
	attempts int
}

// spawn begins a life. Those before it with that transactional id do not know.
func (w *simulation) spawn(id string) {
	w.copiers = append(w.copiers, &copier{simulation: w, id: id})
	if len(w.copiers) > 7 {
		w.copiers = w.copiers[1:]
	}
}

func (c *copier) act() {
	switch {
	case c.busy || c.awake > c.steps:
	case c.gone:
		c.copiers = slices.DeleteFunc(c.copiers, func(o *copier) bool { return o == c })
		c.spawn(c.id)
	case c.chance(1) && c.chance(50):
		c.happened["paused"]++
		c.awake = c.steps + 20 + c.IntN(1200)
	case c.producer == nil:
		c.init()
	case c.open != nil && c.open.ending:
		c.end()
	case c.open == nil && (c.generation == 0 || c.again):
		c.join()
	case !c.modern && !c.synced:
		c.sync()
	case c.chance(10) || len(c.owned) == 0:
		c.beat()
	case c.positions == nil:
		c.fetch()
	case c.open == nil:
		p := c.owned[c.IntN(len(c.owned))]
		c.open = &copying{from: p, first: c.positions[p], count: 1 + c.IntN(3)}
	case c.chance(3):
		c.abort()
	case c.open.written < c.open.count:
		c.write()
	case !c.open.saved:
		c.save()
	default:
		c.open.ending, c.open.commit = true, true
	}
}

func (c *copier) abort() {
	c.open.ending, c.open.commit = true, false
}

// failed is what a producer makes of an error in its transaction.
func (c *copier) failed(err error) {
	switch {
	case fatal(err):
		c.happened["fenced producer"]++
		c.gone = true
	case c.open != nil:
		c.abort()
	}
}

func (c *copier) init() {
	c.busy = true
	c.txns.call(txn.InitProducerID{TransactionalID: c.id, TimeoutMS: 5000}, func(response any, err error) {
		c.busy = false
		if err == nil {
			r := response.(txn.InitProducerIDReply)
			if err = r.Err; err == nil {
				c.producer = &r.Producer
			}
		}
	})
}

func (c *copier) request(body any) group.Request {
	return group.Request{Version: 9, ClientID: c.id, ClientHost: "/h", Body: body}
}

// left begins membership anew.
func (c *copier) left() {
	c.happened["fenced member"]++
	c.member, c.generation, c.synced, c.owned, c.positions = "", 0, false, nil, nil
}

func (c *copier) join() {
	if c.modern {
		c.beat()
		return
	}
	if c.again {
		c.happened["rejoined"]++
	}
	c.generation, c.synced, c.owned, c.positions, c.again = 0, false, nil, nil, false
	q := &wire.JoinGroupRequest{GroupID: theGroup, MemberID: c.member, ProtocolType: "consumer", SessionTimeoutMS: 20_000, RebalanceTimeoutMS: 4000,
		Protocols: []wire.JoinGroupRequestProtocol{{Name: "range"}}}
	c.busy = true
	c.groups.call(c.request(q), func(response any, err error) {
		c.busy = false
		if err != nil {
			return
		}
		switch r := response.(*wire.JoinGroupResponse); r.ErrorCode {
		case 0:
			c.member, c.generation, c.all = r.MemberID, r.GenerationID, nil
			if r.Leader == r.MemberID {
				for _, m := range r.Members {
					c.all = append(c.all, m.MemberID)
				}
			}
		case kerr.MemberIDRequired.Code:
			c.member = r.MemberID
		case kerr.UnknownMemberID.Code:
			c.left()
		}
	})
}

func (c *copier) sync() {
	q := &wire.SyncGroupRequest{GroupID: theGroup, GenerationID: c.generation, MemberID: c.member}
	for i, id := range c.all {
		var assignment []byte
		for p := range byte(sources) {
			if int(p)%len(c.all) == i {
				assignment = append(assignment, p)
			}
		}
		q.Assignments = append(q.Assignments, wire.SyncGroupRequestAssignment{MemberID: id, Assignment: assignment})
	}
	c.busy = true
	c.groups.call(c.request(q), func(response any, err error) {
		c.busy = false
		if err != nil {
			return
		}
		r := response.(*wire.SyncGroupResponse)
		if c.membership(r.ErrorCode); r.ErrorCode == 0 {
			c.synced, c.owned = true, nil
			for _, p := range r.Assignment {
				c.owned = append(c.owned, int32(p))
			}
		}
	})
}

// membership is what a classic member makes of an error.
func (c *copier) membership(code int16) {
	switch code {
	case kerr.RebalanceInProgress.Code, kerr.IllegalGeneration.Code:
		c.again = true
	case kerr.UnknownMemberID.Code:
		c.left()
	}
}

func (c *copier) beat() {
	if c.modern {
		c.beatModern()
		return
	}
	c.busy = true
	c.groups.call(c.request(&wire.HeartbeatRequest{GroupID: theGroup, MemberID: c.member, GenerationID: c.generation}), func(response any, err error) {
		c.busy = false
		if err == nil {
			c.membership(response.(*wire.HeartbeatResponse).ErrorCode)
		}
	})
}

// beatModern says everything each time. What is taken away is given up between two
// transactions only.
func (c *copier) beatModern() {
	if c.open == nil && c.assigned != nil && !slices.Equal(c.assigned, c.owned) {
		c.happened["rejoined"]++
		c.owned, c.positions = c.assigned, nil
	}
	if c.generation == 0 {
		c.members++
		c.member, c.owned, c.assigned, c.positions = fmt.Sprintf("modern%d", c.members), nil, nil, nil
	}
	q := &wire.ConsumerGroupHeartbeatRequest{GroupID: theGroup, MemberID: c.member, MemberEpoch: c.generation, RebalanceTimeoutMS: 4000,
		SubscribedTopicNames: []string{source}, TopicPartitions: []wire.ConsumerGroupHeartbeatTopicPartitions{}}
	if len(c.owned) > 0 {
		q.TopicPartitions = []wire.ConsumerGroupHeartbeatTopicPartitions{{TopicID: model.UUID{15: 7}, Partitions: c.owned}}
	}
	c.busy = true
	c.groups.call(c.request(q), func(response any, err error) {
		c.busy = false
		if err != nil {
			return
		}
		r := response.(*wire.ConsumerGroupHeartbeatResponse)
		if r.ErrorCode != 0 {
			c.left()
			c.assigned = nil
			return
		}
		c.generation = r.MemberEpoch
		if r.Assignment != nil {
			c.assigned = []int32{}
			for _, t := range r.Assignment.TopicPartitions {
				c.assigned = append(c.assigned, t.Partitions...)
			}
		}
	})
}

func (c *copier) fetch() {
	c.busy = true
	c.groups.call(fetchOffsets(), func(response any, err error) {
		c.busy = false
		if err != nil {
			return
		}
		positions, err := committedIn(response.(*wire.OffsetFetchResponseGroup))
		if err != nil {
			c.happened["unstable"]++
			return
		}
		c.positions = positions
	})
}

func (c *copier) write() {
	o := c.open
	at := model.Partition{Topic: "out", Index: int32(c.IntN(outputs))}
	out, id, epoch := c.outputs[at.Index], c.producer.ID, c.producer.Epoch
	in := input{o.from, o.first + int64(o.written)}
	write := func() error {
		p := out.writer(id)
		if p.known && p.epoch > epoch {
			return kerr.ProducerFenced
		}
		p.known, p.epoch, p.open = true, epoch, append(p.open, in)
		return nil
	}
	c.busy = true
	c.verified(c, at, func() writer { return *out.writer(id) }, func() {
		c.busy = false
		if err := write(); err != nil {
			c.failed(err)
			return
		}
		o.written++
	}, func(err error) {
		c.busy = false
		c.failed(err)
	})
}

// save commits the offset in the transaction, as a member of its generation.
func (c *copier) save() {
	o := c.open
	q := &wire.TxnOffsetCommitRequest{TransactionalID: c.id, GroupID: theGroup, ProducerID: int64(c.producer.ID), ProducerEpoch: c.producer.Epoch,
		MemberID: c.member, GenerationID: c.generation, Topics: []wire.TxnOffsetCommitRequestTopic{{Name: source, Partitions: []wire.TxnOffsetCommitRequestPartition{
			{PartitionIndex: o.from, CommittedOffset: o.first + int64(o.count), CommittedLeaderEpoch: -1}}}}}
	c.busy = true
	failed := func(err error) {
		c.busy = false
		c.failed(err)
	}
	c.verified(c, offsetsPartition, func() writer { return c.groups.writer(model.ProducerID(q.ProducerID)) }, func() {
		c.groups.call(c.request(q), func(response any, err error) {
			if err == nil {
				err = kerr.FromCode(response.(*wire.TxnOffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
			}
			switch kerr.Code(err) {
			case 0:
				c.busy, o.saved = false, true
				return
			case kerr.IllegalGeneration.Code:
				c.again = !c.modern
			case kerr.UnknownMemberID.Code, kerr.FencedMemberEpoch.Code:
				c.left()
			}
			failed(err)
		})
	}, failed)
}

// end asks for the outcome until it is told.
func (c *copier) end() {
	o := c.open
	if o.written == 0 && o.attempts == 0 && !o.commit && c.chance(50) { // perhaps nothing was begun
		c.producer, c.open, c.positions = nil, nil, nil
		return
	}
	o.attempts++
	request := txn.EndTxn{TransactionalID: c.id, Producer: *c.producer, Commit: o.commit, Client: transactional}
	if c.chance(10) {
		c.late = append(c.late, func() { c.txns.call(request, func(any, error) {}) })
	}
	c.busy = true
	c.txns.call(request, func(response any, err error) {
		c.busy = false
		if err != nil {
			return // asked again
		}
		r := response.(txn.EndTxnReply)
		switch {
		case r.Err == nil:
		case fatal(r.Err):
			c.failed(r.Err)
			return
		default:
			return
		}
		c.producer, c.open = &r.Producer, nil
		if o.commit && c.positions != nil {
			c.positions[o.from] = o.first + int64(o.count)
		}
		if !o.commit {
			c.happened["aborted"]++
		}
		if !o.commit || c.chance(20) { // it reads on from where the group says
			c.positions = nil
		}
	})
}
