package commitlog

import (
	"errors"
	"sort"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
)

// Found is a record that was looked for.
type Found struct {
	Offset    model.Offset
	Timestamp int64
	Epoch     model.Epoch
}

// OffsetForTimestamp is the first record, from Start on, whose timestamp is at
// least ts; ok is false if there is none.
func (l *Log) OffsetForTimestamp(ts int64) (f Found, ok bool, err error) {
	err = again(func() error {
		f, ok, err = l.offsetForTimestamp(ts)
		return err
	})
	return f, ok, err
}

func (l *Log) offsetForTimestamp(ts int64) (f Found, ok bool, err error) {
	views, start, err := l.views()
	if err != nil {
		return f, false, err
	}
	for i := range views {
		v := &views[i]
		m, err := v.largest()
		if err != nil {
			return f, false, err
		}
		if m.timestamp < ts || v.next <= start {
			continue
		}
		f, ok, err = v.firstAt(ts, start)
		if ok || err != nil {
			return f, ok, err
		}
	}
	return f, false, nil
}

// MaxTimestamp is the record with the largest timestamp, the first of several;
// ok is false if no record has one.
func (l *Log) MaxTimestamp() (f Found, ok bool, err error) {
	err = again(func() error {
		f, ok, err = l.maxTimestamp()
		return err
	})
	return f, ok, err
}

func (l *Log) maxTimestamp() (f Found, ok bool, err error) {
	views, start, err := l.views()
	if err != nil {
		return f, false, err
	}
	stamps := make([]int64, len(views))
	for i := range views {
		m, err := views[i].largest()
		if err != nil {
			return f, false, err
		}
		stamps[i] = m.timestamp
	}
	for {
		best := 0
		for i, ts := range stamps {
			if ts > stamps[best] {
				best = i
			}
		}
		most := stamps[best]
		if most <= batch.NoTimestamp {
			return f, false, nil
		}
		if f, ok, err = views[best].firstAt(most, max(start, 0)); ok || err != nil {
			return f, ok, err
		}
		// Compaction has removed that record and left the header of its batch: what
		// others are there, their headers tell.
		if stamps[best], err = views[best].largestBelow(most, start); err != nil {
			return f, false, err
		}
	}
}

// largestBelow is the largest timestamp less than most of a batch with records at
// or after start.
func (v *view) largestBelow(most int64, start model.Offset) (int64, error) {
	largest := batch.NoTimestamp
	r := headers{view: v}
	for r.next() {
		if ts := r.header.MaxTimestamp(); ts < most && r.header.RecordCount() > 0 && r.header.LastOffset() >= start {
			largest = max(largest, ts)
		}
	}
	return largest, r.err
}

// again repeats what failed because a segment was replaced and its files are gone.
func again(do func() error) error {
	for {
		if err := do(); !errors.Is(err, errRemoved) {
			return err
		}
	}
}

func (l *Log) views() ([]view, model.Offset, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return nil, 0, l.failure
	}
	out := make([]view, len(l.segments))
	for i, s := range l.segments {
		out[i] = s.view()
	}
	return out, l.start, nil
}

// firstAt is the segment's first record at or after start with a timestamp of
// at least ts.
func (v *view) firstAt(ts int64, start model.Offset) (Found, bool, error) {
	n, err := v.times.search(func(b []byte) bool { return getStamp(v.base, b).timestamp < ts })
	if err != nil {
		return Found{}, false, err
	}
	from := start
	if n > 0 {
		b, err := v.times.read(n-1, n)
		if err != nil {
			return Found{}, false, err
		}
		from = max(from, getStamp(v.base, b).offset)
	}
	at, _, err := v.locate(from)
	if err != nil {
		return Found{}, false, err
	}
	r := headers{view: v, at: at}
	for r.next() {
		if r.header.MaxTimestamp() < ts || r.header.LastOffset() < start {
			continue
		}
		b, err := v.whole(r.at, r.size)
		if err != nil {
			return Found{}, false, err
		}
		for rec, err := range b.Records(maxDecompressed) {
			if err != nil {
				return Found{}, false, err
			}
			if rec.Timestamp >= ts && rec.Offset >= start {
				return Found{rec.Offset, rec.Timestamp, b.LeaderEpoch()}, true, nil
			}
		}
	}
	return Found{}, false, r.err
}

// Aborted is an aborted transaction that a read_committed consumer leaves out.
type Aborted struct {
	Producer model.ProducerID
	First    model.Offset
}

// AbortedTransactions are those that have records at or after from and before to.
func (l *Log) AbortedTransactions(from, to model.Offset) (out []Aborted, err error) {
	err = again(func() error {
		out, err = l.abortedTransactions(from, to)
		return err
	})
	return out, err
}

func (l *Log) abortedTransactions(from, to model.Offset) ([]Aborted, error) {
	views, _, err := l.views()
	if err != nil {
		return nil, err
	}
	found, err := abortedBetween(views, from, to)
	var out []Aborted
	for _, a := range found {
		out = append(out, Aborted{a.producer, a.first})
	}
	return out, err
}

// Producer is what DescribeProducers tells of one.
type Producer struct {
	ID               model.ProducerID
	Epoch            int16
	LastSequence     int32
	LastTimestamp    int64
	CoordinatorEpoch int32
	TxnStart         model.Offset // of its open transaction, or -1
}

// Producers are the log's idempotent producers in the order of their ids.
func (l *Log) Producers() []Producer {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Producer, 0, len(l.producers.byID))
	for id, p := range l.producers.byID {
		last := batch.NoSequence
		if p.count > 0 {
			last = p.lastSequence()
		}
		out = append(out, Producer{id, p.epoch, last, p.timestamp, p.coordinatorEpoch, p.txnStart})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}
