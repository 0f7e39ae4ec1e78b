package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Minimum is how much must have been done for silence to mean something.
type Minimum struct {
	Acknowledged int // sends, by all in-sync replicas
	Read         int // records, by any client
	Faults       int
	Committed    int // transactions
	Copied       int // records, by copiers whose transaction is there in the end
	Groups       int
	Given        int // times that members of each group were given partitions
	Saved        int // commits of positions, by each group
}

// Verdict is what a report comes to.
type Verdict string

// The verdicts. Inconclusive is not OK: too little was done, or not everything
// was read in the end.
const (
	Fine         Verdict = "OK"
	Broken       Verdict = "BROKEN"
	Inconclusive Verdict = "INCONCLUSIVE"
)

// maxExamples is how many findings of one kind a report tells in full.
const maxExamples = 5

// Found are the findings of one kind.
type Found struct {
	Count    int
	Examples []string
}

// Report is what was done, what was checked and what was found.
type Report struct {
	enough Minimum

	Length       time.Duration
	Clients      int
	Partitions   int
	Sent         map[Outcome]int
	Acknowledged int // by all in-sync replicas
	Polls        int
	RecordsRead  int
	Finals       int // partitions that were read as a whole in the end
	Committed    int // transactions
	Aborted      int // likewise; of what is left nobody knows the end
	Unended      int
	Copied       int // sources of copies that are there in the end
	Groups       map[string]*GroupReport
	Faults       map[string]int

	Found   map[string]*Found
	Invalid []string // the history contradicts itself

	// What Kafka does not promise, and happened.
	DuplicatesUnpromised int // of producers that are not idempotent, or began a new epoch
	ReorderedUnpromised  int
	LostUnpromised       int // acknowledged by the leader alone

	unread []Partition // no final read
}

// GroupReport is what the members of one group did.
type GroupReport struct {
	Given   int // times that a member was given partitions
	Read    int // records
	Saved   int // commits of positions that were acknowledged
	Refused int
	Unknown int
}

func (g *GroupReport) count(o Outcome) {
	switch o {
	case OK:
		g.Saved++
	case Failed:
		g.Refused++
	default:
		g.Unknown++
	}
}

func newReport(h History, enough Minimum) *Report {
	r := &Report{enough: enough, Sent: map[Outcome]int{}, Faults: map[string]int{}, Found: map[string]*Found{}}
	clients := map[string]bool{}
	for i := range h {
		op := &h[i]
		r.Length = max(r.Length, op.End)
		if op.Client != "" {
			clients[op.Client] = true
		}
		switch op.Kind {
		case Send:
			r.Sent[op.Outcome]++
			if op.Outcome == OK && op.Acks == -1 {
				r.Acknowledged++
			}
		case Poll:
			r.Polls++
		case Commit, Abort:
			switch {
			case op.Outcome != OK:
				r.Unended++
			case op.Kind == Commit:
				r.Committed++
			default:
				r.Aborted++
			}
		case Fault:
			r.Faults[op.Fault]++
		}
	}
	r.Clients = len(clients)
	return r
}

func (r *Report) find(kind, format string, args ...any) {
	f := r.Found[kind]
	if f == nil {
		f = &Found{}
		r.Found[kind] = f
	}
	f.Count++
	if len(f.Examples) < maxExamples {
		f.Examples = append(f.Examples, fmt.Sprintf(format, args...))
	}
}

// Add puts in a finding of another check than those of a history.
func (r *Report) Add(kind, finding string) { r.find(kind, "%s", finding) }

func (r *Report) invalid(format string, args ...any) {
	if len(r.Invalid) < maxExamples {
		r.Invalid = append(r.Invalid, fmt.Sprintf(format, args...))
	}
}

func (r *Report) finish(c *checker) {
	r.Partitions = len(c.logs)
	for _, p := range slices.SortedFunc(maps.Keys(c.logs), comparePartitions) {
		if c.logs[p].final != nil {
			r.Finals++
		} else {
			r.unread = append(r.unread, p)
		}
	}
}

// Lacking is what was not done that must have been; empty when enough was.
func (r *Report) Lacking() []string {
	lacking := slices.Clone(r.Invalid)
	if r.Acknowledged < r.enough.Acknowledged {
		lacking = append(lacking, fmt.Sprintf("%d writes were acknowledged by all in-sync replicas; it takes %d", r.Acknowledged, r.enough.Acknowledged))
	}
	if r.RecordsRead < r.enough.Read {
		lacking = append(lacking, fmt.Sprintf("%d records were read; it takes %d", r.RecordsRead, r.enough.Read))
	}
	if r.Committed < r.enough.Committed {
		lacking = append(lacking, fmt.Sprintf("%d transactions were committed; it takes %d", r.Committed, r.enough.Committed))
	}
	if r.Copied < r.enough.Copied {
		lacking = append(lacking, fmt.Sprintf("%d records were copied; it takes %d", r.Copied, r.enough.Copied))
	}
	lacking = append(lacking, r.lackingGroups()...)
	if faults := sum(r.Faults); faults < r.enough.Faults {
		lacking = append(lacking, fmt.Sprintf("%d faults happened; it takes %d", faults, r.enough.Faults))
	}
	if len(r.unread) > 0 || r.Partitions == 0 {
		lacking = append(lacking, fmt.Sprintf("%d of %d partitions were read to the end after healing; not %v", r.Finals, r.Partitions, r.unread))
	}
	return lacking
}

func (r *Report) lackingGroups() (lacking []string) {
	if len(r.Groups) < r.enough.Groups {
		lacking = append(lacking, fmt.Sprintf("%d groups read; it takes %d", len(r.Groups), r.enough.Groups))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Groups)) {
		g := r.Groups[name]
		if g.Given < r.enough.Given {
			lacking = append(lacking, fmt.Sprintf("members of %s were given partitions %d times; it takes %d", name, g.Given, r.enough.Given))
		}
		if g.Saved < r.enough.Saved {
			lacking = append(lacking, fmt.Sprintf("%s has committed %d times; it takes %d", name, g.Saved, r.enough.Saved))
		}
	}
	return lacking
}

// Verdict is Broken if anything was found, however little was done.
func (r *Report) Verdict() Verdict {
	switch {
	case len(r.Found) > 0:
		return Broken
	case len(r.Lacking()) > 0:
		return Inconclusive
	}
	return Fine
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// String is the report in plain words.
func (r *Report) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Done: in %v, %d clients sent %d records to %d partitions: %d acknowledged, %d failed, %d unknown.",
		r.Length.Round(time.Millisecond), r.Clients, sum(map[string]int{"": r.Sent[OK], "f": r.Sent[Failed], "u": r.Sent[Unknown]}), r.Partitions, r.Sent[OK], r.Sent[Failed], r.Sent[Unknown])
	line("      %d polls returned %d records, the final reads of %d partitions included.", r.Polls, r.RecordsRead, r.Finals)
	if r.Committed+r.Aborted+r.Unended > 0 {
		line("      %d transactions committed, %d aborted, of %d nobody knows; %d records were copied.", r.Committed, r.Aborted, r.Unended, r.Copied)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Groups)) {
		g := r.Groups[name]
		line("      Members of %s were given partitions %d times, read %d records and committed %d times (%d refused, %d unknown).", name, g.Given, g.Read, g.Saved, g.Refused, g.Unknown)
	}
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(r.Faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", name, r.Faults[name]))
	}
	line("      %d faults: %s.", sum(r.Faults), orNone(faults))
	line("Checked: %s.", strings.Join(Checks, ", "))
	line("Not promised, and happened: %d duplicates of producers that are not idempotent or began a new epoch, %d reorderings of producers that are not idempotent, %d records lost that only the leader had acknowledged.",
		r.DuplicatesUnpromised, r.ReorderedUnpromised, r.LostUnpromised)
	if len(r.Found) == 0 {
		line("Found: nothing.")
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Found)) {
		f := r.Found[kind]
		line("Found: %s, %d times:", kind, f.Count)
		for _, e := range f.Examples {
			line("  %s", e)
		}
	}
	for _, l := range r.Lacking() {
		line("Lacking: %s.", l)
	}
	line("%s", r.Verdict())
	return b.String()
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
