package history

import (
	"cmp"
	"maps"
	"slices"
)

// The kinds of finding. Each is a broken promise.
const (
	LostWrite      = "lost write"           // acknowledged by all in-sync replicas, and not there although what follows was read
	AbortedRead    = "aborted read"         // G1a: read although its send, or its transaction, definitely failed
	Inconsistent   = "inconsistent offset"  // two values at one offset, by reads and acknowledgements
	Duplicate      = "duplicate"            // one value at two offsets, by one epoch of an idempotent producer
	Backwards      = "nonmonotonic poll"    // a consumer went back without having been told to
	Skipped        = "skipped poll"         // a consumer passed over a record that others know
	Precommitted   = "precommitted read"    // read before its transaction was asked to commit
	Unseen         = "unseen after healing" // read before, and gone from the final read
	ProducerOrder  = "producer order"       // an idempotent producer's records in another order than sent
	RealTimeOrder  = "real-time order"      // sent after another was acknowledged, and before it in the log
	UnexpectedRead = "unexpected read"      // a value that nobody sent, or elsewhere, or later
	CopiedTwice    = "copied twice"         // two copies of one record, each in a committed transaction
	NotCopied      = "not copied"           // a record before what the copiers' group has committed, and no copy of it
	PassedOver     = "passed over"          // a record before what a group has committed, and no member has read it
	WentBack       = "commit went back"     // a member of a group began before what the group had committed
	TwoOwners      = "two owners"           // a member's commit was taken after that of another which was given the partition later
)

// Checks are the kinds of finding, in the order of reports.
var Checks = []string{LostWrite, AbortedRead, Inconsistent, Duplicate, Backwards, Skipped, Precommitted, Unseen, ProducerOrder, RealTimeOrder, UnexpectedRead, CopiedTwice, NotCopied, PassedOver, WentBack, TwoOwners}

// Check judges a history.
func Check(h History, enough Minimum) *Report {
	c := &checker{
		report: newReport(h, enough), sends: map[string]*Op{}, txns: map[string]*txn{}, logs: map[Partition]*log{},
	}
	sorted := make([]*Op, len(h))
	for i := range h {
		sorted[i] = &h[i]
	}
	slices.SortStableFunc(sorted, func(a, b *Op) int { return cmp.Compare(a.Begin, b.Begin) })
	for _, op := range sorted {
		c.learnSend(op)
	}
	for _, op := range sorted {
		c.learnReads(op)
	}
	for _, l := range c.logs {
		l.known = slices.Sorted(maps.Keys(l.at))
	}
	c.checkPositions(sorted)
	c.checkFates()
	for _, p := range slices.SortedFunc(maps.Keys(c.logs), comparePartitions) {
		c.checkLog(p, c.logs[p])
	}
	c.checkCopies(sorted)
	c.checkGroups(sorted)
	c.report.finish(c)
	return c.report
}

func comparePartitions(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
}

type checker struct {
	report *Report
	sends  map[string]*Op // by value
	txns   map[string]*txn
	logs   map[Partition]*log
}

// txn is what became of a transaction.
type txn struct {
	commit, abort *Op
	read          bool // a value of it was read under read_committed
}

// fate is what a reader under read_committed may expect of a value.
type fate int

const (
	may fate = iota
	must
	mustNot
)

// log is all that is known about one partition.
type log struct {
	sends   []*Op
	at      map[int64]string   // the first value that was claimed for an offset
	offsets map[string][]int64 // of a value: all it was read at or acknowledged with, ascending
	touched map[string]bool    // returned by any poll
	read    map[string]bool    // returned by a poll under read_committed, or the final read
	seen    map[string]bool    // the same without the final read
	highest int64              // offset that was read; -1
	final   map[string]bool    // what the final read returned; nil without one
	known   []int64            // the keys of at, ascending
	epochs  map[int64]string   // which life of which producer wrote what is at an offset, where known
}

func (c *checker) log(p Partition) *log {
	l := c.logs[p]
	if l == nil {
		l = &log{at: map[int64]string{}, offsets: map[string][]int64{}, touched: map[string]bool{}, read: map[string]bool{}, seen: map[string]bool{}, highest: -1, epochs: map[int64]string{}}
		c.logs[p] = l
	}
	return l
}

// claim notes that a value is at an offset.
func (c *checker) claim(p Partition, offset int64, value, by string) {
	l := c.log(p)
	if other, ok := l.at[offset]; ok && other != value {
		c.report.find(Inconsistent, "%s at offset %d: %q, and %q by %s", p, offset, other, value, by)
		return
	}
	l.at[offset] = value
	at := l.offsets[value]
	if i, found := slices.BinarySearch(at, offset); !found {
		l.offsets[value] = slices.Insert(at, i, offset)
	}
}

func (c *checker) txn(id string) *txn {
	t := c.txns[id]
	if t == nil {
		t = &txn{}
		c.txns[id] = t
	}
	return t
}

func (c *checker) learnSend(op *Op) {
	switch op.Kind {
	case Commit:
		c.txn(op.Txn).commit = op
	case Abort:
		c.txn(op.Txn).abort = op
	case Send:
		if first := c.sends[op.Value]; first != nil {
			c.report.invalid("%q was sent twice, by %s and %s: values must be unique", op.Value, first.Client, op.Client)
			return
		}
		c.sends[op.Value] = op
		l := c.log(op.Partition)
		l.sends = append(l.sends, op)
		// With acks=1 a record may be lost, and its offset be another's; a client
		// does not always learn the offset of a batch that it sent twice.
		if op.Outcome == OK && op.Acks == -1 && op.Offset >= 0 {
			c.claim(op.Partition, op.Offset, op.Value, "the acknowledgement to "+op.Client)
		}
	}
}

func (c *checker) learnReads(op *Op) {
	if op.Kind != Poll && op.Kind != Final {
		return
	}
	for _, r := range op.Reads {
		l := c.log(r.Partition)
		if op.Kind == Final && l.final == nil {
			l.final = map[string]bool{}
		}
		for i, value := range r.Values {
			if len(r.Epochs) > 0 {
				l.epochs[r.Offsets[i]] = r.Epochs[i]
			}
			c.learnRead(op, l, r.Partition, r.Offsets[i], value)
		}
	}
}

func (c *checker) learnRead(op *Op, l *log, p Partition, offset int64, value string) {
	c.report.RecordsRead++
	c.claim(p, offset, value, op.Client)
	send := c.sends[value]
	switch {
	case send == nil:
		c.report.find(UnexpectedRead, "%s read %q of %s at %d, which nobody sent", op.Client, value, p, offset)
		return
	case send.Partition != p:
		c.report.find(UnexpectedRead, "%s read %q of %s at %d; it was sent to %s", op.Client, value, p, offset, send.Partition)
		return
	case op.End < send.Begin:
		c.report.find(UnexpectedRead, "%s read %q of %s at %d by %v; it was sent at %v", op.Client, value, p, offset, op.End, send.Begin)
	}
	l.highest = max(l.highest, offset)
	l.touched[value] = true
	if op.Uncommitted && send.Txn != "" {
		return
	}
	l.read[value] = true
	if op.Kind == Final {
		l.final[value] = true
	} else {
		l.seen[value] = true
	}
	if send.Txn == "" {
		return
	}
	t := c.txn(send.Txn)
	t.read = true
	if t.abort == nil && (t.commit == nil || op.End < t.commit.Begin) {
		c.report.find(Precommitted, "%s read %q of %s at %d by %v, before its transaction was asked to commit", op.Client, value, p, offset, op.End)
	}
}

// fate of a send. A transaction that is not known to be committed was, as a
// whole, if any of it was read; one that was never asked to commit must not be.
func (c *checker) fate(send *Op) fate {
	if send.Outcome == Failed {
		return mustNot
	}
	if send.Txn == "" {
		if send.Outcome == OK && send.Acks == -1 {
			return must
		}
		return may
	}
	t := c.txn(send.Txn)
	switch {
	case t.abort != nil && t.abort.Outcome == OK, t.commit != nil && t.commit.Outcome == Failed, t.commit == nil && t.abort != nil:
		return mustNot
	case send.Outcome != OK || t.commit == nil:
		return may
	case t.commit.Outcome == OK, t.read:
		return must
	}
	return may
}

// checkFates finds what was read and should not, and what should and was not.
func (c *checker) checkFates() {
	for _, p := range slices.SortedFunc(maps.Keys(c.logs), comparePartitions) {
		l := c.logs[p]
		for _, send := range l.sends {
			switch f := c.fate(send); {
			case f == mustNot && l.read[send.Value]:
				c.report.find(AbortedRead, "%q of %s was read at %v although %s was told that it failed: %s", send.Value, p, l.offsets[send.Value], send.Client, send.Error)
			case f == must && !l.touched[send.Value] && (l.final != nil || send.Offset >= 0 && send.Offset <= l.highest):
				c.report.find(LostWrite, "%q of %s, acknowledged at offset %d to %s at %v, was never read; the highest offset read is %d",
					send.Value, p, send.Offset, send.Client, send.End, l.highest)
			case f != mustNot && l.final != nil && l.seen[send.Value] && !l.final[send.Value]:
				c.report.find(Unseen, "%q of %s was read at %v and was not there in the end", send.Value, p, l.offsets[send.Value])
			case send.Outcome == OK && send.Acks != -1 && l.final != nil && !l.final[send.Value]:
				c.report.LostUnpromised++
			}
		}
	}
}

// checkPositions follows each consumer through its partitions.
func (c *checker) checkPositions(sorted []*Op) {
	type position struct {
		client    string
		partition Partition
	}
	last := map[position]int64{}
	for _, op := range sorted {
		switch op.Kind {
		case Assign, Subscribe:
			maps.DeleteFunc(last, func(p position, _ int64) bool { return p.client == op.Client })
		case Seek, Given, Taken:
			for _, p := range op.Partitions {
				delete(last, position{op.Client, p})
			}
		case Final:
			for _, r := range op.Reads {
				c.checkStep(op, r, -1)
			}
		case Poll:
			for _, r := range op.Reads {
				if len(r.Offsets) == 0 {
					continue
				}
				at := position{op.Client, r.Partition}
				before, ok := last[at]
				if !ok {
					before = r.Offsets[0] - 1 // wherever it begins
				}
				last[at] = c.checkStep(op, r, before)
			}
		}
	}
}

// checkStep follows a consumer through one poll of one partition, from the last
// offset before it. It returns the last offset.
func (c *checker) checkStep(op *Op, r Read, before int64) int64 {
	l := c.logs[r.Partition]
	for i, offset := range r.Offsets {
		within := "from poll to poll"
		if i > 0 {
			within = "within a poll"
		}
		if offset <= before {
			c.report.find(Backwards, "%s read %s at %d after %d, %s", op.Client, r.Partition, offset, before, within)
		} else if passed := c.visibleBetween(op, l, before, offset); passed >= 0 {
			c.report.find(Skipped, "%s read %s at %d after %d, %s; there is %q at %d", op.Client, r.Partition, offset, before, within, l.at[passed], passed)
		}
		before = offset
	}
	return before
}

// visibleBetween is an offset between two others at which a consumer has to find
// a record; -1 if there is none.
func (c *checker) visibleBetween(op *Op, l *log, after, before int64) int64 {
	if before-after < 2 {
		return -1
	}
	i, _ := slices.BinarySearch(l.known, after+1)
	for ; i < len(l.known) && l.known[i] < before; i++ {
		value := l.at[l.known[i]]
		if send := c.sends[value]; send == nil || c.fate(send) == must || l.read[value] && c.fate(send) != mustNot {
			return l.known[i]
		}
	}
	return -1
}

func (c *checker) checkLog(p Partition, l *log) {
	for _, send := range l.sends {
		if at := l.offsets[send.Value]; len(at) > 1 {
			if l.repeats(at) && send.Idempotent {
				c.report.find(Duplicate, "%q of %s by %s is at offsets %v", send.Value, p, send.Client, at)
			} else {
				c.report.DuplicatesUnpromised++
			}
		}
	}
	c.checkProducers(p, l)
	c.checkRealTime(p, l)
}

// repeats reports whether two of the records at these offsets may be of one epoch
// of one producer: then a broker let a sequence number pass twice.
func (l *log) repeats(at []int64) bool {
	before := map[string]bool{}
	for _, offset := range at {
		epoch := l.epochs[offset]
		if epoch == "" || before[epoch] {
			return true
		}
		before[epoch] = true
	}
	return false
}

// checkProducers compares the order of each producer's records with that in
// which it sent them. A producer that is not idempotent may have sent a batch
// again after the next one had been appended.
func (c *checker) checkProducers(p Partition, l *log) {
	bySender := map[string][]*Op{}
	for _, send := range l.sends {
		if len(l.offsets[send.Value]) > 0 {
			bySender[send.Client] = append(bySender[send.Client], send)
		}
	}
	for _, client := range slices.Sorted(maps.Keys(bySender)) {
		sends := bySender[client]
		slices.SortStableFunc(sends, func(a, b *Op) int { return cmp.Compare(a.Number, b.Number) })
		for i := 1; i < len(sends); i++ {
			a, b := sends[i-1], sends[i]
			switch first, second := l.offsets[a.Value][0], l.offsets[b.Value][0]; {
			case first < second:
			case a.Idempotent && b.Idempotent:
				c.report.find(ProducerOrder, "%s sent %q before %q to %s; they are at offsets %d and %d", client, a.Value, b.Value, p, first, second)
			default:
				c.report.ReorderedUnpromised++
			}
		}
	}
}

// checkRealTime finds records that were sent after another was acknowledged by
// all in-sync replicas and stand before it.
func (c *checker) checkRealTime(p Partition, l *log) {
	var acknowledged []*Op
	for _, send := range l.sends {
		if send.Outcome == OK && send.Acks == -1 && send.Offset >= 0 {
			acknowledged = append(acknowledged, send)
		}
	}
	slices.SortFunc(acknowledged, func(a, b *Op) int { return cmp.Compare(a.End, b.End) })
	bySend := slices.Clone(l.sends)
	slices.SortStableFunc(bySend, func(a, b *Op) int { return cmp.Compare(a.Begin, b.Begin) })
	var highest *Op // of those acknowledged before the send at hand
	for _, send := range bySend {
		for len(acknowledged) > 0 && acknowledged[0].End < send.Begin {
			if highest == nil || acknowledged[0].Offset > highest.Offset {
				highest = acknowledged[0]
			}
			acknowledged = acknowledged[1:]
		}
		at := l.offsets[send.Value]
		if highest != nil && len(at) > 0 && at[0] < highest.Offset {
			c.report.find(RealTimeOrder, "%q of %s is at offset %d; it was sent at %v, after %q was acknowledged at offset %d, at %v",
				send.Value, p, at[0], send.Begin, highest.Value, highest.Offset, highest.End)
		}
	}
}
