package config

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/model"
)

// Node is what the configuration says a node is, after all checks across keys.
type Node struct {
	ID                 model.NodeID
	Broker, Controller bool
	ClusterID          string // cluster.id; empty if not given
	Rack               *string

	// Listeners are for clients and brokers, ControllerListeners for controllers;
	// both are to be listened on.
	Listeners, ControllerListeners []Listener
	// Advertised is what a broker registers and tells clients.
	Advertised []Listener
	// AdvertisedController is what a controller registers and what voters' end
	// points are made of, in the order of ControllerNames. A port of 0 stands for
	// the port that was bound.
	AdvertisedController []Listener
	// ControllerNames are the listener names of controllers, upper case; this
	// node speaks to controllers on the first.
	ControllerNames []string
	// ControllerProtocol is the security protocol of ControllerNames[0].
	ControllerProtocol Protocol
	// InterBroker is the name of the listener brokers use among themselves.
	InterBroker string

	// Voters are those of a static quorum; empty for a dynamic one, which is
	// found through Bootstrap.
	Voters    []Voter
	Bootstrap []HostPort

	LogDirs     []string
	MetadataDir string // one of LogDirs, or one of its own
}

// InProcessController reports a combined node whose controller has no listener:
// broker and controller talk inside the process and nobody else can join.
func (n *Node) InProcessController() bool {
	return n.Broker && n.Controller && len(n.ControllerListeners) == 0
}

// SoleVoter reports a node that is its own quorum by a static list.
func (n *Node) SoleVoter() bool {
	return n.Controller && len(n.Voters) == 1 && n.Voters[0].ID == n.ID
}

// Dirs is LogDirs, and MetadataDir if it is not among them.
func (n *Node) Dirs() []string {
	if slices.Contains(n.LogDirs, n.MetadataDir) {
		return slices.Clone(n.LogDirs)
	}
	return append(slices.Clone(n.LogDirs), n.MetadataDir)
}

// nodeBuilder gathers everything that is wrong, so that an operator sees it at
// once.
type nodeBuilder struct {
	v     *Values
	n     *Node
	wrong []error
}

// fail notes what is wrong with the setting of name.
func (b *nodeBuilder) fail(name, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s, ok := b.v.set[name]; ok {
		b.wrong = append(b.wrong, &ValueError{Setting: s, Problem: text})
		return
	}
	b.wrong = append(b.wrong, fmt.Errorf("%s: %s", name, text))
}

func newNode(v *Values) (*Node, error) {
	b := &nodeBuilder{v: v, n: &Node{}}
	for _, k := range tables[ScopeBroker].keys {
		if k.Required && !v.Has(k.Name) && k.Name != "controller.listener.names" {
			b.fail(k.Name, "is required and has no default")
		}
	}
	if len(b.wrong) > 0 {
		return nil, errors.Join(b.wrong...)
	}
	b.identity()
	b.listeners()
	b.quorum()
	b.directories()
	b.limits()
	if len(b.wrong) > 0 {
		return nil, errors.Join(b.wrong...)
	}
	return b.n, nil
}

func (b *nodeBuilder) identity() {
	v, n := b.v, b.n
	n.ID = model.NodeID(v.Int("node.id"))
	if v.Int("broker.id") != v.Int("node.id") {
		b.fail("broker.id", "must be the same as node.id, %d", n.ID)
	}
	n.Broker = slices.Contains(v.List("process.roles"), "broker")
	n.Controller = slices.Contains(v.List("process.roles"), "controller")
	n.ClusterID = v.String("cluster.id")
	if v.Has("broker.rack") {
		rack := v.String("broker.rack")
		n.Rack = &rack
	}
	if v.String("authorizer.class.name") != "" {
		b.fail("authorizer.class.name", "authorizers are not supported yet: this node would let everybody do everything")
	}
}

// listeners resolves who listens where under which protocol.
func (b *nodeBuilder) listeners() {
	v, n := b.v, b.n
	for _, name := range v.List("controller.listener.names") {
		n.ControllerNames = append(n.ControllerNames, strings.ToUpper(name))
	}
	if len(n.ControllerNames) == 0 {
		b.fail("controller.listener.names", "must name at least one listener")
		return
	}
	protocols, err := b.protocols()
	if err != nil {
		b.fail("listener.security.protocol.map", "%v", err)
		return
	}
	all, err := parseListeners(b.v.List("listeners"), protocols, true)
	if err != nil {
		b.fail("listeners", "%v", err)
		return
	}
	for _, l := range all {
		if l.Protocol != Plaintext {
			b.fail("listeners", "SSL and SASL listeners are not supported yet: listener %s is %s", l.Name, l.Protocol)
		}
		if slices.Contains(n.ControllerNames, l.Name) {
			n.ControllerListeners = append(n.ControllerListeners, l)
		} else {
			n.Listeners = append(n.Listeners, l)
		}
	}
	protocol, ok := protocols[n.ControllerNames[0]]
	if !ok {
		b.fail("controller.listener.names", "no security protocol is defined for listener %s: add it to listener.security.protocol.map", n.ControllerNames[0])
	} else if protocol != Plaintext {
		b.fail("controller.listener.names", "SSL and SASL listeners are not supported yet: listener %s is %s", n.ControllerNames[0], protocol)
	}
	n.ControllerProtocol = protocol
	b.advertised(protocols)
	b.roles()
}

// protocols is the map of listener names; if it is not set and nothing in use is
// SSL or SASL, each controller listener is PLAINTEXT.
func (b *nodeBuilder) protocols() (map[string]Protocol, error) {
	protocols, err := parseProtocolMap(b.v.String("listener.security.protocol.map"))
	if err != nil || b.v.IsSet("listener.security.protocol.map") {
		return protocols, err
	}
	for _, entry := range append(slices.Clone(b.n.ControllerNames), b.v.List("listeners")...) {
		name, _, _ := strings.Cut(strings.ToUpper(entry), ":")
		if slices.Contains(protocolNames[1:], name) {
			return protocols, nil
		}
	}
	for _, name := range b.n.ControllerNames {
		protocols[name] = Plaintext
	}
	return protocols, nil
}

// advertised works out what is told to others.
func (b *nodeBuilder) advertised(protocols map[string]Protocol) {
	v, n := b.v, b.n
	told := append(slices.Clone(n.Listeners), n.ControllerListeners...)
	if v.Has("advertised.listeners") {
		var err error
		if told, err = parseListeners(v.List("advertised.listeners"), protocols, false); err != nil {
			b.fail("advertised.listeners", "%v", err)
			return
		}
	}
	for _, l := range told {
		if !slices.Contains(n.ControllerNames, l.Name) {
			n.Advertised = append(n.Advertised, l)
			if l.Host == "0.0.0.0" {
				b.fail(b.advertisedKey(), "cannot advertise 0.0.0.0: use an address that others can reach")
			}
		}
	}
	for i, name := range n.ControllerNames {
		if l, ok := b.advertisedController(name, i == 0, told); ok {
			n.AdvertisedController = append(n.AdvertisedController, l)
		}
	}
}

func (b *nodeBuilder) advertisedKey() string {
	if b.v.Has("advertised.listeners") {
		return "advertised.listeners"
	}
	return "listeners"
}

// advertisedController is the end point of one controller listener: as
// advertised, else as listened on; the first takes its host from the voters if
// it listens everywhere.
func (b *nodeBuilder) advertisedController(name string, first bool, told []Listener) (Listener, bool) {
	named := func(l Listener) bool { return l.Name == name }
	own := slices.IndexFunc(b.n.ControllerListeners, named)
	if b.v.Has("advertised.listeners") {
		if i := slices.IndexFunc(told, named); i >= 0 {
			return told[i], true
		}
	}
	if own < 0 {
		if first && b.v.alone && b.n.Broker && b.n.Controller {
			// What the node would listen on if its controller had a listener; nobody dials it.
			return Listener{Name: name, Host: "localhost", Port: 9093}, true
		}
		return Listener{}, false
	}
	l := b.n.ControllerListeners[own]
	if l.Host != "" && l.Host != "0.0.0.0" {
		return l, true
	}
	l.Host = ""
	if first {
		voters, _ := parseVoters(b.v.List("controller.quorum.voters")) // checked with the value
		for _, voter := range voters {
			if voter.ID == b.n.ID {
				l.Host, l.Port = voter.Host, voter.Port
			}
		}
	}
	return l, true
}

// roles holds the listeners against what the node is.
func (b *nodeBuilder) roles() {
	n := b.n
	names := strings.Join(n.ControllerNames, ", ")
	switch {
	case n.Controller && !n.Broker:
		if len(n.Listeners) > 0 {
			b.fail("listeners", "must contain only controller listeners (%s) when process.roles is controller", names)
		}
	case n.Broker && !n.Controller:
		if len(n.ControllerListeners) > 0 {
			b.fail("listeners", "must not contain a controller listener (%s) when process.roles is broker", names)
		}
	}
	if n.Controller && (!b.v.alone || !n.Broker) {
		for _, name := range n.ControllerNames {
			if !slices.ContainsFunc(n.ControllerListeners, func(l Listener) bool { return l.Name == name }) {
				b.fail("listeners", "must contain the controller listener %s named in controller.listener.names", name)
			}
		}
	}
	if n.Broker {
		b.brokerListeners()
	}
}

func (b *nodeBuilder) brokerListeners() {
	v, n := b.v, b.n
	if len(n.Advertised) == 0 {
		b.fail("listeners", "a broker needs at least one listener that is not a controller listener")
		return
	}
	for _, l := range n.Advertised {
		if !slices.ContainsFunc(n.Listeners, func(own Listener) bool { return own.Name == l.Name }) {
			b.fail("advertised.listeners", "listener %s is advertised but is not among listeners", l.Name)
		}
	}
	key := "inter.broker.listener.name"
	n.InterBroker = strings.ToUpper(v.String(key))
	if n.InterBroker == "" {
		key = "security.inter.broker.protocol"
		n.InterBroker = v.String(key)
	} else if v.IsSet("security.inter.broker.protocol") {
		b.fail(key, "only one of inter.broker.listener.name and security.inter.broker.protocol may be set")
	}
	if !slices.ContainsFunc(n.Advertised, func(l Listener) bool { return l.Name == n.InterBroker }) {
		var names []string
		for _, l := range n.Advertised {
			names = append(names, l.Name)
		}
		b.fail(key, "brokers would talk on listener %s, which is not advertised: set inter.broker.listener.name to one of %s",
			n.InterBroker, strings.Join(names, ", "))
	}
}

// quorum holds the voters against what the node is.
func (b *nodeBuilder) quorum() {
	v, n := b.v, b.n
	n.Voters, _ = parseVoters(v.List("controller.quorum.voters"))                  // checked with the value
	n.Bootstrap, _ = parseHostPorts(v.List("controller.quorum.bootstrap.servers")) // likewise
	voter := slices.ContainsFunc(n.Voters, func(v Voter) bool { return v.ID == n.ID })
	switch {
	case len(n.Voters) == 0 && len(n.Bootstrap) == 0:
		b.fail("controller.quorum.bootstrap.servers", "must name controllers to ask, or controller.quorum.voters the voters of a static quorum")
	case n.Controller && len(n.Voters) > 0 && !voter:
		b.fail("controller.quorum.voters", "must contain this controller, node %d", n.ID)
	case !n.Controller && voter:
		b.fail("controller.quorum.voters", "must not contain node %d, which has no controller role", n.ID)
	}
	b.ownVoter()
	if !n.Controller && v.Bool("controller.quorum.auto.join.enable") {
		b.fail("controller.quorum.auto.join.enable", "is for nodes with the controller role")
	}
}

// ownVoter holds this node's entry among the voters against the listener that is
// to serve it. One that listens everywhere, or is advertised otherwise, may well
// be reached at another port.
func (b *nodeBuilder) ownVoter() {
	n := b.n
	if len(n.ControllerNames) == 0 || b.v.Has("advertised.listeners") {
		return
	}
	for _, l := range n.ControllerListeners {
		for _, voter := range n.Voters {
			if l.Name == n.ControllerNames[0] && voter.ID == n.ID && l.Host != "" && l.Host != "0.0.0.0" &&
				l.Port != 0 && voter.Port != 0 && l.Port != voter.Port {
				b.fail("controller.quorum.voters", "says that voter %d listens on %s:%d, but its listener %s is on %s:%d", n.ID, voter.Host, voter.Port, l.Name, l.Host, l.Port)
			}
		}
	}
}

// directories cleans names, so that "a" and "./a" are one.
func (b *nodeBuilder) directories() {
	v, n := b.v, b.n
	key := "log.dirs"
	if !v.Has(key) {
		key = "log.dir"
	}
	for _, dir := range v.List(key) {
		dir = path.Clean(dir)
		if slices.Contains(n.LogDirs, dir) {
			b.fail(key, "names the directory %s twice", dir)
			continue
		}
		n.LogDirs = append(n.LogDirs, dir)
	}
	if len(n.LogDirs) == 0 {
		b.fail(key, "must name at least one directory")
		return
	}
	n.MetadataDir = n.LogDirs[0]
	if dir := v.String("metadata.log.dir"); dir != "" {
		n.MetadataDir = path.Clean(dir)
	}
	cordoned := v.List("cordoned.log.dirs")
	for _, dir := range cordoned {
		if dir == "*" && len(cordoned) > 1 {
			b.fail("cordoned.log.dirs", "* must stand alone")
		} else if dir != "*" && !slices.Contains(n.LogDirs, path.Clean(dir)) {
			b.fail("cordoned.log.dirs", "%s is not among log.dirs", dir)
		}
	}
}

// limits are the checks between values that are numbers.
func (b *nodeBuilder) limits() {
	v := b.v
	at := func(name string, wrong bool, format string, args ...any) {
		if wrong {
			b.fail(name, format, args...)
		}
	}
	t := v.topicTimes()
	at("log.roll.ms", t.rollMS < 1, "must be at least 1")
	at("log.roll.jitter.ms", t.jitterMS < 0, "must be at least 0")
	at("log.retention.ms", t.retentionMS == 0, "must be -1 for no limit, or at least 1")
	at("replica.fetch.wait.max.ms", v.Long("replica.fetch.wait.max.ms") > v.Long("replica.socket.timeout.ms"),
		"must be at most replica.socket.timeout.ms, %d", v.Long("replica.socket.timeout.ms"))
	at("replica.fetch.wait.max.ms", v.Long("replica.fetch.wait.max.ms") > v.Long("replica.lag.time.max.ms"),
		"must be at most replica.lag.time.max.ms, %d", v.Long("replica.lag.time.max.ms"))
	queued := v.Long("queued.max.request.bytes")
	at("queued.max.request.bytes", queued > 0 && queued < v.Long("socket.request.max.bytes"),
		"must be at least socket.request.max.bytes, %d", v.Long("socket.request.max.bytes"))
	at("max.connections.per.ip", v.Int("max.connections.per.ip") == 0 && v.String("max.connections.per.ip.overrides") == "",
		"can be 0 only if max.connections.per.ip.overrides is set")
	idle := v.Long("connections.max.idle.ms")
	at("connection.failed.authentication.delay.ms", idle >= 0 && v.Long("connection.failed.authentication.delay.ms") >= idle,
		"must be less than connections.max.idle.ms, %d", idle)
	threads := v.Long("log.cleaner.threads")
	at("log.cleaner.dedupe.buffer.size", threads > 0 && v.Long("log.cleaner.dedupe.buffer.size")/threads <= 1<<20,
		"must be more than 1 MiB for each of log.cleaner.threads")
	at("log.cleaner.min.compaction.lag.ms", v.Long("log.cleaner.min.compaction.lag.ms") > v.Long("log.cleaner.max.compaction.lag.ms"),
		"must be at most log.cleaner.max.compaction.lag.ms")
	at("group.coordinator.rebalance.protocols", !slices.Contains(v.List("group.coordinator.rebalance.protocols"), "classic"),
		"must contain classic")
	v.consumerGroups(at)
}

// Warnings are what works but is hardly meant.
func (v *Values) Warnings() []string {
	var out []string
	if beat, session := v.MS("broker.heartbeat.interval.ms"), v.MS("broker.session.timeout.ms"); beat*2 > session {
		out = append(out, fmt.Sprintf("broker.heartbeat.interval.ms (%v) is more than half of broker.session.timeout.ms (%v): one lost heartbeat can fence the broker", beat, session))
	}
	return out
}
