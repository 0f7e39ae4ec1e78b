package group

import (
	"bytes"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

// member is a member of a classic group.
type member struct {
	id               string
	instance         *string // group.instance.id of a static member (KIP-345)
	clientID         string
	clientHost       string
	rebalanceTimeout time.Duration
	sessionTimeout   time.Duration
	protocols        []memberProtocol // in the order of its preference
	assignment       []byte

	joining machine.Token // its JoinGroup, when it waits for the rebalance
	syncing machine.Token // its SyncGroup, when it waits for the leader's assignment
	fresh   bool          // has not been answered since it became a member
}

type memberProtocol struct {
	name     string
	metadata []byte
}

// metadata is what the member says under a protocol, empty when it does not
// support it.
func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.name == protocol {
			return p.metadata
		}
	}
	return []byte{}
}

// offers reports whether a request says what the member has said before.
func (m *member) offers(protocols []memberProtocol) bool {
	return slices.EqualFunc(m.protocols, protocols, func(a, b memberProtocol) bool {
		return a.name == b.name && bytes.Equal(a.metadata, b.metadata)
	})
}

// waits reports whether the member waits for us rather than we for it. One that
// does not know its id yet cannot be heard of, and its request may be a forgotten one.
func (m *member) waits() bool { return !m.fresh && (m.joining != 0 || m.syncing != 0) }

// protocolsOf are a request's, each once.
func protocolsOf(r *wire.JoinGroupRequest) []memberProtocol {
	var out []memberProtocol
	for i := range r.Protocols {
		p := &r.Protocols[i]
		if !slices.ContainsFunc(out, func(o memberProtocol) bool { return o.name == p.Name }) {
			out = append(out, memberProtocol{p.Name, p.Metadata})
		}
	}
	return out
}

// roster is the members of a group in the order in which they came.
type roster struct {
	byID    map[string]*member
	order   []*member
	static  map[string]string // member ids by instance
	speak   map[string]int    // how many speak a protocol
	joining int               // how many wait for the rebalance
}

func newRoster() roster {
	return roster{byID: map[string]*member{}, static: map[string]string{}, speak: map[string]int{}}
}

func (r *roster) get(id string) *member { return r.byID[id] }
func (r *roster) all() []*member        { return r.order }
func (r *roster) count() int            { return len(r.order) }

// first is the id of the member that came first, empty when there is none.
func (r *roster) first() string {
	if len(r.order) == 0 {
		return ""
	}
	return r.order[0].id
}

// has reports whether a member has the id or the instance.
func (r *roster) has(id string, instance *string) bool {
	if instance != nil && r.static[*instance] != "" {
		return true
	}
	return r.byID[id] != nil
}

func (r *roster) add(m *member) {
	r.byID[m.id] = m
	r.order = append(r.order, m)
	r.tally(m, 1)
	if m.joining != 0 {
		r.joining++
	}
	if m.instance != nil {
		r.static[*m.instance] = m.id
	}
}

func (r *roster) remove(id string) {
	m := r.byID[id]
	if m == nil {
		return
	}
	delete(r.byID, id)
	r.tally(m, -1)
	r.wait(m, 0)
	r.order = slices.DeleteFunc(r.order, func(o *member) bool { return o == m })
	if m.instance != nil {
		delete(r.static, *m.instance)
	}
}

// rename gives a static member another id: another process holds its instance now.
func (r *roster) rename(m *member, id string) {
	delete(r.byID, m.id)
	m.id = id
	r.byID[id] = m
	r.static[*m.instance] = id
}

func (r *roster) tally(m *member, by int) {
	for _, p := range m.protocols {
		r.speak[p.name] += by
		if r.speak[p.name] == 0 {
			delete(r.speak, p.name)
		}
	}
}

// speaks changes what a member offers.
func (r *roster) speaks(m *member, protocols []memberProtocol) {
	r.tally(m, -1)
	m.protocols = protocols
	r.tally(m, 1)
}

// wait lets a member's JoinGroup wait for the rebalance; the zero token ends it.
func (r *roster) wait(m *member, t machine.Token) {
	if m.joining != 0 {
		r.joining--
	}
	if t != 0 {
		r.joining++
	}
	m.joining = t
}

// rebalanceTimeout is the longest of any member.
func (r *roster) rebalanceTimeout() time.Duration {
	longest := time.Duration(0)
	for _, m := range r.order {
		longest = max(longest, m.rebalanceTimeout)
	}
	return longest
}

// supported reports whether every member speaks the protocol.
func (r *roster) supported(protocol string) bool { return r.speak[protocol] == len(r.order) }

// elect is the protocol that most members like best of those that all of them
// speak; among equals the one that the first member likes better.
func (r *roster) elect() string {
	votes := map[string]int{}
	var candidates []string
	for _, p := range r.order[0].protocols {
		if r.supported(p.name) {
			candidates = append(candidates, p.name)
		}
	}
	for _, m := range r.order {
		for _, p := range m.protocols {
			if slices.Contains(candidates, p.name) {
				votes[p.name]++
				break
			}
		}
	}
	best := ""
	for _, c := range candidates {
		if best == "" || votes[c] > votes[best] {
			best = c
		}
	}
	return best
}
