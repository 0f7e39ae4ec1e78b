package membership

import (
	"time"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// State is where a broker is in its life, with the numbers of Kafka's
// BrokerState metric.
//
//	NotRunning → Starting → Recovery → Running → PendingControlledShutdown → ShuttingDown
//	    registers   caught up    unfenced    asks to leave             may leave
type State int8

// The states. A broker takes part in Recovery, once it is caught up with the
// metadata log; it serves in Running.
const (
	NotRunning                State = 0
	Starting                  State = 1
	Recovery                  State = 2
	Running                   State = 3
	PendingControlledShutdown State = 6
	ShuttingDown              State = 7
)

func (s State) String() string {
	switch s {
	case NotRunning:
		return "NOT_RUNNING"
	case Starting:
		return "STARTING"
	case Recovery:
		return "RECOVERY"
	case Running:
		return "RUNNING"
	case PendingControlledShutdown:
		return "PENDING_CONTROLLED_SHUTDOWN"
	case ShuttingDown:
		return "SHUTTING_DOWN"
	}
	return "UNKNOWN"
}

// soon is the wait for the next heartbeat while the broker waits for the
// controller, if the metadata log does not move before.
const soon = 10 * time.Millisecond

// lifecycle is the pure part: what answers make of a broker, and what it says
// next.
type lifecycle struct {
	state      State
	epoch      model.BrokerEpoch // -1 until registered
	registered bool              // since the last wish to register
	ready      bool              // recovery is over: unfence me
	leaving    bool              // a controlled shutdown was asked for
	waits      int               // answers without progress, since the last progress
}

func newLifecycle() lifecycle { return lifecycle{state: NotRunning, epoch: -1} }

// registeredAt takes the controller's yes to a registration.
func (l *lifecycle) registeredAt(epoch model.BrokerEpoch) {
	l.epoch, l.registered, l.waits = epoch, true, 0
}

// leave asks for a controlled shutdown. A broker that the controller does not
// count on yet can go at once.
func (l *lifecycle) leave() {
	l.leaving = true
	if l.state == Running {
		l.state, l.waits = PendingControlledShutdown, 0
	} else if l.state != PendingControlledShutdown {
		l.state = ShuttingDown
	}
}

// heard takes the answer to a heartbeat that was sent with wantFence as told.
func (l *lifecycle) heard(r *wire.BrokerHeartbeatResponse, wantedFence bool) {
	before := l.state
	switch l.state {
	case Starting:
		if r.IsCaughtUp {
			l.state = Recovery
			// The controller may have unfenced the broker in the same breath.
			if !r.IsFenced && !wantedFence {
				l.state = Running
			}
		}
	case Recovery:
		if !r.IsFenced {
			l.state = Running
		}
	case PendingControlledShutdown:
		if r.ShouldShutDown {
			l.state = ShuttingDown
		}
	}
	if l.state == before {
		l.waits++
	} else {
		l.waits = 0
	}
}

// eager reports that the broker waits for something that the metadata log's
// progress brings, so that it heartbeats again as soon as the log moves.
func (l *lifecycle) eager() bool {
	return l.state == Starting || l.state == Recovery && l.ready || l.state == PendingControlledShutdown
}

// wait is the time to the next heartbeat after an answer. An eager broker tries
// again soon, then less and less often.
func (l *lifecycle) wait(interval time.Duration) time.Duration {
	if !l.eager() {
		return interval
	}
	wait := soon
	for range min(l.waits, 20) {
		wait *= 2
	}
	return min(wait, interval)
}
