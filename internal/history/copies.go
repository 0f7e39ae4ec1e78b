package history

import "strings"

// checkCopies holds what copiers made of records against exactly once: of each
// record that their group has passed there is one copy in the end, and of none are
// there two.
func (c *checker) checkCopies(sorted []*Op) {
	copies := map[string][]*Op{} // those that are there in the end, by source
	for _, op := range sorted {
		if op.Kind == Send && op.Source != "" && c.logs[op.Partition].final[op.Value] {
			copies[op.Source] = append(copies[op.Source], op)
		}
	}
	c.report.Copied = len(copies)
	for _, op := range sorted {
		if op.Kind != Send || op.Source == "" {
			continue
		}
		if all := copies[op.Source]; len(all) > 1 && all[0] == op {
			var which []string
			for _, one := range all {
				which = append(which, one.Value+" in "+one.Txn)
			}
			c.report.find(CopiedTwice, "of %s there are %s", op.Source, strings.Join(which, ", "))
		}
	}
	for _, op := range sorted {
		if op.Kind != Position || op.Group != "" {
			continue
		}
		for _, r := range op.Reads {
			for _, upTo := range r.Offsets {
				c.checkCopied(op.Client, r.Partition, upTo, copies)
			}
		}
	}
}

// checkCopied looks for a copy of each record of a partition before an offset.
func (c *checker) checkCopied(group string, p Partition, upTo int64, copies map[string][]*Op) {
	l := c.logs[p]
	if l == nil {
		return
	}
	for _, offset := range l.known {
		if value := l.at[offset]; offset < upTo && l.final[value] && len(copies[Source(p, offset)]) == 0 {
			c.report.find(NotCopied, "%s has passed %q of %s at %d, and is at %d", group, value, p, offset, upTo)
		}
	}
}
