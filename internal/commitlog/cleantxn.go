package commitlog

import (
	"slices"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
)

// cleanedTxns tells, batch by batch in the order of the log, what belongs to
// aborted transactions, and which markers have nothing left to mark. Records of an
// aborted transaction may leave at once; its marker, and the entry in the
// transaction index, only in a later round, when none of its batches is found any
// more: a consumer that has seen one of them waits for the marker.
type cleanedTxns struct {
	coming    []abortedTxn // by first offset
	aborted   map[model.ProducerID]*abortedSeen
	committed map[model.ProducerID]bool
	keep      func(abortedTxn) // takes the entries whose markers stay; may be nil
}

type abortedSeen struct {
	txn  abortedTxn
	data bool // a batch of it was found
}

func newCleanedTxns(keep func(abortedTxn)) *cleanedTxns {
	return &cleanedTxns{aborted: map[model.ProducerID]*abortedSeen{}, committed: map[model.ProducerID]bool{}, keep: keep}
}

// expect adds aborted transactions that batches to come may belong to.
func (c *cleanedTxns) expect(txns []abortedTxn) {
	c.coming = append(c.coming, txns...)
	slices.SortStableFunc(c.coming, func(a, b abortedTxn) int { return int(min(max(a.first-b.first, -1), 1)) })
}

// arrive begins the transactions that have begun by the offset. One that is known
// was told of by two segments.
func (c *cleanedTxns) arrive(offset model.Offset) {
	for len(c.coming) > 0 && c.coming[0].first <= offset {
		t := c.coming[0]
		c.coming = c.coming[1:]
		if c.aborted[t.producer] == nil {
			c.aborted[t.producer] = &abortedSeen{txn: t}
		}
	}
}

// discard reports whether the records of b are of no use: those of an aborted
// transaction, or the marker of one without batches.
func (c *cleanedTxns) discard(b batch.Batch) (bool, error) {
	c.arrive(b.LastOffset())
	if b.IsControl() {
		return c.discardControl(b)
	}
	if !b.IsTransactional() {
		return false, nil
	}
	if seen := c.aborted[b.ProducerID()]; seen != nil {
		seen.data = true
		return true, nil
	}
	c.committed[b.ProducerID()] = true
	return false, nil
}

func (c *cleanedTxns) discardControl(b batch.Batch) (bool, error) {
	id := b.ProducerID()
	for r, err := range b.Records(maxDecompressed) {
		if err != nil {
			return false, err
		}
		kind, err := batch.ParseControlKey(r.Key)
		if err != nil {
			return false, err
		}
		switch kind {
		case batch.ControlAbort:
			seen := c.aborted[id]
			delete(c.aborted, id)
			if seen == nil || !seen.data {
				return true, nil
			}
			if c.keep != nil {
				c.keep(seen.txn)
			}
			return false, nil
		case batch.ControlCommit:
			had := c.committed[id]
			delete(c.committed, id)
			return !had, nil
		}
		return false, nil
	}
	return true, nil // its record has left before
}

// abortedBetween are the entries of the transaction indexes that matter to
// batches from one offset to before another.
func abortedBetween(views []view, from, to model.Offset) ([]abortedTxn, error) {
	var out []abortedTxn
	for i := range views {
		v := &views[i]
		if v.next <= from {
			continue
		}
		b, err := v.txns.read(0, v.txns.count())
		if err != nil {
			return nil, err
		}
		for ; len(b) >= txnWidth; b = b[txnWidth:] {
			a, err := parseAborted(b)
			if err != nil {
				return nil, corruptf("%s: %v", v.txns.file.name, err)
			}
			if a.last >= from && a.first < to {
				out = append(out, a)
			}
			if a.stable >= to {
				return out, nil
			}
		}
	}
	return out, nil
}
