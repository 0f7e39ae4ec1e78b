package replica

import (
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/kerr"
)

// Append appends a producer's records as leader and returns what to wait for.
// The offsets are assigned in records, in place; records is not kept.
//
// The append is not committed yet. With acks=all the caller waits on the token;
// whatever the acks, under policy fsync a sync is scheduled. Errors of the producer are *kerr.Error
// or a *batch.RecordErrors; KAFKA_STORAGE_ERROR means the disk refused. The log
// has told the directory if it is for good; after a full disk the next append may
// succeed.
func (p *Partition) Append(records []byte, acks int16, a commitlog.Append) (Token, AppendInfo, error) {
	return p.append(records, acks, a, nil)
}

// append is Append under a further condition, which is asked with mu held.
func (p *Partition) append(records []byte, acks int16, a commitlog.Append, also func() error) (Token, AppendInfo, error) {
	p.appending.Lock()
	defer p.appending.Unlock()
	p.mu.Lock()
	err := p.mayAppend(acks)
	if err == nil && also != nil {
		err = also()
	}
	epoch := p.epoch
	p.mu.Unlock()
	if err != nil {
		return Token{}, AppendInfo{}, err
	}
	// The role cannot change here: that takes the append lock.
	a.Epoch, a.Now = epoch, p.now()
	info, err := p.log.AppendLeader(records, a)
	if err != nil {
		return Token{}, AppendInfo{}, err
	}
	if !info.Duplicate {
		p.grown(len(records))
	}
	return Token{partition: p, epoch: epoch, end: info.NextOffset}, info, nil
}

// grown tells of an append and has it synced, under policy fsync. Under policy os
// the operating system writes when it likes, and checkpoints sync.
func (p *Partition) grown(bytes int) {
	p.mu.Lock()
	p.appended += int64(bytes)
	p.tell(ChangedEnd)
	synced := p.synced
	if !synced {
		p.advance()
	}
	p.mu.Unlock()
	if synced {
		p.dir.flushers.schedule(p)
	}
}

// mayAppend needs mu.
func (p *Partition) mayAppend(acks int16) error {
	if err := p.usable(); err != nil {
		return err
	}
	if p.role != roleLeader {
		return kerr.NotLeaderOrFollower.With("the leader is broker %d", p.leaderID)
	}
	if acks == -1 && !p.leader.MayAppend() {
		return kerr.NotEnoughReplicas.With("%d replicas are in sync and min.insync.replicas is %d", len(p.leader.ISR()), p.leader.MinISR())
	}
	return nil
}

// AppendInfo is what became of an append.
type AppendInfo = commitlog.AppendInfo

// Client is how a producer's records are appended.
var Client = commitlog.Append{}
