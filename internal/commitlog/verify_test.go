package commitlog

import (
	"errors"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// verifying is a log that wants transactions verified.
type verifying struct {
	t *testing.T
	*Log
}

func newVerifying(t *testing.T) verifying {
	l, _ := newLog(t)
	c := *l.config.Load()
	c.Verify = true
	l.SetConfig(c)
	return verifying{t, l}
}

func (l verifying) verify(id model.ProducerID, epoch int16, sequence int32, newEpochs bool) Guard {
	l.t.Helper()
	g, err := l.Verify(Verification{Producer: id, Epoch: epoch, Sequence: sequence, NewEpochs: newEpochs, Now: testNow})
	if err != nil {
		l.t.Fatal(err)
	}
	return g
}

// write appends one record of a transaction.
func (l verifying) write(origin Origin, guard Guard, id model.ProducerID, epoch int16, sequence int32) error {
	b := records(l.t, batch.Options{Producer: &batch.Producer{ID: id, Epoch: epoch, BaseSequence: sequence}, Transactional: true}, 1, 10, testNow.UnixMilli())
	_, err := l.AppendLeader(b, Append{Epoch: 1, Now: testNow, Origin: origin, Guard: guard})
	return err
}

func (l verifying) expect(what string, got, want error) {
	l.t.Helper()
	if !errors.Is(got, want) {
		l.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// KIP-890: the first records of a transaction need a verification that nothing has
// overtaken; those after it do not.
func TestVerification(t *testing.T) {
	l := newVerifying(t)
	l.expect("without a verification", l.write(Client, 0, 7, 0, 0), kerr.InvalidTxnState)
	l.expect("a coordinator's without one", l.write(Coordinator, 0, 7, 0, -1), kerr.InvalidTxnState)
	g := l.verify(7, 0, 0, false)
	if g == 0 || l.verify(7, 0, 0, false) != g {
		t.Fatal("a second verification did not join the first")
	}
	l.expect("under another's guard", l.write(Client, l.verify(8, 0, 0, false), 7, 0, 0), kerr.InvalidTxnState)
	l.expect("verified", l.write(Client, g, 7, 0, 0), nil)
	if again := l.verify(7, 0, 1, false); again != 0 {
		t.Errorf("guard %d for an open transaction", again)
	}
	l.expect("in the open transaction", l.write(Client, 0, 7, 0, 1), nil)
	if _, err := endTxn(t, l.Log, 7, 0, true, 0, 1); err != nil {
		t.Fatal(err)
	}
	l.expect("after its end, under its guard", l.write(Client, g, 7, 0, 2), kerr.InvalidTxnState)

	// The coordinator's answer comes after the abort of what it was asked about.
	late := l.verify(7, 0, 2, false)
	if _, err := endTxn(t, l.Log, 7, 0, false, 0, 1); err != nil {
		t.Fatal(err)
	}
	l.expect("after the abort", l.write(Client, late, 7, 0, 2), kerr.InvalidTxnState)
	fresh := l.verify(7, 0, 2, false)
	l.expect("the late answer in the next transaction", l.write(Client, late, 7, 0, 2), kerr.InvalidTxnState)
	l.expect("the next transaction", l.write(Coordinator, fresh, 7, 0, -1), nil)

	_, err := l.Verify(Verification{Producer: 7, Epoch: -1, Now: testNow})
	l.expect("an epoch that is over", err, kerr.InvalidProducerEpoch)
	l.expect("records of an epoch that is over", l.write(Client, 0, 7, -1, 0), kerr.InvalidProducerEpoch)
}

// In transaction version 2 the next transaction may be verified before the marker
// of the last one arrives, which is then not about it.
func TestVerificationOvertakesTheMarker(t *testing.T) {
	l := newVerifying(t)
	l.expect("the first", l.write(Client, l.verify(7, 0, 0, true), 7, 0, 0), nil)
	next := l.verify(7, 1, 0, true)
	if _, err := endTxn(t, l.Log, 7, 1, true, 2, 1); err != nil {
		t.Fatal(err)
	}
	l.expect("the next", l.write(Client, next, 7, 1, 0), nil)
	over := l.verify(7, 2, 0, true)
	if _, err := endTxn(t, l.Log, 7, 3, false, 2, 1); err != nil { // its own marker
		t.Fatal(err)
	}
	l.expect("after its own marker", l.write(Client, over, 7, 2, 0), kerr.InvalidProducerEpoch)
}

// While an earlier batch waits for the coordinator, a later one is kept out.
func TestVerificationKeepsTheOrder(t *testing.T) {
	l := newVerifying(t)
	l.verify(7, 0, 3, false)
	g := l.verify(7, 0, 5, false)
	l.expect("the later batch", l.write(Client, g, 7, 0, 5), kerr.OutOfOrderSequenceNumber)
	l.expect("the earlier batch", l.write(Client, g, 7, 0, 3), nil)
	l.expect("what follows", l.write(Client, 0, 7, 0, 4), nil)

	l.verify(8, 0, 5, false)
	if g = l.verify(8, 1, 0, false); g == 0 {
		t.Fatal("no guard")
	}
	l.expect("a new epoch begins at 0", l.write(Client, g, 8, 1, 0), nil)

	g = l.verify(9, 0, 2, true)
	l.expect("sequence 2 of a producer of version 2 without state", l.write(Client, g, 9, 0, 2), kerr.OutOfOrderSequenceNumber)
	l.expect("a producer of version 1 without state", l.write(Client, l.verify(10, 0, 2, false), 10, 0, 2), nil)
}

func TestVerificationOff(t *testing.T) {
	l, _ := newLog(t)
	v := verifying{t, l}
	v.expect("nothing is verified", v.write(Client, 0, 7, 0, 0), nil)
}

// Guards are not given twice: not after a truncation has made the producers anew.
func TestGuardsOutliveTruncation(t *testing.T) {
	l := newVerifying(t)
	g := l.verify(7, 0, 0, false)
	l.expect("the first", l.write(Client, g, 7, 0, 0), nil)
	if _, err := l.TruncateTo(0); err != nil {
		t.Fatal(err)
	}
	if again := l.verify(7, 0, 0, false); again == g {
		t.Errorf("guard %d twice", g)
	}
	l.expect("under the guard of before", l.write(Client, g, 7, 0, 0), kerr.InvalidTxnState)
}

func TestExpireProducers(t *testing.T) {
	l := newVerifying(t)
	l.expect("open", l.write(Client, l.verify(1, 0, 0, false), 1, 0, 0), nil)
	if _, err := produce(t, l.Log, batch.Producer{ID: 2}, 1, false); err != nil {
		t.Fatal(err)
	}
	g := l.verify(3, 0, 0, false)
	l.ExpireProducers(testNow.Add(24*time.Hour - time.Millisecond))
	if got := len(l.Producers()); got != 2 {
		t.Errorf("%d producers before the time", got)
	}
	l.ExpireProducers(testNow.Add(24 * time.Hour))
	if got := l.Producers(); len(got) != 1 || got[0].ID != 1 {
		t.Errorf("%+v, want the one whose transaction is open", got)
	}
	l.expect("a verification as old", l.write(Client, g, 3, 0, 0), kerr.InvalidTxnState)
	if _, err := endTxn(t, l.Log, 1, 0, false, 0, 1); err != nil {
		t.Fatal(err)
	}
	c := *l.config.Load()
	c.ProducerExpiration = time.Hour // changed at run time
	l.SetConfig(c)
	l.ExpireProducers(testNow.Add(time.Hour))
	if got := l.Producers(); len(got) != 0 {
		t.Errorf("%+v are left after an hour", got)
	}
}
