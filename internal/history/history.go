// Package history is what a workload did to a cluster and was told by it, and
// what is wrong with that. It is pure: clients record, [Check] judges.
//
// A history is a list of operations, each with the moments at which it began and
// ended. Values are unique: each is sent once, to one partition, so a value that
// is read names the send that wrote it. The checks are those of Jepsen's Kafka
// workload (jepsen.tests.kafka), in their non-transactional part together with
// aborted and precommitted reads of transactions.
//
// A history is saved as JSON lines, one operation a line.
package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/model"
)

// Kind is what an operation does.
type Kind string

// The kinds of operation. A consumer's position is where Assign or Seek put it,
// or where its group left it, and then behind what Poll returned.
const (
	Send      Kind = "send"
	Poll      Kind = "poll"
	Assign    Kind = "assign"    // of Partitions; every position of the client begins anew
	Subscribe Kind = "subscribe" // likewise, with positions that the group decides
	Seek      Kind = "seek"      // of Partitions
	Given     Kind = "given"     // Partitions to a member of Group, whose positions there are the group's
	Taken     Kind = "taken"     // Partitions from a member of Group, or given back by it
	Save      Kind = "save"      // a member of Group commits positions: an offset in Reads for each partition, without values
	Begin     Kind = "begin"     // of transaction Txn
	Commit    Kind = "commit"
	Abort     Kind = "abort"
	Fault     Kind = "fault"    // from Begin to End, of Target
	Final     Kind = "final"    // after all faults: the whole of one partition was read from its start to its end
	Position  Kind = "position" // after all faults: what a group has committed, an offset in Reads for each partition, without values
)

// Outcome is what became of a Send, a Save, a Commit or an Abort.
type Outcome string

// The outcomes. Failed is for an error that leaves no doubt: see [Classify].
const (
	OK      Outcome = "ok"
	Failed  Outcome = "fail"
	Unknown Outcome = "unknown"
)

// An Op is one operation of one client. Which fields it has depends on its kind.
type Op struct {
	Kind    Kind          `json:"op"`
	Client  string        `json:"client,omitempty"`
	Begin   time.Duration `json:"begin"` // since the history's start
	End     time.Duration `json:"end"`
	Outcome Outcome       `json:"outcome,omitempty"`
	Error   string        `json:"error,omitempty"`

	// Send. Number counts the sends of one client to one partition, in the order
	// in which it handed them to its Kafka client. Offset is -1 unless OK.
	Partition  Partition `json:"partition,omitzero"`
	Value      string    `json:"value,omitempty"`
	Number     int       `json:"number,omitempty"`
	Offset     int64     `json:"offset,omitempty"`
	Acks       int16     `json:"acks,omitempty"`
	Idempotent bool      `json:"idempotent,omitempty"`
	Txn        string    `json:"txn,omitempty"`    // also of Begin, Commit, Abort
	Source     string    `json:"source,omitempty"` // what a copier made the value of: see Source

	// Poll and Final.
	Reads       []Read `json:"reads,omitempty"`
	Uncommitted bool   `json:"uncommitted,omitempty"` // read under read_uncommitted

	Partitions []Partition `json:"partitions,omitempty"`

	// Subscribe, Given, Taken, Save, and those of Poll and Position that a group is
	// held to.
	Group string `json:"group,omitempty"`

	// Fault. Partitions are those whose leader it concerned.
	Fault  string `json:"fault,omitempty"`
	Target string `json:"target,omitempty"`
	Note   string `json:"note,omitempty"`
}

// A Read is what a poll returned of one partition, in the order returned.
type Read struct {
	Partition Partition `json:"partition"`
	Offsets   []int64   `json:"offsets"`
	Values    []string  `json:"values"`
	// Epochs, if there, tell for each record which life of which producer wrote
	// it: that of its batch. A client that begins a new epoch sends again, under
	// new sequence numbers, what it does not know the outcome of.
	Epochs []string `json:"epochs,omitempty"`
}

// Source names the record that a copy is made of: one that reads a partition and
// writes in the same transaction what it read and where it stands (KIP-447).
func Source(p Partition, offset int64) string { return fmt.Sprintf("%s@%d", p, offset) }

// Partition is written topic-index.
type Partition model.Partition

func (p Partition) String() string { return model.Partition(p).String() }

// MarshalText implements encoding.TextMarshaler.
func (p Partition) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Partition) UnmarshalText(text []byte) error {
	at := strings.LastIndexByte(string(text), '-')
	if at < 1 {
		return fmt.Errorf("%q is no partition: want topic-index", text)
	}
	p.Topic = string(text[:at])
	if _, err := fmt.Sscanf(string(text[at+1:]), "%d", &p.Index); err != nil || p.Index < 0 || p.String() != string(text) {
		return fmt.Errorf("%q is no partition: want topic-index", text)
	}
	return nil
}

// A History is in no particular order.
type History []Op

// Write saves a history.
func (h History) Write(w io.Writer) error {
	out := json.NewEncoder(w)
	for i := range h {
		if err := out.Encode(&h[i]); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
	}
	return nil
}

// maxLine bounds one operation in a file: a poll of many records.
const maxLine = 64 << 20

// Parse reads what Write wrote.
func Parse(r io.Reader) (History, error) {
	var h History
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var op Op
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return h, fmt.Errorf("line %d: %w", len(h)+1, err)
		}
		if err := op.valid(); err != nil {
			return h, fmt.Errorf("line %d: %w", len(h)+1, err)
		}
		h = append(h, op)
	}
	return h, lines.Err()
}

func (op *Op) valid() error {
	if op.End < op.Begin {
		return errors.New("ends before it begins")
	}
	for _, r := range op.Reads {
		if len(r.Offsets) != len(r.Values) && op.Kind != Position && op.Kind != Save {
			return fmt.Errorf("%d offsets and %d values of %s", len(r.Offsets), len(r.Values), r.Partition)
		}
		if len(r.Epochs) != 0 && len(r.Epochs) != len(r.Offsets) {
			return fmt.Errorf("%d offsets and %d epochs of %s", len(r.Offsets), len(r.Epochs), r.Partition)
		}
	}
	return nil
}
