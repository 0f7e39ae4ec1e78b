package kraft

import (
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Token names who waits for the answer to a Request. The machine only hands it
// back.
type Token uint64

// Event is something that happened.
type Event interface{ event() }

// Tick is the passing of time: nothing else happened.
type Tick struct{}

// Request is a request from another node or a client: Vote, BeginQuorumEpoch,
// EndQuorumEpoch, Fetch, FetchSnapshot, UpdateRaftVoter or DescribeQuorum. It is answered by exactly one
// Reply, ServeLog or ServeSnapshot with its token, unless it is Abandoned.
type Request struct {
	Token    Token
	Version  int16
	Listener string // the listener it came in on
	Body     wire.Request
}

// Abandoned tells that nobody waits for the token's answer any more.
type Abandoned struct{ Token Token }

// Response is the outcome of a Send. A nil Body means that there is no answer,
// and Failure why. Answers to calls that the machine has given up are ignored.
type Response struct {
	Call    uint64
	Body    wire.Response
	Failure Failure
}

// Failure is why a request has no answer.
type Failure int8

// The failures that the machine tells apart.
const (
	Disconnected Failure = iota
	Refused              // nobody listens at the address: no process is there
	Unsupported          // the peer does not know the request, or not at the version it needs
)

// Appended tells that the leader's shell has appended data. Sync follows if none is
// under way.
type Appended struct{ End model.Offset }

// Fetched answers AppendFetched: what is now in the log. Batches that were cut
// or corrupt are simply not in it. Epochs and Controls are those of the new
// records only.
type Fetched struct {
	End      model.Offset
	Epochs   []EpochStart
	Controls []Control
}

// Synced answers Sync, at any later time: the log is on disk up to the End that it
// was asked for, whatever has been appended since. A sync that fails is not told: it
// ends the node, and is never tried again.
type Synced struct{ End model.Offset }

// Frozen tells that this node has written a snapshot of its own.
type Frozen struct{ Snapshot Snapshot }

// Installed answers InstallSnapshot: the log now starts and ends at the
// snapshot, whose control records are Controls.
type Installed struct {
	Snapshot Snapshot
	Controls []Control
}

// Cleaned tells that the log start moved up and older snapshots are gone.
type Cleaned struct{ Start model.Offset }

// Resign asks the leader of an epoch to stop leading it. Leaders of other epochs
// are not meant.
type Resign struct{ Epoch model.Epoch }

// Shutdown asks the replica to stop leading, cleanly, and not to lead again.
// Stopped tells when there is nothing left to wait for.
type Shutdown struct{}

// ControlAppended answers ProposeControl: the records are in the log, which is
// synced and now ends at End. A voter set that its leader could still lose, and
// that is on the disk of the very voter it takes out, would leave nobody who may
// stand: that voter has the longer log and is none any more.
type ControlAppended struct {
	Epoch   model.Epoch
	Offset  model.Offset
	Records []wire.Message
	End     model.Offset
}

func (Tick) event()            {}
func (Request) event()         {}
func (Abandoned) event()       {}
func (Response) event()        {}
func (Appended) event()        {}
func (Fetched) event()         {}
func (Synced) event()          {}
func (Frozen) event()          {}
func (Installed) event()       {}
func (Cleaned) event()         {}
func (Shutdown) event()        {}
func (Resign) event()          {}
func (ControlAppended) event() {}

// Effect is something to do. Effects are done in order; an effect that fails
// ends the node, for the machine has already counted on it.
type Effect interface{ effect() }

// Send is a request to another node. Its outcome comes back as a Response.
type Send struct {
	Call uint64
	To   Peer
	Body wire.Request
}

// Reply is the answer for a token.
type Reply struct {
	Token Token
	Body  wire.Response
}

// ServeLog is a Reply whose records are to be read from the log: from From up to
// the log's end, at most MaxBytes but at least one batch. Nothing at From is
// empty records.
type ServeLog struct {
	Token    Token
	From     model.Offset
	MaxBytes int32
	Response *wire.FetchResponse // with one partition
}

// ServeSnapshot is a Reply whose bytes are to be read from a snapshot: from the
// position in the response, at most MaxBytes.
type ServeSnapshot struct {
	Token    Token
	Snapshot SnapshotID
	MaxBytes int32
	Response *wire.FetchSnapshotResponse // with one partition
}

// Persist writes the quorum-state file, durably, before anything that follows.
type Persist struct{ Election Election }

// AppendControl appends one batch of control records at the log's end, Offset.
type AppendControl struct {
	Epoch   model.Epoch
	Offset  model.Offset
	Records []wire.Message
}

// ProposeControl asks for one batch of control records in the middle of an
// epoch, behind what the state machine on top has already placed.
// ControlAppended follows when it is in the log, or never.
type ProposeControl struct {
	Epoch   model.Epoch
	Records []wire.Message
}

// AppendFetched appends a leader's batches as they are. Fetched follows.
type AppendFetched struct{ Records wire.Records }

// Truncate cuts the log back to End.
type Truncate struct{ End model.Offset }

// Sync makes the log durable up to End. Synced follows when it is; until then the
// machine is given whatever else happens, and asks for no second one.
type Sync struct{ End model.Offset }

// WriteSnapshot writes bytes of a snapshot that is being fetched, at a position;
// position 0 begins it anew.
type WriteSnapshot struct {
	Snapshot SnapshotID
	Position int64
	Bytes    []byte
}

// InstallSnapshot freezes the fetched snapshot and makes it the log's only
// content. Installed follows.
type InstallSnapshot struct{ Snapshot SnapshotID }

// Changed tells a new role, epoch or leader. EpochStart is the log's end when
// this node began to lead.
type Changed struct {
	Role       Role
	Epoch      model.Epoch
	Leader     model.NodeID
	Endpoints  []Endpoint
	EpochStart model.Offset
}

// HighWatermark tells that everything below Offset is committed.
type HighWatermark struct{ Offset model.Offset }

// Halt ends the node. Going on would lose or fork committed metadata.
type Halt struct{ Reason string }

func (Send) effect()            {}
func (Reply) effect()           {}
func (ServeLog) effect()        {}
func (ServeSnapshot) effect()   {}
func (Persist) effect()         {}
func (AppendControl) effect()   {}
func (ProposeControl) effect()  {}
func (AppendFetched) effect()   {}
func (Truncate) effect()        {}
func (Sync) effect()            {}
func (WriteSnapshot) effect()   {}
func (InstallSnapshot) effect() {}
func (Changed) effect()         {}
func (HighWatermark) effect()   {}
func (Halt) effect()            {}
