package history

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// shared is a partition as one group reads it.
type shared struct {
	group     string
	partition Partition
}

// tenure is the time for which a member has a partition, in its own eyes: one that
// the group has given up on may not know yet.
type tenure struct {
	client string
	since  time.Duration
	saves  []save
}

// save is one commit of a position. A request is made once, so that one whose
// outcome is known takes no effect after its end; any other may until somebody is
// given the partition anew, which a group does in another generation or epoch.
type save struct {
	*Op
	offset int64
}

// forEver is behind all that happens.
const forEver = time.Duration(math.MaxInt64)

// until is when the save has taken effect if it ever does.
func (s save) until(tenures []*tenure) time.Duration {
	if s.Outcome == OK {
		return s.End
	}
	for _, t := range tenures {
		if t.since >= s.End {
			return t.since
		}
	}
	return forEver
}

// groups is what is known about who read what for whom.
type groups struct {
	*checker
	all     map[string]*GroupReport
	tenures map[shared][]*tenure
	open    map[shared]map[string]*tenure // by client
	saves   map[shared][]save
	read    map[shared]map[int64]bool
	starts  map[shared][]start
}

// start is a member's first record of a partition, or where a group is in the end.
type start struct {
	client string
	at     time.Duration // not asked for before
	offset int64
}

// checkGroups holds groups to what they promise their members: who commits a
// position is the only one that has the partition, whoever has it next begins no
// earlier, and no record before it has been read by nobody.
func (c *checker) checkGroups(sorted []*Op) {
	g := &groups{checker: c, all: map[string]*GroupReport{}, tenures: map[shared][]*tenure{}, open: map[shared]map[string]*tenure{},
		saves: map[shared][]save{}, read: map[shared]map[int64]bool{}, starts: map[shared][]start{}}
	for _, op := range sorted {
		if op.Group == "" {
			continue
		}
		if g.all[op.Group] == nil {
			g.all[op.Group] = &GroupReport{}
		}
		g.learn(op, g.all[op.Group])
	}
	for _, at := range slices.SortedFunc(maps.Keys(g.starts), compareShared) {
		g.checkStarts(at)
	}
	for _, at := range slices.SortedFunc(maps.Keys(g.tenures), compareShared) {
		g.checkOwners(at)
	}
	for _, op := range sorted {
		if op.Kind == Position && op.Group != "" {
			g.checkPassed(op)
		}
	}
	c.report.Groups = g.all
}

func compareShared(a, b shared) int {
	return cmp.Or(cmp.Compare(a.group, b.group), comparePartitions(a.partition, b.partition))
}

// learn takes in one operation, in the order in which they began.
func (g *groups) learn(op *Op, r *GroupReport) {
	switch op.Kind {
	case Given:
		r.Given++
		for _, p := range op.Partitions {
			g.given(op, shared{op.Group, p})
		}
	case Taken:
		for _, p := range op.Partitions {
			delete(g.open[shared{op.Group, p}], op.Client)
		}
	case Save:
		r.count(op.Outcome)
		if op.Outcome == Failed {
			return
		}
		for _, read := range op.Reads {
			g.saved(op, shared{op.Group, read.Partition}, read.Offsets[0])
		}
	case Poll:
		for _, read := range op.Reads {
			r.Read += len(read.Offsets)
			g.polled(op, shared{op.Group, read.Partition}, read.Offsets)
		}
	case Position:
		for _, read := range op.Reads {
			for _, offset := range read.Offsets {
				at := shared{op.Group, read.Partition}
				g.starts[at] = append(g.starts[at], start{op.Group + " in the end", op.Begin, offset})
			}
		}
	}
}

func (g *groups) given(op *Op, at shared) {
	t := &tenure{client: op.Client, since: op.Begin}
	if g.open[at] == nil {
		g.open[at] = map[string]*tenure{}
	}
	g.open[at][op.Client] = t
	g.tenures[at] = append(g.tenures[at], t)
}

func (g *groups) saved(op *Op, at shared, offset int64) {
	s := save{op, offset}
	g.saves[at] = append(g.saves[at], s)
	if t := g.open[at][op.Client]; t != nil && op.Outcome == OK {
		t.saves = append(t.saves, s)
	}
}

// polled notes what was read, and where the first poll of a tenure began.
func (g *groups) polled(op *Op, at shared, offsets []int64) {
	if g.read[at] == nil {
		g.read[at] = map[int64]bool{}
	}
	for _, offset := range offsets {
		g.read[at][offset] = true
	}
	t := g.open[at][op.Client]
	if t == nil || len(offsets) == 0 {
		return
	}
	begun := slices.ContainsFunc(g.starts[at], func(s start) bool { return s.client == t.client && s.at == t.since })
	if !begun {
		g.starts[at] = append(g.starts[at], start{t.client, t.since, offsets[0]})
	}
}

// checkStarts compares where members began with what the group may have told them:
// the newest position that was known to be committed, or any whose commit may have
// come after it.
func (g *groups) checkStarts(at shared) {
	saves := g.saves[at]
	for _, s := range g.starts[at] {
		var newest *save // the acknowledged one that began last
		for i := range saves {
			if w := &saves[i]; w.Outcome == OK && w.End < s.at && (newest == nil || w.Begin > newest.Begin) {
				newest = w
			}
		}
		if newest == nil {
			continue
		}
		least := newest.offset
		for _, w := range saves {
			if w.until(g.tenures[at]) >= newest.Begin {
				least = min(least, w.offset)
			}
		}
		if s.offset < least {
			g.report.find(WentBack, "%s: %s began at %d at %v; %d had been committed by %s at %v", at.partition, s.client, s.offset, s.at, newest.offset, newest.Client, newest.End)
		}
	}
}

// checkOwners finds commits of a member that had lost the partition without having
// been told: a later one had been given it, and its commit been taken.
func (g *groups) checkOwners(at shared) {
	for i, early := range g.tenures[at] {
		for _, late := range g.tenures[at][i+1:] {
			if early.client == late.client || len(early.saves) == 0 || len(late.saves) == 0 {
				continue
			}
			a, b := early.saves[len(early.saves)-1], late.saves[0]
			if a.Begin > b.End {
				g.report.find(TwoOwners, "%s of %s: %s, which had it since %v, committed %d at %v; %s had it since %v and had committed %d at %v",
					at.partition, at.group, early.client, early.since, a.offset, a.End, late.client, late.since, b.offset, b.End)
			}
		}
	}
}

// checkPassed looks for records that the group has left behind and nobody has read.
func (g *groups) checkPassed(op *Op) {
	for _, r := range op.Reads {
		l := g.logs[r.Partition]
		if l == nil {
			continue
		}
		read := g.read[shared{op.Group, r.Partition}]
		for _, upTo := range r.Offsets {
			for _, offset := range l.known {
				if offset >= upTo {
					break
				}
				if value := l.at[offset]; l.final[value] && !read[offset] {
					g.report.find(PassedOver, "%s has passed %q of %s at %d, and is at %d", op.Group, value, r.Partition, offset, upTo)
				}
			}
		}
	}
}
