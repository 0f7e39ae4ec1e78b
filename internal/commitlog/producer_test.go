package commitlog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

func produce(t *testing.T, l *Log, p batch.Producer, n int, txn bool) (AppendInfo, error) {
	t.Helper()
	return l.AppendLeader(records(t, batch.Options{Producer: &p, Transactional: txn}, n, 10, testNow.UnixMilli()), Append{Epoch: 1, Now: testNow})
}

func endTxn(t *testing.T, l *Log, id model.ProducerID, epoch int16, commit bool, version int16, coordinator int32) (AppendInfo, error) {
	t.Helper()
	m := batch.Marker{Type: batch.ControlAbort, CoordinatorEpoch: coordinator}
	if commit {
		m.Type = batch.ControlCommit
	}
	b := batch.New(batch.Options{Control: true, Transactional: true, Producer: &batch.Producer{ID: id, Epoch: epoch, BaseSequence: -1}})
	key, value := m.MarkerRecord()
	b.Add(testNow.UnixMilli(), key, value)
	built, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return l.AppendLeader(built, Append{Epoch: 1, Now: testNow, Origin: Coordinator, TransactionVersion: version})
}

// The rules of KIP-98 and KIP-360 for sequence numbers, as ProducerAppendInfo has them.
func TestSequences(t *testing.T) {
	l, _ := newLog(t)
	steps := []struct {
		epoch int16
		seq   int32
		n     int
		base  model.Offset // where it is, or was
		dup   bool
		err   error
	}{
		{0, 3, 2, 0, false, nil}, // no state: any sequence will do
		{0, 5, 1, 2, false, nil},
		{0, 7, 1, 0, false, kerr.OutOfOrderSequenceNumber}, // a gap
		{0, 5, 1, 2, true, nil},
		{0, 3, 2, 0, true, nil},
		{0, 3, 1, 0, false, kerr.OutOfOrderSequenceNumber}, // not the same batch
		{0, 6, 1, 3, false, nil},
		{0, 7, 1, 4, false, nil},
		{0, 8, 1, 5, false, nil},
		{0, 3, 2, 0, true, nil}, // the fifth newest
		{0, 9, 1, 6, false, nil},
		{0, 3, 2, 0, false, kerr.OutOfOrderSequenceNumber}, // the sixth is forgotten
		{1, 4, 1, 0, false, kerr.OutOfOrderSequenceNumber}, // a new epoch begins at 0
		{1, 0, 1, 7, false, nil},
		{0, 10, 1, 0, false, kerr.InvalidProducerEpoch},
		{1, 1, 20, 8, false, nil},
	}
	for i, s := range steps {
		info, err := produce(t, l, batch.Producer{ID: 7, Epoch: s.epoch, BaseSequence: s.seq}, s.n, false)
		if !errors.Is(err, s.err) || err == nil && (info.FirstOffset != s.base || info.Duplicate != s.dup || info.LastOffset != s.base+model.Offset(s.n)-1) {
			t.Fatalf("step %d %+v: %+v, %v", i, s, info, err)
		}
	}
	// Sequence numbers wrap.
	if _, err := produce(t, l, batch.Producer{ID: 8, BaseSequence: math.MaxInt32 - 1}, 4, false); err != nil {
		t.Fatal(err)
	}
	if info, err := produce(t, l, batch.Producer{ID: 8, BaseSequence: math.MaxInt32 - 1}, 4, false); err != nil || !info.Duplicate {
		t.Errorf("duplicate over the wrap: %+v %v", info, err)
	}
	if _, err := produce(t, l, batch.Producer{ID: 8, BaseSequence: 2}, 1, false); err != nil {
		t.Errorf("after the wrap: %v", err)
	}
}

func TestProducersSurviveRestart(t *testing.T) {
	for _, clean := range []bool{true, false} {
		l, o := newLog(t)
		for i := range int32(40) {
			if _, err := produce(t, l, batch.Producer{ID: 7, BaseSequence: i}, 1, false); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := produce(t, l, batch.Producer{ID: 9}, 1, true); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprint(l.Producers())
		if clean {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			o.CleanShutdown, o.RecoveryPoint = true, l.RecoveryPoint()
		}
		l = open(t, o)
		if got := fmt.Sprint(l.Producers()); got != want {
			t.Errorf("clean %v: %s, want %s", clean, got, want)
		}
		if info, err := produce(t, l, batch.Producer{ID: 7, BaseSequence: 39}, 1, false); err != nil || !info.Duplicate || info.FirstOffset != 39 {
			t.Errorf("clean %v: duplicate after restart: %+v %v", clean, info, err)
		}
		if l.FirstUnstableOffset(l.End()) != 40 {
			t.Errorf("clean %v: first unstable %d", clean, l.FirstUnstableOffset(l.End()))
		}
	}
}

func TestTransactions(t *testing.T) {
	l, o := newLog(t)
	must := func(info AppendInfo, err error) AppendInfo {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	must(produce(t, l, batch.Producer{ID: 1}, 2, true)) // 0-1
	must(produce(t, l, batch.Producer{ID: 2}, 2, true)) // 2-3
	if _, err := produce(t, l, batch.Producer{ID: 1, BaseSequence: 2}, 1, false); !errors.Is(err, kerr.InvalidTxnState) {
		t.Errorf("plain batch within a transaction: %v", err)
	}
	must(endTxn(t, l, 2, 0, false, 0, 5)) // 4
	if u := l.FirstUnstableOffset(5); u != 0 {
		t.Errorf("first unstable %d, want 0", u)
	}
	must(endTxn(t, l, 1, 0, true, 0, 5)) // 5
	if u := l.FirstUnstableOffset(5); u != 0 {
		t.Errorf("first unstable %d: the marker at 5 is not below the high watermark 5", u)
	}
	if u := l.FirstUnstableOffset(6); u != -1 {
		t.Errorf("first unstable %d, want none", u)
	}
	if _, err := endTxn(t, l, 1, 0, true, 0, 4); !errors.Is(err, kerr.TransactionCoordinatorFenced) {
		t.Errorf("marker of an old coordinator: %v", err)
	}
	// Transaction version 2: the marker's epoch must be new, but one that is sent again is written again.
	must(endTxn(t, l, 1, 1, true, 2, 5)) // 6
	must(endTxn(t, l, 1, 1, true, 2, 5)) // 7
	if _, err := endTxn(t, l, 1, 0, true, 2, 5); !errors.Is(err, kerr.InvalidProducerEpoch) {
		t.Errorf("marker of an old epoch: %v", err)
	}
	for _, reopen := range []bool{false, true} {
		if reopen {
			l = open(t, o) // as after a crash: the index is made anew
		}
		got, err := l.AbortedTransactions(0, l.End())
		if err != nil || fmt.Sprint(got) != "[{2 2}]" {
			t.Errorf("aborted %v %v", got, err)
		}
		if got, err := l.AbortedTransactions(5, l.End()); err != nil || len(got) != 0 {
			t.Errorf("aborted from 5 on %v %v", got, err)
		}
	}
}

func TestControlBatchOfTheQuorumIsNoMarker(t *testing.T) {
	l, _ := newLog(t)
	b := batch.New(batch.Options{BaseOffset: 0, LeaderEpoch: 4, Control: true})
	b.Add(1, batch.ControlKey(batch.ControlLeaderChange), []byte{0, 0})
	built, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendFollower(built, model.NoEpoch); err != nil || l.LatestEpoch() != 4 || len(l.Producers()) != 0 {
		t.Errorf("%v, epoch %d, producers %v", err, l.LatestEpoch(), l.Producers())
	}
	if err := l.Flush(context.Background(), 1); err != nil {
		t.Error(err)
	}
}
