package quorum

import (
	"context"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// submission is one request to the controller. Its outcome comes exactly once.
type submission struct {
	decide  func(m *controller.Machine, now time.Time, next model.Offset) controller.Result
	outcome chan outcome
}

type outcome struct {
	response wire.Response
	err      error
}

// decision is what the controller has decided, as batches for the log.
type decision struct {
	epoch   model.Epoch
	base    model.Offset
	batches []batch.Batch
	control []wire.Message // the records, if this is a batch of control records
}

// pending are outcomes that wait for a commit, in offset order.
type pending struct {
	mu    sync.Mutex
	hw    model.Offset
	epoch model.Epoch // that this node leads; NoEpoch when what comes must fail
	queue []waiting
}

type waiting struct {
	epoch    model.Epoch  // in which it was decided
	end      model.Offset // committed when the high watermark reaches it
	response wire.Response
	outcome  chan outcome
}

// begin is a new leadership.
func (p *pending) begin(epoch model.Epoch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epoch = epoch
}

func (p *pending) add(w waiting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.epoch != w.epoch:
		w.outcome <- outcome{err: kerr.NotController}
	case w.end <= p.hw:
		w.outcome <- outcome{response: w.response}
	default:
		p.queue = append(p.queue, w)
	}
}

func (p *pending) commit(hw model.Offset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hw = hw
	n := 0
	for ; n < len(p.queue) && p.queue[n].end <= hw; n++ {
		p.queue[n].outcome <- outcome{response: p.queue[n].response}
	}
	p.queue = p.queue[n:]
	if len(p.queue) == 0 {
		p.queue = nil
	}
}

// fail tells everybody that this node does not lead any more. What they asked
// for may still be committed.
func (p *pending) fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epoch = model.NoEpoch
	for _, w := range p.queue {
		w.outcome <- outcome{err: kerr.NotController}
	}
	p.queue = nil
}

// Submit gives a request to the active controller, and waits until what was
// decided is committed. NOT_CONTROLLER when this node is not the active
// controller, or stops being it meanwhile: the request may then still take
// effect.
func (n *Node) Submit(ctx context.Context, r controller.Request) (wire.Response, error) {
	return n.submit(ctx, func(m *controller.Machine, now time.Time, next model.Offset) controller.Result {
		return m.Handle(now, next, r)
	})
}

// BrokerLost tells the active controller that a broker is known to be gone: see
// controller.Machine.Lost. It returns once that is committed.
func (n *Node) BrokerLost(ctx context.Context, id model.NodeID, epoch model.BrokerEpoch) error {
	_, err := n.submit(ctx, func(m *controller.Machine, now time.Time, next model.Offset) controller.Result {
		return m.Lost(now, next, id, epoch)
	})
	return err
}

func (n *Node) submit(ctx context.Context, decide func(*controller.Machine, time.Time, model.Offset) controller.Result) (wire.Response, error) {
	s := &submission{decide: decide, outcome: make(chan outcome, 1)}
	select {
	case n.submits <- s:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-n.done:
		return nil, kerr.NotController
	}
	select {
	case o := <-s.outcome:
		return o.response, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-n.done:
		return nil, kerr.NotController
	}
}

// activeController runs the controller.Machine. Only its goroutine touches it.
type activeController struct {
	n       *Node
	machine *controller.Machine
	epoch   model.Epoch
	next    model.Offset // where the next decision goes
	gaveUp  model.Epoch  // a leadership that this controller cannot go on with
}

// runController decides while this node leads, and refuses while it does not.
func (n *Node) runController() error {
	c := &activeController{n: n, gaveUp: model.NoEpoch}
	if n.opts.NewMachine != nil {
		c.machine = n.opts.NewMachine(func() int16 { s, _ := n.status.get(); return s.Version })
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		t, termChanged := n.term.get()
		l, loadedMore := n.loaded.get()
		if err := c.follow(t, l); err != nil {
			return err
		}
		c.arm(timer)
		if c.active() || !t.leading {
			loadedMore = nil // the image matters only before the claim
		}
		var err error
		select {
		case <-n.deaf: // until then somebody may want to be refused
			return nil
		case <-termChanged:
		case <-loadedMore:
		case p := <-n.places:
			err = c.place(p)
		case s := <-n.submits:
			err = c.handle(s)
		case <-timer.C:
			err = c.apply(c.machine.Tick(n.opts.Now(), c.next), nil)
		}
		if err != nil {
			return err
		}
	}
}

func (c *activeController) active() bool { return c.machine != nil && c.machine.Active() }

func (c *activeController) arm(timer *time.Timer) {
	if !c.active() {
		timer.Stop()
		return
	}
	d := c.machine.Deadline()
	if d.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(max(0, d.Sub(c.n.opts.Now())))
}

// follow claims a leadership once everything committed before it is folded, and
// renounces one that is over.
func (c *activeController) follow(t term, l loaded) error {
	if c.active() && (!t.leading || t.epoch != c.epoch) {
		c.machine.Renounce()
		c.n.opts.Log.Info("this controller is no longer the active one", "epoch", c.epoch)
	}
	if c.machine == nil || c.active() || !t.leading || l.end < t.next || t.epoch == c.gaveUp {
		return nil
	}
	c.epoch, c.next = t.epoch, t.next
	records, err := c.n.bootstrapRecords()
	if err != nil {
		return err
	}
	if err := c.apply(c.machine.Claim(l.image, c.n.opts.Now(), c.next, records), nil); err != nil {
		return err
	}
	if !c.active() {
		return nil
	}
	c.n.opts.Log.Info("this is the active controller", "epoch", c.epoch)
	c.n.claimed.set(c.epoch)
	return nil
}

func (c *activeController) handle(s *submission) error {
	if !c.active() {
		s.outcome <- outcome{err: kerr.NotController}
		return nil
	}
	return c.apply(s.decide(c.machine, c.n.opts.Now(), c.next), s.outcome)
}

// apply sends a decision to the log and lets its outcome wait for the commit.
// Without records it waits for all that was decided before, which it may have
// been shown.
func (c *activeController) apply(r controller.Result, to chan outcome) error {
	if r.Err != nil {
		if to != nil {
			to <- outcome{err: r.Err}
		}
		return nil
	}
	var d *decision
	if len(r.Records) > 0 {
		var err error
		if d, err = c.encode(r); err != nil {
			c.giveUp(err, to)
			return nil
		}
	}
	if to != nil {
		c.n.pending.add(waiting{epoch: c.epoch, end: c.next, response: r.Response, outcome: to})
	}
	if d == nil {
		return nil
	}
	select {
	case c.n.appends <- d:
	case <-c.n.deaf:
	}
	return nil
}

// giveUp ends a leadership in which something was decided that cannot be written:
// the draft is ahead of the log for good. Another controller, or this one in
// another epoch, begins from what is committed.
func (c *activeController) giveUp(why error, to chan outcome) {
	c.n.opts.Log.Error("a decision of this controller cannot be written; it stops leading", "epoch", c.epoch, "error", why)
	if to != nil {
		to <- outcome{err: kerr.UnknownServerError.With("the controller could not write what it decided")}
	}
	c.gaveUp = c.epoch
	c.machine.Renounce()
	c.n.post(kraft.Resign{Epoch: c.epoch})
}

// encode makes batches of a decision, one if it is atomic, and counts its
// offsets.
func (c *activeController) encode(r controller.Result) (*decision, error) {
	d := &decision{epoch: c.epoch, base: c.next}
	chunk := maxBatchRecords
	if r.Atomic {
		chunk = len(r.Records)
	}
	for rest := r.Records; len(rest) > 0; {
		var now []metadata.Versioned
		now, rest = rest[:min(chunk, len(rest))], rest[min(chunk, len(rest)):]
		b, err := dataBatch(c.next, c.epoch, c.n.opts.Now(), now)
		if err != nil {
			return nil, err
		}
		d.batches = append(d.batches, b)
		c.next = b.NextOffset()
	}
	return d, nil
}

// place gives control records their offset among the controller's own. A
// controller that has not claimed yet has none to give, and they are lost: their
// requester asks again.
func (c *activeController) place(p kraft.ProposeControl) error {
	if !c.active() || c.epoch != p.Epoch {
		return nil
	}
	b, err := controlBatch(c.next, c.epoch, c.n.opts.Now(), p.Records)
	if err != nil {
		return err
	}
	d := &decision{epoch: c.epoch, base: c.next, batches: []batch.Batch{b}, control: p.Records}
	c.next = b.NextOffset()
	select {
	case c.n.appends <- d:
	case <-c.n.deaf:
	}
	return nil
}

// bootstrapRecords are what a new cluster begins with.
func (n *Node) bootstrapRecords() ([]wire.Record, error) {
	c, err := n.files.read(snapshotBootstrap)
	if err != nil || len(c.records) > 0 {
		return c.records, err
	}
	return n.opts.Bootstrap, nil
}
