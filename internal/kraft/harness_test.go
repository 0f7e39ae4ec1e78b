package kraft

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// entry is one record of a node's log in the harness.
type entry struct {
	Epoch  model.Epoch
	Value  string // of data
	Voters []byte // of a voters record, encoded
	KRaft  int16  // of a version record, -1 else
}

func (e entry) control() wire.Message {
	if e.Voters != nil {
		r := new(wire.VotersRecord)
		if err := wire.Decode(e.Voters, 0, r); err != nil {
			panic(err)
		}
		return r
	}
	if e.KRaft >= 0 {
		return &wire.KRaftVersionRecord{KRaftVersion: e.KRaft}
	}
	return nil
}

// disk is what of a node survives a crash: the synced part of its log, its
// election file, its snapshots (whose content is the entries below them).
type disk struct {
	start     model.Offset
	entries   []entry // from start
	synced    model.Offset
	election  Election
	snapshots []snapshotFile
	partial   []byte
}

type snapshotFile struct {
	Snapshot
	content []byte
}

func (d *disk) end() model.Offset { return d.start + model.Offset(len(d.entries)) }

func encodeEntries(e []entry) []byte {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(e); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func decodeEntries(b []byte) (e []entry) {
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&e); err != nil {
		panic(err)
	}
	return e
}

func (d *disk) log() Log {
	l := Log{Start: d.start, End: d.end()}
	for _, s := range d.snapshots {
		l.Snapshots = append(l.Snapshots, s.Snapshot)
	}
	if n := len(d.snapshots); n > 0 {
		l.Controls = controlsOf(decodeEntries(d.snapshots[n-1].content), d.snapshots[n-1].End, true)
	}
	l.Epochs = epochsOf(d.entries, d.start)
	l.Controls = append(l.Controls, controlsOf(d.entries, d.start, false)...)
	return l
}

func epochsOf(entries []entry, base model.Offset) (out []EpochStart) {
	for i, e := range entries {
		if n := len(out); n == 0 || out[n-1].Epoch != e.Epoch {
			out = append(out, EpochStart{e.Epoch, base + model.Offset(i)})
		}
	}
	return out
}

func controlsOf(entries []entry, base model.Offset, snapshot bool) (out []Control) {
	for i, e := range entries {
		if r := e.control(); r != nil {
			at := base + model.Offset(i)
			if snapshot {
				at = base - 1
			}
			out = append(out, Control{at, r})
		}
	}
	return out
}

// node runs one machine over a disk, doing its effects at once.
type node struct {
	cfg  Config
	disk disk
	m    *Machine
	hw   model.Offset
	halt string
	net  *network
	log  *strings.Builder // of effects; nil is none

	bootstrap []Control // of a 0-0 checkpoint
	slow      bool      // its syncs are done when sync is called
	syncing   bool      // one is under way, of what lies below syncTo
	syncTo    model.Offset
	lost      *disk // that was replaced, with the directory it was
	lostDir   model.DirectoryID
}

func (nd *node) storedLog() Log {
	if n := len(nd.disk.snapshots); n > 0 && nd.disk.snapshots[n-1].End > nd.disk.end() {
		// The log was lost below the newest snapshot: it begins anew there.
		end := nd.disk.snapshots[n-1].End
		nd.disk.start, nd.disk.synced, nd.disk.entries = end, end, nil
	}
	l := nd.disk.log()
	if len(nd.disk.snapshots) == 0 {
		l.Controls = append(append([]Control(nil), nd.bootstrap...), l.Controls...)
	}
	return l
}

// message is a request or a response under way.
type message struct {
	from, to model.NodeID
	call     uint64
	request  wire.Request
	response wire.Response // nil with a nil request: the connection failed
	failure  Failure
}

type network struct {
	now   time.Time
	nodes map[model.NodeID]*node
	queue []message
	token Token
	owed  map[Token]message        // requests by the token they were given
	cut   map[[2]model.NodeID]bool // links on which all is lost, by direction

	votersCut int // voter sets that were in a log and were truncated
}

func newNetwork() *network {
	return &network{now: time.UnixMilli(1_000_000).UTC(), nodes: map[model.NodeID]*node{}, owed: map[Token]message{}, cut: map[[2]model.NodeID]bool{}}
}

func voterSet(ids ...model.NodeID) VoterSet {
	var voters []Voter
	for _, id := range ids {
		voters = append(voters, Voter{Replica: Replica{ID: id}, Endpoints: endpointsOf(id)})
	}
	s, err := NewVoterSet(voters...)
	if err != nil {
		panic(err)
	}
	return s
}

func endpointsOf(id model.NodeID) []Endpoint {
	return []Endpoint{{"CONTROLLER", Address{fmt.Sprintf("n%d", id), 9093}}}
}

func testConfig(id model.NodeID, voters VoterSet) Config {
	return Config{
		NodeID: id, DirectoryID: model.DirectoryID{0: 0xd, 15: byte(id)}, ClusterID: "test",
		Listener: "CONTROLLER", StaticVoters: voters,
		ElectionTimeout: time.Second, ElectionBackoff: time.Second, FetchTimeout: 2 * time.Second, RequestTimeout: 2 * time.Second, RetryBackoff: 20 * time.Millisecond,
		FetchMaxBytes: 1 << 20, SnapshotMaxBytes: 64, Rand: rand.New(rand.NewPCG(1, uint64(id))),
	}
}

func (n *network) add(cfg Config, log *strings.Builder) *node {
	nd := &node{cfg: cfg, net: n, log: log, hw: -1, disk: disk{election: NoElection}}
	if cfg.StaticVoters.has(Replica{cfg.NodeID, cfg.DirectoryID}) {
		nd.cfg.Controller, nd.cfg.Endpoints = true, endpointsOf(cfg.NodeID)
	}
	n.nodes[cfg.NodeID] = nd
	return nd
}

// formatStandalone gives the node the controls of a 0-0 checkpoint, as
// kafka-storage format --standalone writes it.
func (nd *node) formatStandalone() {
	me := Voter{Replica: Replica{nd.cfg.NodeID, nd.cfg.DirectoryID}, Endpoints: endpointsOf(nd.cfg.NodeID), MaxVersion: 1}
	nd.cfg.Controller, nd.cfg.Endpoints = true, me.Endpoints
	nd.bootstrap = []Control{{-1, &wire.KRaftVersionRecord{KRaftVersion: 1}}, {-1, VoterSet{me}.Record()}}
}

func (nd *node) start() error {
	nd.hw, nd.halt = -1, ""
	m, effects, err := New(nd.cfg, nd.net.now, nd.disk.election, nd.storedLog())
	if err != nil {
		return err
	}
	nd.m = m
	nd.do(effects)
	return nil
}

// crash loses what was not synced, and all that was asked of the node.
func (nd *node) crash() { nd.crashKeeping(0) }

// crashKeeping is a crash that loses all but so many records of those that were not
// synced: a process that is killed loses none. The next start syncs what is there.
func (nd *node) crashKeeping(n int) {
	if nd.m == nil {
		return
	}
	nd.m, nd.syncing = nil, false
	d := &nd.disk
	if keep := max(0, int(d.synced-d.start)+n); keep < len(d.entries) {
		d.entries = d.entries[:keep]
	}
	d.synced = d.end()
	d.partial = nil
	nd.net.forget(nd.cfg.NodeID)
}

// forget fails what was asked of a node that is gone, and drops what it asked:
// its connections died with it.
func (n *network) forget(id model.NodeID) {
	n.queue = slices.DeleteFunc(n.queue, func(m message) bool {
		return (m.request != nil && m.from == id) || (m.request == nil && m.to == id)
	})
	for token, q := range n.owed {
		if q.from == id {
			delete(n.owed, token)
		}
	}
	for token := Token(1); token <= n.token; token++ {
		q, ok := n.owed[token]
		if ok && q.to == id {
			delete(n.owed, token)
			n.queue = append(n.queue, message{from: id, to: q.from, call: q.call})
		}
	}
}

func (nd *node) step(e Event) {
	if nd.m != nil {
		nd.do(nd.m.Step(nd.net.now, e))
	}
}

func (nd *node) append(values ...string) {
	for _, v := range values {
		nd.disk.entries = append(nd.disk.entries, entry{Epoch: nd.m.epoch, Value: v, KRaft: -1})
	}
	nd.step(Appended{nd.disk.end()})
}

// sync ends the sync that is under way, if any. What was appended since is not on
// disk.
func (nd *node) sync() {
	if nd.m == nil || nd.halt != "" || !nd.syncing {
		return
	}
	nd.syncing = false
	nd.disk.synced = max(nd.disk.synced, nd.syncTo)
	nd.step(Synced{nd.syncTo})
}

func versionRecord(v int16) *wire.KRaftVersionRecord {
	return &wire.KRaftVersionRecord{KRaftVersion: v}
}

// freeze writes a snapshot at the high watermark.
func (nd *node) freeze() {
	if nd.m == nil {
		return
	}
	at := nd.hw - nd.disk.start
	if at <= 0 {
		return
	}
	var content []entry
	if n := len(nd.disk.snapshots); n > 0 {
		newest := nd.disk.snapshots[n-1]
		if newest.End >= nd.hw {
			return
		}
		content = decodeEntries(newest.content)
		content = append(content, nd.disk.entries[newest.End-nd.disk.start:at]...)
	} else {
		content = append(content, nd.disk.entries[:at]...)
	}
	b := encodeEntries(content)
	s := Snapshot{SnapshotID{nd.hw, content[len(content)-1].Epoch}, int64(len(b))}
	nd.disk.snapshots = append(nd.disk.snapshots, snapshotFile{s, b})
	nd.step(Frozen{s})
}

// clean drops the log below the newest snapshot.
func (nd *node) clean() {
	n := len(nd.disk.snapshots)
	if n == 0 || nd.m == nil {
		return
	}
	newest := nd.disk.snapshots[n-1]
	nd.disk.snapshots = nd.disk.snapshots[n-1:]
	nd.disk.entries = nd.disk.entries[newest.End-nd.disk.start:]
	nd.disk.start = newest.End
	nd.disk.synced = max(nd.disk.synced, newest.End)
	nd.step(Cleaned{newest.End})
}

func (nd *node) do(effects []Effect) {
	for _, e := range effects {
		nd.trace(e)
		nd.effect(e)
	}
}

func (nd *node) effect(e Effect) {
	d := &nd.disk
	switch e := e.(type) {
	case Persist:
		d.election = e.Election
	case AppendControl:
		for _, r := range e.Records {
			d.entries = append(d.entries, controlEntry(e.Epoch, r))
		}
	case AppendFetched:
		fetched := decodeEntries(e.Records.Bytes())
		base := d.end()
		d.entries = append(d.entries, fetched...)
		nd.step(Fetched{d.end(), epochsOf(fetched, base), controlsOf(fetched, base, false)})
	case Truncate:
		for _, gone := range d.entries[e.End-d.start:] {
			if gone.Voters != nil {
				nd.net.votersCut++
			}
		}
		d.entries = d.entries[:e.End-d.start]
		d.synced = min(d.synced, e.End)
	case ProposeControl:
		nd.appendControl(e.Epoch, e.Records)
	case Sync:
		nd.syncing, nd.syncTo = true, e.End
		if !nd.slow {
			nd.sync()
		}
	case WriteSnapshot:
		d.partial = append(d.partial[:e.Position], e.Bytes...)
	case InstallSnapshot:
		s := snapshotFile{Snapshot{e.Snapshot, int64(len(d.partial))}, d.partial}
		*d = disk{start: e.Snapshot.End, synced: e.Snapshot.End, election: d.election, snapshots: []snapshotFile{s}}
		nd.step(Installed{s.Snapshot, controlsOf(decodeEntries(s.content), s.End, true)})
	case HighWatermark:
		nd.hw = e.Offset
	case Halt:
		nd.halt = e.Reason
	default:
		nd.net.carry(nd, e)
	}
}

func (nd *node) appendControl(epoch model.Epoch, records []wire.Message) {
	offset := nd.disk.end()
	for _, r := range records {
		nd.disk.entries = append(nd.disk.entries, controlEntry(epoch, r))
	}
	nd.disk.synced = nd.disk.end()
	nd.step(ControlAppended{epoch, offset, records, nd.disk.end()})
}

func controlEntry(epoch model.Epoch, r wire.Message) entry {
	e := entry{Epoch: epoch, Value: strings.TrimPrefix(fmt.Sprintf("%T", r), "*wire."), KRaft: -1}
	switch r := r.(type) {
	case *wire.VotersRecord:
		b, err := wire.Encode(0, r)
		if err != nil {
			panic(err)
		}
		e.Voters = b
	case *wire.KRaftVersionRecord:
		e.KRaft = r.KRaftVersion
	}
	return e
}

// carry puts what goes over the network into the queue.
func (n *network) carry(from *node, e Effect) {
	switch e := e.(type) {
	case Send:
		var to model.NodeID
		if _, err := fmt.Sscanf(e.To.Host, "n%d", &to); err != nil {
			panic(err)
		}
		n.queue = append(n.queue, message{from: from.cfg.NodeID, to: to, call: e.Call, request: e.Body})
	case Reply:
		n.answer(e.Token, e.Body)
	case ServeLog:
		d := &from.disk
		e.Response.Responses[0].Partitions[0].Records = wire.BytesRecords(encodeEntries(d.entries[e.From-d.start:]))
		n.answer(e.Token, e.Response)
	case ServeSnapshot:
		p := &e.Response.Topics[0].Partitions[0]
		for _, s := range from.disk.snapshots {
			if s.SnapshotID == e.Snapshot {
				p.UnalignedRecords = wire.BytesRecords(s.content[p.Position:min(p.Position+int64(e.MaxBytes), p.Size)])
			}
		}
		n.answer(e.Token, e.Response)
	}
}

func (n *network) answer(t Token, r wire.Response) {
	q, ok := n.owed[t]
	delete(n.owed, t)
	if ok {
		n.queue = append(n.queue, message{from: q.to, to: q.from, call: q.call, response: r})
	}
}

// deliver hands over the i-th message of the queue.
func (n *network) deliver(i int) {
	msg := n.queue[i]
	n.queue = append(n.queue[:i:i], n.queue[i+1:]...)
	to := n.nodes[msg.to]
	if n.cut[[2]model.NodeID{msg.from, msg.to}] {
		return
	}
	if msg.request == nil {
		if to != nil {
			to.step(Response{msg.call, msg.response, msg.failure})
		}
		return
	}
	if to == nil || to.m == nil || to.halt != "" {
		n.queue = append(n.queue, message{from: msg.to, to: msg.from, call: msg.call, failure: Refused})
		return
	}
	n.token++
	n.owed[n.token] = msg
	to.step(Request{n.token, 18, "CONTROLLER", msg.request})
}

// drop loses the i-th message; its sender sees the connection fail.
func (n *network) drop(i int) {
	msg := n.queue[i]
	n.queue = append(n.queue[:i:i], n.queue[i+1:]...)
	fail := message{from: msg.to, to: msg.from, call: msg.call}
	if msg.request == nil {
		fail = message{from: msg.from, to: msg.to, call: msg.call}
	}
	n.queue = append(n.queue, fail)
}

// vanish loses the i-th message, and nobody notices.
func (n *network) vanish(i int) {
	n.queue = append(n.queue[:i:i], n.queue[i+1:]...)
}

// settle delivers until nothing is under way.
func (n *network) settle() {
	for i := 0; len(n.queue) > 0; i++ {
		if i > 10_000 {
			panic("the network does not settle")
		}
		n.deliver(0)
	}
}
