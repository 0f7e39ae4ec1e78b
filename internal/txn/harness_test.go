package txn

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// shell runs a Machine as package coordinator does, on a log in memory. After
// every append the live state must be what the log, compacted or not, gives.
type shell struct {
	*Machine
	cfg    Config
	log    []machine.Record
	now    time.Time
	level  int16
	nextID model.ProducerID
	noIDs  bool
	refuse error // of the next append
	// replies and events are what the last call led to.
	replies []machine.Reply
	events  []any
}

func newShell(level int16) *shell {
	s := &shell{now: time.UnixMilli(1_000_000).UTC(), level: level, nextID: 100}
	s.cfg = Config{
		NewID: func() (model.ProducerID, bool) {
			if s.noIDs {
				return 0, false
			}
			s.nextID++
			return s.nextID, true
		},
		MaxTimeout: 15 * time.Minute, Expiration: 7 * 24 * time.Hour,
		AbortInterval: 10 * time.Second, ExpiryInterval: time.Hour,
		Linger: 50 * time.Millisecond, Retry: 100 * time.Millisecond,
	}
	return s
}

func image(level int16) *metadata.Image {
	d := metadata.NewDraft(metadata.Empty)
	if level > 0 {
		if err := d.Apply(&wire.FeatureLevelRecord{Name: metadata.FeatureTransactionVersion, FeatureLevel: level}, 0); err != nil {
			panic(err)
		}
	}
	img, _ := d.Image(0, 1)
	return img
}

// load is a machine of a log.
func load(c Config, log []machine.Record) *Machine {
	m := New(c)
	for i, r := range log {
		if err := m.Fold(machine.Origin{Offset: model.Offset(i)}, r); err != nil {
			panic(err)
		}
	}
	return m
}

// start begins another leadership on what the log holds.
func (s *shell) start() error {
	s.Machine = load(s.cfg, s.log)
	return s.carryOut(s.Start(s.now, image(s.level)))
}

func (s *shell) carryOut(e machine.Effects) error {
	s.replies, s.events = nil, nil
	for s.refuse != nil && len(e.Records) > 0 {
		err := s.refuse
		s.refuse = nil
		for _, r := range e.Replies {
			s.replies = append(s.replies, machine.Reply{Token: r.Token, Response: err})
		}
		e = s.Refused(s.now, e, err)
	}
	for _, r := range e.Records {
		s.log = append(s.log, r)
		if err := s.Fold(machine.Origin{Offset: model.Offset(len(s.log) - 1)}, r); err != nil {
			return err
		}
	}
	s.replies, s.events = append(s.replies, e.Replies...), e.Events
	return s.replayed()
}

// replayed checks that the state is the fold of the log and of the compacted log.
func (s *shell) replayed() error {
	live := show(s.Machine)
	if got := show(load(s.cfg, s.log)); got != live {
		return fmt.Errorf("the log gives\n%s\nthe machine has\n%s", got, live)
	}
	if got := show(load(s.cfg, compacted(s.log))); got != live {
		return fmt.Errorf("the compacted log gives\n%s\nthe machine has\n%s", got, live)
	}
	return nil
}

// compacted is the log with the newest record of each key, and without tombstones.
func compacted(log []machine.Record) []machine.Record {
	newest := map[string]int{}
	for i, r := range log {
		newest[string(r.Key)] = i
	}
	var all []machine.Record
	for i, r := range log {
		if newest[string(r.Key)] == i && r.Value != nil {
			all = append(all, r)
		}
	}
	return all
}

// show is the lasting state.
func show(m *Machine) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(m.txns)) {
		fmt.Fprintf(&b, "%s: %s\n", id, showEntry(m.txns[id].entry))
	}
	return b.String()
}

func showEntry(e entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d/%d", e.state, e.producer.ID, e.producer.Epoch)
	if e.previous != e.producer.ID {
		fmt.Fprintf(&b, " previous=%d", e.previous)
	}
	if e.next != noID {
		fmt.Fprintf(&b, " next=%d", e.next)
	}
	fmt.Fprintf(&b, " client=%d timeout=%d updated=%d started=%d", e.client, e.timeout, e.updated, e.started)
	if len(e.partitions) > 0 {
		fmt.Fprintf(&b, " %v", e.partitions)
	}
	return b.String()
}

// told is an error in one word.
func told(err error) string {
	if err == nil {
		return "ok"
	}
	return kerr.FromCode(kerr.Code(err)).Error()
}

func showResponse(response any) string {
	producer := func(p machine.Producer) string {
		if p == noProducer {
			return ""
		}
		return fmt.Sprintf(" %d/%d", p.ID, p.Epoch)
	}
	switch r := response.(type) {
	case InitProducerIDReply:
		return told(r.Err) + producer(r.Producer)
	case AddPartitionsReply:
		return told(r.Err)
	case VerifyPartitionsReply:
		if len(r.Missing) > 0 {
			return fmt.Sprintf("missing %v", r.Missing)
		}
		return told(r.Err)
	case EndTxnReply:
		return told(r.Err) + producer(r.Producer)
	case DescribeReply:
		if !r.Found {
			return "not found"
		}
		return fmt.Sprintf("%s%s timeout=%d started=%d %v", r.State, producer(r.Producer), r.TimeoutMS, r.StartedMS, r.PartitionsLeft)
	case ListReply:
		return fmt.Sprint(r.Transactions)
	case error:
		return "refused: " + told(r)
	}
	return fmt.Sprintf("%#v", response)
}

// output is what the last call led to.
func (s *shell) output(from int) string {
	var b strings.Builder
	for _, r := range s.log[from:] {
		id, err := decodeKey(r.Key)
		if err != nil {
			return err.Error()
		}
		if r.Value == nil {
			fmt.Fprintf(&b, "record %s: none\n", id)
			continue
		}
		e, err := decodeValue(r.Value)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "record %s: v%d %s\n", id, r.Value[1], showEntry(e))
	}
	for _, e := range s.events {
		x := e.(SendMarkers)
		fmt.Fprintf(&b, "markers %s round=%d: %d/%d commit=%v client=%d %v\n", x.TransactionalID, x.Round, x.Producer.ID, x.Producer.Epoch, x.Commit, x.Client, x.Partitions)
	}
	for _, r := range s.replies {
		early := ""
		if r.Early {
			early = " at once"
		}
		fmt.Fprintf(&b, "reply %d%s: %s\n", r.Token, early, showResponse(r.Response))
	}
	return b.String()
}

// force appends a record that somebody else has written.
func (s *shell) force(t *testing.T, id string, e entry) {
	t.Helper()
	r := e.record(id, s.level)
	s.log = append(s.log, r)
	if err := s.Fold(machine.Origin{Offset: model.Offset(len(s.log) - 1)}, r); err != nil {
		t.Fatal(err)
	}
}
