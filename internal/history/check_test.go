package history

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
)

var t0 = Partition{Topic: "t"}

// clock gives each operation of a hand-made history its own moment.
type clock struct{ now time.Duration }

func (c *clock) next() (begin, end time.Duration) {
	c.now += 10 * time.Millisecond
	return c.now, c.now + time.Millisecond
}

// at puts operations one after the other.
func at(ops ...Op) History {
	var c clock
	numbers := map[string]int{}
	for i := range ops {
		op := &ops[i]
		if op.End == 0 {
			op.Begin, op.End = c.next()
		}
		if op.Kind == Send && op.Number == 0 {
			numbers[op.Client]++
			op.Number = numbers[op.Client]
		}
	}
	return ops
}

// sent is a send of an idempotent producer with acks=all; offset -1 when it
// failed or nobody knows.
func sent(client, value string, offset int64) Op {
	op := Op{Kind: Send, Client: client, Partition: t0, Value: value, Offset: offset, Acks: -1, Idempotent: true, Outcome: OK}
	if offset < 0 {
		op.Outcome = Unknown
	}
	return op
}

func with(op Op, change func(*Op)) Op {
	change(&op)
	return op
}

func failed(op *Op)  { op.Outcome, op.Error = Failed, "NOT_ENOUGH_REPLICAS" }
func plain(op *Op)   { op.Idempotent = false }
func acks1(op *Op)   { op.Acks = 1 }
func inTxn(op *Op)   { op.Txn = "x" }
func anybody(op *Op) { op.Uncommitted = true }

// read is a read of consecutive offsets.
func read(first int64, values ...string) Read {
	r := Read{Partition: t0, Values: values}
	for i := range values {
		r.Offsets = append(r.Offsets, first+int64(i))
	}
	return r
}

func poll(client string, first int64, values ...string) Op {
	return Op{Kind: Poll, Client: client, Reads: []Read{read(first, values...)}}
}

func final(values ...string) Op {
	return Op{Kind: Final, Client: "final", Reads: []Read{read(0, values...)}}
}

// copyOf makes a send one of what is at an offset of the same partition.
func copyOf(offset int64) func(*Op) {
	return func(op *Op) { op.Source = Source(t0, offset) }
}

func position(offset int64) Op {
	return Op{Kind: Position, Client: "group", Reads: []Read{{Partition: t0, Offsets: []int64{offset}}}}
}

// of makes an operation one of a group's.
func of(group string, op Op) Op {
	op.Group = group
	return op
}

func given(client string) Op { return of("g", move(Given, client)) }

func saves(client string, offset int64, outcome Outcome) Op {
	return of("g", Op{Kind: Save, Client: client, Outcome: outcome, Reads: []Read{{Partition: t0, Offsets: []int64{offset}}}})
}

func move(kind Kind, client string) Op {
	return Op{Kind: kind, Client: client, Partitions: []Partition{t0}}
}

func end(kind Kind, outcome Outcome) Op {
	return Op{Kind: kind, Client: "p", Txn: "x", Outcome: outcome}
}

func found(r *Report) []string {
	var kinds []string
	for kind := range r.Found {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// Each check has the least history that it catches, and one beside it that is
// right.
func TestChecks(t *testing.T) {
	both := func(ops ...Op) Op { // at once
		op := ops[0]
		op.Reads = append(op.Reads, ops[1].Reads...)
		return op
	}
	for _, c := range []struct {
		name  string
		wrong string // the finding, or none
		ops   History
	}{
		{"a lost write below what was read", LostWrite, at(sent("p", "a", 0), sent("p", "b", 1), poll("c", 1, "b"))},
		{"a lost write at the end, after the final read", LostWrite, at(sent("p", "a", 0), sent("p", "b", 1), final("a"))},
		{"a lost write whose offset the client did not learn", LostWrite,
			at(with(sent("p", "a", 0), func(op *Op) { op.Offset = -1 }), sent("p", "b", 1), final("?"))},
		{"not yet read", "", at(sent("p", "a", 0), sent("p", "b", 1), poll("c", 0, "a"))},
		{"an unknown write that is not there", "", at(sent("p", "a", 0), sent("p", "b", -1), final("a"))},
		{"an unknown write that is there", "", at(sent("p", "a", 0), sent("p", "b", -1), final("a", "b"))},
		{"acknowledged by the leader alone, and lost", "", at(sent("p", "a", 0), with(sent("q", "b", 1), acks1), final("a"))},
		{"its offset is another's then", "", at(sent("p", "a", 0), with(sent("q", "b", 1), acks1), sent("p", "c", 1), final("a", "c"))},
		{"a lost write of a transaction", LostWrite, at(with(sent("p", "a", 0), inTxn), end(Commit, OK), final())},
		{"a lost write of a transaction of which another was read", LostWrite,
			at(with(sent("p", "a", 0), inTxn), with(sent("p", "b", 1), inTxn), end(Commit, Unknown), final("a"))},
		{"a transaction that nobody knows the end of", "", at(with(sent("p", "a", 0), inTxn), end(Commit, Unknown), final())},

		{"a failed send that was read", AbortedRead, at(with(sent("p", "a", -1), failed), poll("c", 0, "a"))},
		{"a failed send that was not", "", at(with(sent("p", "a", -1), failed), poll("c", 0))},
		{"an aborted transaction that was read", AbortedRead, at(with(sent("p", "a", 0), inTxn), end(Abort, OK), poll("c", 0, "a"))},
		{"an aborted transaction read by one who reads anything", "", at(with(sent("p", "a", 0), inTxn), end(Abort, OK), with(poll("c", 0, "a"), anybody))},
		{"a commit that was refused", AbortedRead, at(with(sent("p", "a", 0), inTxn), end(Commit, Failed), poll("c", 0, "a"))},

		{"two reads of one offset", Inconsistent, at(sent("p", "a", -1), sent("p", "b", -1), poll("c", 0, "a"), poll("d", 0, "b"))},
		{"a read and an acknowledgement of one offset", Inconsistent, at(sent("p", "a", 1), sent("p", "b", -1), poll("d", 1, "b"))},
		{"two acknowledgements of one offset", Inconsistent, at(sent("p", "a", 1), sent("p", "b", 1))},
		{"two readers agree", "", at(sent("p", "a", 0), poll("c", 0, "a"), poll("d", 0, "a"))},

		{"a duplicate", Duplicate, at(sent("p", "a", 0), poll("c", 0, "a", "a"))},
		{"a duplicate of a plain producer", "", at(with(sent("p", "a", 0), plain), poll("c", 0, "a", "a"))},
		{"a duplicate within an epoch", Duplicate, at(sent("p", "a", 0), with(poll("c", 0, "a", "a"), func(op *Op) { op.Reads[0].Epochs = []string{"7/0", "7/0"} }))},
		{"sent again in a new epoch", "", at(sent("p", "a", 0), with(poll("c", 0, "a", "a"), func(op *Op) { op.Reads[0].Epochs = []string{"7/0", "7/1"} }))},
		{"a duplicate that only the acknowledgement shows", Duplicate, at(sent("p", "a", 1), sent("p", "b", -1), poll("c", 0, "a"))},

		{"back from poll to poll", Backwards, at(sent("p", "a", 0), sent("p", "b", 1), poll("c", 0, "a", "b"), poll("c", 1, "b"))},
		{"back within a poll", Backwards, at(sent("p", "a", 0), sent("p", "b", 1), both(poll("c", 1, "b"), poll("c", 0, "a")))},
		{"back after a seek", "", at(sent("p", "a", 0), sent("p", "b", 1), poll("c", 0, "a", "b"), move(Seek, "c"), poll("c", 0, "a"))},
		{"back after an assignment", "", at(sent("p", "a", 0), poll("c", 0, "a"), move(Assign, "c"), poll("c", 0, "a"))},
		{"back after a rebalance", "", at(sent("p", "a", 0), poll("c", 0, "a"), move(Given, "c"), poll("c", 0, "a"))},
		{"back after the assignment of another", Backwards, at(sent("p", "a", 0), poll("c", 0, "a"), move(Assign, "d"), poll("c", 0, "a"))},

		{"skipped from poll to poll", Skipped, at(sent("p", "a", 0), sent("p", "b", 1), sent("p", "c", 2), poll("d", 0, "a", "b", "c"), poll("e", 0, "a"), poll("e", 2, "c"))},
		{"skipped within a poll", Skipped, at(sent("p", "a", 0), sent("p", "b", 1), sent("p", "c", 2), poll("d", 0, "a", "b", "c"), both(poll("e", 0, "a"), poll("e", 2, "c")))},
		{"skipped by the final read at its beginning", Skipped,
			at(sent("p", "a", 0), sent("p", "b", 1), poll("c", 0, "a", "b"), Op{Kind: Final, Client: "f", Reads: []Read{read(1, "b")}})},
		{"over an offset where nobody knows a record", "", at(sent("p", "a", 0), sent("p", "c", 2), poll("e", 0, "a"), poll("e", 2, "c"))},
		{"over an aborted transaction", "", at(sent("q", "a", 0), with(sent("p", "b", 1), inTxn), sent("q", "c", 2), end(Abort, OK), poll("e", 0, "a"), poll("e", 2, "c"))},

		{"read before the commit", Precommitted, at(with(sent("p", "a", 0), inTxn), poll("c", 0, "a"), end(Commit, OK))},
		{"read after the commit", "", at(with(sent("p", "a", 0), inTxn), end(Commit, OK), poll("c", 0, "a"))},
		{"read before the commit by one who may", "", at(with(sent("p", "a", 0), inTxn), with(poll("c", 0, "a"), anybody), end(Commit, OK))},

		{"gone after healing", Unseen, at(with(sent("p", "a", 0), acks1), poll("c", 0, "a"), final())},
		{"there after healing", "", at(with(sent("p", "a", 0), acks1), poll("c", 0, "a"), final("a"))},

		{"a producer's records out of order", ProducerOrder,
			at(with(sent("p", "a", -1), func(op *Op) { op.Begin, op.End = 1, 9 }), with(sent("p", "b", -1), func(op *Op) { op.Begin, op.End = 2, 9 }), poll("c", 0, "b", "a"))},
		{"those of a plain producer", "",
			at(with(with(sent("p", "a", -1), plain), func(op *Op) { op.Begin, op.End = 1, 9 }), with(with(sent("p", "b", -1), plain), func(op *Op) { op.Begin, op.End = 2, 9 }), poll("c", 0, "b", "a"))},

		{"before what was acknowledged before", RealTimeOrder, at(with(sent("p", "a", 1), plain), with(sent("q", "b", -1), plain), poll("c", 0, "b", "a"))},
		{"before what was acknowledged later", "",
			at(with(sent("p", "a", 1), func(op *Op) { op.Begin, op.End = 1, 9 }), with(sent("q", "b", 0), func(op *Op) { op.Begin, op.End = 5, 6 }), poll("c", 0, "b", "a"))},

		{"a transaction that was only asked to abort", AbortedRead, at(with(sent("p", "a", 0), inTxn), end(Abort, Unknown), poll("c", 0, "a"))},
		{"one copy of what was passed", "", at(sent("p", "a", 0), with(sent("q", "b", 1), copyOf(0)), final("a", "b"), position(1))},
		{"two copies", CopiedTwice, at(sent("p", "a", 0), with(sent("q", "b", 1), copyOf(0)), with(sent("r", "c", 2), copyOf(0)), final("a", "b", "c"))},
		{"one of two copies aborted", "", at(sent("p", "a", 0), with(with(sent("q", "b", 1), copyOf(0)), inTxn), end(Abort, OK), with(sent("r", "c", -1), copyOf(0)),
			Op{Kind: Final, Client: "final", Reads: []Read{{Partition: t0, Offsets: []int64{0, 2}, Values: []string{"a", "c"}}}}, position(1))},
		{"passed and not copied", NotCopied, at(sent("p", "a", 0), sent("p", "b", 1), with(sent("q", "c", 2), copyOf(0)), final("a", "b", "c"), position(2))},
		{"not passed yet", "", at(sent("p", "a", 0), sent("p", "b", 1), with(sent("q", "c", 2), copyOf(0)), final("a", "b", "c"), position(1))},

		{"begun behind the commit", "", at(sent("p", "a", 0), sent("p", "b", 1), given("m"), of("g", poll("m", 0, "a")), saves("m", 1, OK), given("n"), of("g", poll("n", 1, "b")))},
		{"begun before the commit", WentBack, at(sent("p", "a", 0), given("m"), of("g", poll("m", 0, "a")), saves("m", 1, OK), given("n"), of("g", poll("n", 0, "a")))},
		{"begun before a commit that was refused", "",
			at(sent("p", "a", 0), given("m"), of("g", poll("m", 0, "a")), saves("m", 1, Failed), given("n"), of("g", poll("n", 0, "a")))},
		{"begun where a late commit may have been", "",
			at(sent("p", "a", 0), given("m"), of("g", poll("m", 0, "a")), saves("m", 0, Unknown), saves("m", 1, OK), given("n"), of("g", poll("n", 0, "a")))},
		{"begun where a commit of another generation was", WentBack,
			at(sent("p", "a", 0), given("l"), saves("l", 0, Unknown), given("m"), of("g", poll("m", 0, "a")), saves("m", 1, OK), given("n"), of("g", poll("n", 0, "a")))},
		{"in the end before a commit", WentBack, at(sent("p", "a", 0), given("m"), of("g", poll("m", 0, "a")), saves("m", 1, OK), final("a"), of("g", position(0)))},
		{"read and passed", "", at(sent("p", "a", 0), given("m"), of("g", poll("m", 0, "a")), saves("m", 1, OK), final("a"), of("g", position(1)))},
		{"passed and not read", PassedOver, at(sent("p", "a", 0), given("m"), saves("m", 1, OK), final("a"), of("g", position(1)))},
		{"passed by another group", PassedOver, at(sent("p", "a", 0), given("m"), of("h", poll("m", 0, "a")), saves("m", 1, OK), final("a"), of("g", position(1)))},
		{"a commit after the successor's", TwoOwners, at(sent("p", "a", 0), given("m"), saves("m", 0, OK), given("n"), saves("n", 1, OK), saves("m", 0, OK))},
		{"a commit after the successor's that was refused", "", at(sent("p", "a", 0), given("m"), saves("m", 0, OK), given("n"), saves("n", 1, OK), saves("m", 0, Failed))},
		{"a commit after having been given it again", "",
			at(sent("p", "a", 0), given("m"), saves("m", 0, OK), of("g", move(Taken, "m")), given("n"), saves("n", 1, OK), given("m"), saves("m", 1, OK))},

		{"what nobody sent", UnexpectedRead, at(poll("c", 0, "a"))},
		{"what was sent elsewhere", UnexpectedRead, at(with(sent("p", "a", -1), func(op *Op) { op.Partition.Index = 1 }), poll("c", 0, "a"))},
		{"before it was sent", UnexpectedRead, at(poll("c", 0, "a"), sent("p", "a", -1))},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Check(c.ops, Minimum{})
			got := found(r)
			if c.wrong == "" && len(got) > 0 || c.wrong != "" && !slices.Contains(got, c.wrong) {
				t.Errorf("found %q, want %q\n%s", got, c.wrong, r)
			}
		})
	}
}

func TestValuesMustBeUnique(t *testing.T) {
	r := Check(at(sent("p", "a", 0), sent("q", "a", 1), final("a")), Minimum{})
	if len(r.Invalid) != 1 || r.Verdict() == Fine {
		t.Errorf("invalid %q, %s", r.Invalid, r.Verdict())
	}
}

// A report says OK only of what was done and read to the end.
func TestVerdict(t *testing.T) {
	good := at(sent("p", "a", 0), poll("c", 0, "a"), Op{Kind: Fault, Fault: "kill", Target: "1"}, final("a"))
	for _, c := range []struct {
		name    string
		history History
		enough  Minimum
		want    Verdict
		says    string
	}{
		{"enough", good, Minimum{Acknowledged: 1, Read: 2, Faults: 1}, Fine, "Found: nothing."},
		{"too few writes", good, Minimum{Acknowledged: 2, Read: 2, Faults: 1}, Inconclusive, "Lacking: 1 writes were acknowledged by all in-sync replicas; it takes 2."},
		{"too few reads", good, Minimum{Acknowledged: 1, Read: 3, Faults: 1}, Inconclusive, "Lacking: 2 records were read; it takes 3."},
		{"too few faults", good, Minimum{Acknowledged: 1, Read: 2, Faults: 2}, Inconclusive, "Lacking: 1 faults happened; it takes 2."},
		{"too few groups", good, Minimum{Groups: 1}, Inconclusive, "Lacking: 0 groups read; it takes 1."},
		{"a group that did nothing", append(at(of("g", position(0))), good...), Minimum{Groups: 1, Given: 1, Saved: 1}, Inconclusive,
			"Lacking: members of g were given partitions 0 times; it takes 1.\nLacking: g has committed 0 times; it takes 1."},
		{"a group that did enough", append(at(given("m"), saves("m", 0, OK), saves("m", 0, Failed), saves("m", 0, Unknown)), good...), Minimum{Groups: 1, Given: 1, Saved: 1}, Fine,
			"Members of g were given partitions 1 times, read 0 records and committed 1 times (1 refused, 1 unknown)."},
		{"not read to the end", good[:3], Minimum{Acknowledged: 1, Read: 1, Faults: 1}, Inconclusive, "0 of 1 partitions were read to the end"},
		{"nothing at all", nil, Minimum{}, Inconclusive, "0 of 0 partitions"},
		{"little, and broken", at(sent("p", "a", 0), final()), Minimum{Acknowledged: 9, Read: 9, Faults: 9}, Broken, "Found: lost write, 1 times"},
	} {
		r := Check(c.history, c.enough)
		if r.Verdict() != c.want || !strings.Contains(r.String(), c.says) {
			t.Errorf("%s: %s, want %s and %q:\n%s", c.name, r.Verdict(), c.want, c.says, r)
		}
	}
}

func TestSavedAndReadBack(t *testing.T) {
	h := at(with(sent("p", "a", 0), inTxn), with(sent("p", "b", -1), failed), end(Commit, OK), with(poll("c", 0, "a"), anybody), move(Seek, "c"), given("m"), saves("m", 3, Unknown),
		Op{Kind: Fault, Fault: "kill", Target: "1", Partitions: []Partition{{"a-b-c", 12}}}, final("a"))
	var file bytes.Buffer
	if err := h.Write(&file); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(file.String(), "\n"); lines != len(h) {
		t.Errorf("%d lines for %d operations", lines, len(h))
	}
	back, err := Parse(&file)
	if err != nil || !reflect.DeepEqual(h, back) {
		t.Errorf("%v\nwrote %+v\nread  %+v", err, h, back)
	}
}

func TestBrokenFilesAreRefused(t *testing.T) {
	for _, text := range []string{
		"{", `{"op":"poll","reads":[{"partition":"t-0","offsets":[1],"values":[]}]}`, `{"op":"poll","reads":[{"partition":"t-0","offsets":[1],"values":["a"],"epochs":["",""]}]}`, `{"op":"send","partition":"t"}`, `{"op":"send","partition":"-1"}`,
		`{"op":"send","partition":"t-01"}`, `{"op":"send","begin":2,"end":1}`,
	} {
		if _, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

// What Kafka answers before the append is definite, for the first attempt.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err      error
		attempts int
		want     Outcome
	}{
		{nil, 1, OK}, {nil, 3, OK},
		{kerr.NotEnoughReplicas, 1, Failed}, {kerr.NotEnoughReplicas, 2, Unknown},
		{kerr.NotEnoughReplicasAfterAppend, 1, Unknown}, {kerr.RequestTimedOut, 1, Unknown}, {kerr.NotLeaderOrFollower, 1, Unknown},
		{kerr.KafkaStorageError, 1, Unknown}, {kerr.UnknownTopicOrPartition, 1, Unknown}, {kerr.UnknownServerError, 1, Unknown},
		{kerr.DuplicateSequenceNumber, 1, Unknown}, {kerr.MessageTooLarge, 1, Failed}, {kerr.RequestTimedOut, 0, Failed},
	} {
		if got := Classify(kerr.Code(c.err), c.attempts); got != c.want {
			t.Errorf("%v after %d attempts: %s, want %s", c.err, c.attempts, got, c.want)
		}
	}
}
