package txn

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// TestScripts runs the golden scripts: each command is a call, its output what the
// machine writes, sends and answers.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s, token := newShell(2), machine.Token(0)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			from := len(s.log)
			token++
			out, err := run(t, s, d, token)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			if d.Cmd == "tick" {
				return out
			}
			return out + s.output(from)
		})
	})
}

// args are the arguments of a command.
type args struct{ *datadriven.TestData }

func (a args) text(name string) string {
	for _, c := range a.CmdArgs {
		if c.Key == name {
			return strings.Join(c.Vals, ",")
		}
	}
	return ""
}

func (a args) number(name string, fallback int64) int64 {
	n, err := strconv.ParseInt(a.text(name), 10, 64)
	if err != nil {
		return fallback
	}
	return n
}

// producer is the one of p=100/1.
func (a args) producer() machine.Producer {
	id, epoch, _ := strings.Cut(a.text("p"), "/")
	i, _ := strconv.ParseInt(id, 10, 64)
	e, _ := strconv.ParseInt(epoch, 10, 16)
	return machine.Producer{ID: model.ProducerID(i), Epoch: int16(e)}
}

// partitions are those of on=(a-0,a-1).
func (a args) partitions() []model.Partition {
	var all []model.Partition
	for _, c := range a.CmdArgs {
		if c.Key != "on" {
			continue
		}
		for _, v := range c.Vals {
			at := strings.LastIndex(v, "-")
			i, _ := strconv.Atoi(v[at+1:])
			all = append(all, model.Partition{Topic: v[:at], Index: int32(i)})
		}
	}
	return all
}

func run(t *testing.T, s *shell, d *datadriven.TestData, token machine.Token) (string, error) {
	a := args{d}
	s.replies, s.events = nil, nil
	if request := a.request(t); request != nil {
		if _, ok := request.(MarkersWritten); ok {
			token = 0
		}
		return "", s.carryOut(s.Handle(s.now, token, request))
	}
	switch d.Cmd {
	case "level":
		s.level = int16(a.number("to", 0))
		return "", s.carryOut(s.Update(s.now, image(s.level)))
	case "advance":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		s.now = s.now.Add(by)
		return "", err
	case "tick":
		return tick(s)
	case "due":
		if s.Due().IsZero() {
			return "never\n", nil
		}
		return fmt.Sprintf("in %v\n", s.Due().Sub(s.now)), nil
	case "refuse":
		s.refuse = kerr.CoordinatorNotAvailable
	case "no-ids":
		s.noIDs = true
	case "ids":
		s.noIDs = false
	case "failover":
		return "", s.start()
	case "force": // an entry of somebody else's, or at an epoch that takes long to reach
		p := a.producer()
		state, _ := ParseState(a.text("state"))
		s.force(t, a.text("id"), entry{producer: p, previous: p.ID, next: noID, timeout: 60000, state: state,
			partitions: a.partitions(), updated: s.now.UnixMilli(), started: s.now.UnixMilli(), client: int16(a.number("client", 2))})
	case "show":
		return show(s.Machine), nil
	default:
		return "", fmt.Errorf("unknown command %s", d.Cmd)
	}
	return "", nil
}

// request is the one that a command makes, nil if it makes none.
func (a args) request(t *testing.T) any {
	id := a.text("id")
	switch a.Cmd {
	case "init":
		r := InitProducerID{TransactionalID: id, TimeoutMS: int32(a.number("timeout", 60000)), TwoPhase: a.HasArg("two-phase")}
		if a.HasArg("p") {
			p := a.producer()
			r.Expected = &p
		}
		return r
	case "add":
		return AddPartitions{TransactionalID: id, Producer: a.producer(), Partitions: a.partitions(), Client: int16(a.number("client", 2))}
	case "verify":
		return VerifyPartitions{TransactionalID: id, Producer: a.producer(), Partitions: a.partitions()}
	case "commit", "abort":
		return EndTxn{TransactionalID: id, Producer: a.producer(), Commit: a.Cmd == "commit", Client: int16(a.number("client", 2))}
	case "written":
		return MarkersWritten{TransactionalID: id, Round: uint64(a.number("round", 0)), Partitions: a.partitions()}
	case "describe":
		return Describe{TransactionalID: id}
	case "list":
		r := List{DurationMS: a.number("duration", -1)}
		if a.HasArg("producer") {
			r.ProducerIDs = []model.ProducerID{model.ProducerID(a.number("producer", 0))}
		}
		if a.HasArg("state") {
			state, ok := ParseState(a.text("state"))
			if !ok {
				t.Fatalf("no state %s", a.text("state"))
			}
			r.States = []State{state}
		}
		if a.HasArg("pattern") {
			r.Pattern = regexp.MustCompile(a.text("pattern"))
		}
		return r
	}
	return nil
}

// tick lets the machine do all that is due.
func tick(s *shell) (string, error) {
	var out strings.Builder
	for n := 0; !s.Due().IsZero() && !s.Due().After(s.now); n++ {
		if n > 100 {
			return "", fmt.Errorf("the machine is never done")
		}
		from := len(s.log)
		if err := s.carryOut(s.Tick(s.now)); err != nil {
			return "", err
		}
		out.WriteString(s.output(from))
	}
	s.replies, s.events = nil, nil
	return out.String(), nil
}
