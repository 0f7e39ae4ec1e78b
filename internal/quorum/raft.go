package quorum

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/model"
)

// event is something for the machine, from another goroutine.
type event = kraft.Event

// term is this node's leadership: the epoch it leads, or led last.
type term struct {
	leading bool
	epoch   model.Epoch
	start   model.Offset // of the epoch
	next    model.Offset // behind the epoch's control records
}

// handover is how long a leader that is to stop waits for the next one, as in
// Apache Kafka.
const handover = 5 * time.Second

// HandOver gives up leading for good, and returns once another controller leads,
// none is needed, ctx is done or too much time has gone by. The node goes on
// serving the others until Run ends.
func (n *Node) HandOver(ctx context.Context) {
	n.leave.Do(func() { close(n.leaving) })
	n.post(kraft.Shutdown{})
	select {
	case <-n.over:
	case <-n.deaf:
	case <-ctx.Done():
	}
}

// runRaft owns the machine and the log. When ctx is done it hands a leadership
// over before it ends.
func (n *Node) runRaft(ctx context.Context) error {
	defer close(n.deaf)
	defer context.AfterFunc(ctx, func() { n.leave.Do(func() { close(n.leaving) }) })()
	err := n.raftLoop(ctx)
	if errors.Is(err, errLeft) {
		n.opts.Log.Warn("stopping", "err", err)
		return nil
	}
	return err
}

func (n *Node) raftLoop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	stopping := ctx.Done()
	var stop stopped
	ctx, stopCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCalls()
	if err := n.do(ctx, n.first); err != nil {
		return err
	}
	for {
		if n.isOver(&stop) && stopping == nil {
			return nil
		}
		n.arm(timer)
		var err error
		select {
		case <-stopping:
			stopping = nil
			stop.begin()
			err = n.step(ctx, kraft.Shutdown{})
		case <-stop.patience:
			n.opts.Log.Warn("no other controller has taken over", "waited", handover)
			stop.late = true
		case e := <-n.events:
			if _, ok := e.(kraft.Shutdown); ok {
				stop.begin()
			}
			err = n.step(ctx, e)
		case d := <-n.appends:
			err = n.appendAll(ctx, d)
		case s := <-n.synced:
			if err = s.err; err == nil {
				err = n.step(ctx, kraft.Synced{End: s.end})
			}
		case <-timer.C:
			err = n.step(ctx, kraft.Tick{})
		}
		if err != nil {
			return err
		}
	}
}

// stopped is how far handing over has come.
type stopped struct {
	patience <-chan time.Time // nil before it has begun
	late     bool
	told     bool
}

func (s *stopped) begin() {
	if s.patience == nil {
		s.patience = time.After(handover)
	}
}

// isOver tells, once handing over has begun, whether it has ended.
func (n *Node) isOver(s *stopped) bool {
	if s.patience == nil || (!s.late && !n.machine.Stopped()) {
		return false
	}
	if !s.told {
		s.told = true
		close(n.over)
	}
	return true
}

// arm sets the timer to the machine's deadline; an idle replica has none.
func (n *Node) arm(timer *time.Timer) {
	d := n.machine.Deadline()
	if d.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(max(0, d.Sub(n.opts.Now())))
}

func (n *Node) step(ctx context.Context, e kraft.Event) error {
	return n.do(ctx, n.machine.Step(n.opts.Now(), e))
}

// do carries out effects in order. An effect that is answered by an event
// brings more, which come behind.
func (n *Node) do(ctx context.Context, effects []kraft.Effect) error {
	for len(effects) > 0 {
		e := effects[0]
		effects = effects[1:]
		answer, err := n.effect(ctx, e)
		if err != nil {
			return err
		}
		if answer != nil {
			effects = append(effects, n.machine.Step(n.opts.Now(), answer)...)
			n.votersChanged(answer)
		}
	}
	return nil
}

func (n *Node) effect(ctx context.Context, e kraft.Effect) (kraft.Event, error) {
	switch e := e.(type) {
	case kraft.Persist:
		return nil, n.untilRoom(func() error { return writeElection(n.opts.FS, n.log.dir, e.Election) })
	case kraft.AppendControl:
		return nil, n.appendControl(e)
	case kraft.ProposeControl:
		select {
		case n.places <- e:
		default: // one is under way; who asked for this one hears of no success
		}
	case kraft.AppendFetched:
		return n.appendFetched(e)
	case kraft.Truncate:
		n.opts.Log.Info("truncating the metadata log to where it agrees with the leader's", "end", e.End)
		return nil, n.log.truncate(e.End)
	case kraft.Sync:
		n.calls.Go(func() { n.synced <- syncDone{e.End, n.log.syncTo(e.End)} })
	case kraft.WriteSnapshot:
		return nil, n.untilRoom(func() error { return n.files.write(e.Snapshot, e.Position, e.Bytes) })
	case kraft.InstallSnapshot:
		return n.install(e.Snapshot)
	case kraft.Send:
		n.calls.Go(func() { n.call(ctx, e) })
	case kraft.Reply, kraft.ServeLog, kraft.ServeSnapshot:
		n.answers.give(e)
	case kraft.Changed:
		n.roleChanged(e)
	case kraft.HighWatermark:
		n.pending.commit(e.Offset)
		n.commits.set(e.Offset)
	case kraft.Halt:
		return nil, fmt.Errorf("metadata quorum: %s", e.Reason)
	}
	return nil, nil
}

func (n *Node) appendControl(e kraft.AppendControl) error {
	b, err := controlBatch(e.Offset, e.Epoch, n.opts.Now(), e.Records)
	if err != nil {
		return err
	}
	return n.append(b)
}

// append writes batches once there is room for them.
func (n *Node) append(batches []byte) error {
	return n.untilRoom(func() error {
		left, err := n.log.behind(batches)
		if err != nil || len(left) == 0 {
			return err
		}
		return n.log.append(left)
	})
}

// appendAll appends what the controller has decided, and what it decides
// meanwhile in the same go. The machine asks for a sync if none is under way; else
// the next is for this too.
func (n *Node) appendAll(ctx context.Context, d *decision) error {
	appended := false
	for {
		ok, err := n.appendDecision(ctx, d)
		if err != nil {
			return err
		}
		appended = appended || ok
		select {
		case d = <-n.appends:
			continue
		default:
		}
		break
	}
	if !appended {
		return nil
	}
	return n.step(ctx, kraft.Appended{End: n.log.end()})
}

// syncDone is how a sync of the log up to end went.
type syncDone struct {
	end model.Offset
	err error
}

// appendDecision drops what was decided in an epoch that this node does not lead
// any more; its requesters have been told already. Control records, which are rare,
// it syncs itself: see kraft.ControlAppended.
func (n *Node) appendDecision(ctx context.Context, d *decision) (bool, error) {
	s := n.machine.Status()
	if s.Role != kraft.Leader || s.Epoch != d.epoch {
		return false, nil
	}
	if d.base != n.log.end() {
		return false, fmt.Errorf("the controller decided for offset %d, the metadata log ends at %d", d.base, n.log.end())
	}
	for _, b := range d.batches {
		if err := n.append(b); err != nil {
			return false, err
		}
	}
	if d.control != nil {
		if err := n.log.sync(); err != nil {
			return false, err
		}
		return true, n.step(ctx, kraft.ControlAppended{Epoch: d.epoch, Offset: d.base, Records: d.control, End: n.log.end()})
	}
	return true, nil
}

// votersChanged tells of a voter set or kraft.version that came with the log.
func (n *Node) votersChanged(e kraft.Event) {
	fetched, _ := e.(kraft.Fetched)
	if _, installed := e.(kraft.Installed); installed || len(fetched.Controls) > 0 {
		n.status.set(n.machine.Status())
	}
}

func (n *Node) appendFetched(e kraft.AppendFetched) (kraft.Event, error) {
	good, epochs, controls, err := n.log.follow(e.Records.Bytes())
	if err != nil {
		n.opts.Log.Warn("dropped a part of what the leader sent of the metadata log", "err", err)
	}
	if len(good) > 0 {
		if err := n.append(good); err != nil {
			return nil, err
		}
	}
	return kraft.Fetched{End: n.log.end(), Epochs: epochs, Controls: controls}, nil
}

// install makes a fetched snapshot the whole of this replica.
func (n *Node) install(id kraft.SnapshotID) (kraft.Event, error) {
	s, err := n.files.freeze(id)
	if err != nil {
		return nil, err
	}
	content, err := n.files.read(id)
	if err != nil {
		return nil, err
	}
	if err := n.log.restart(id.End); err != nil {
		return nil, err
	}
	n.opts.Log.Info("took a snapshot of the leader", "snapshot", id.String(), "bytes", s.Size)
	if err := n.files.dropBelow(id.End); err != nil {
		return nil, err
	}
	return kraft.Installed{Snapshot: s, Controls: content.controls}, nil
}

func (n *Node) roleChanged(e kraft.Changed) {
	s := n.machine.Status()
	s.Role, s.Epoch, s.Leader, s.Endpoints = e.Role, e.Epoch, e.Leader, e.Endpoints
	n.status.set(s)
	n.opts.Log.Info("metadata quorum", "role", e.Role.String(), "epoch", e.Epoch, "leader", e.Leader)
	was, _ := n.term.get()
	switch {
	case e.Role == kraft.Leader:
		n.pending.begin(e.Epoch)
		n.term.set(term{leading: true, epoch: e.Epoch, start: e.EpochStart, next: s.End})
	case was.leading:
		n.term.set(term{epoch: was.epoch})
		n.pending.fail()
	}
}

// call is one request to another node. The machine ignores outcomes that come
// too late.
func (n *Node) call(ctx context.Context, s kraft.Send) {
	ctx, cancel := context.WithTimeout(ctx, n.opts.RequestTimeout)
	defer cancel()
	body, err := n.peers.do(ctx, s.To, s.Body)
	if err != nil {
		n.opts.Log.Debug("a controller did not answer", "id", s.To.ID, "address", s.To.Address.String(), "err", err)
	}
	if err == nil && foreign(body) {
		n.heardForeign(ctx, s.To)
	}
	n.post(kraft.Response{Call: s.Call, Body: body, Failure: failure(err)})
}

// post hands an event to the raft goroutine; after its end it goes nowhere.
func (n *Node) post(e kraft.Event) {
	select {
	case n.events <- e:
	case <-n.deaf:
	}
}

// answers are who waits for a reply of the machine.
type answers struct {
	mu      sync.Mutex
	ended   bool
	waiting map[kraft.Token]chan kraft.Effect
}

// expect is where the answer for a token will come; it is closed when none will.
func (a *answers) expect(t kraft.Token) <-chan kraft.Effect {
	ch := make(chan kraft.Effect, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		close(ch)
		return ch
	}
	a.waiting[t] = ch
	return ch
}

func (a *answers) forget(t kraft.Token) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, t)
}

func (a *answers) give(e kraft.Effect) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := tokenOf(e)
	if ch, ok := a.waiting[t]; ok {
		delete(a.waiting, t)
		ch <- e
	}
}

func (a *answers) fail() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	for _, ch := range a.waiting {
		close(ch)
	}
	clear(a.waiting)
}

func tokenOf(e kraft.Effect) kraft.Token {
	switch e := e.(type) {
	case kraft.Reply:
		return e.Token
	case kraft.ServeLog:
		return e.Token
	case kraft.ServeSnapshot:
		return e.Token
	}
	return 0
}
