package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/magiconair/properties"
)

const (
	propertiesFile = "server.properties"
	// clusterFile marks a directory as a local cluster that is complete, and holds
	// its id. It is written last.
	clusterFile = "cluster.id"
)

// A local is the nodes of a cluster in one directory.
type local struct {
	dir    string
	nodes  []localNode // ids from 1 on
	fresh  bool        // nothing is formatted yet
	set    []Property
	random io.Reader
}

type localNode struct {
	id         int
	dir        string // node-N
	broker     int    // port
	controller int    // port
}

func (n localNode) properties() string { return filepath.Join(n.dir, propertiesFile) }
func (n localNode) log() string        { return n.dir + ".log" }

// openLocal finds the cluster that the directory holds, or plans a new one. The
// ports of a cluster stay: its voters know each other by them.
func openLocal(dir string, o localOptions) (*local, error) {
	l := &local{dir: dir, set: o.set, random: rand.Reader}
	_, err := os.Stat(filepath.Join(dir, clusterFile))
	switch {
	case err == nil:
		if err := l.read(o); err != nil {
			return nil, err
		}
		return l, l.free()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	l.fresh = true
	for id := range o.nodes {
		l.nodes = append(l.nodes, localNode{id: id + 1, dir: filepath.Join(dir, fmt.Sprintf("node-%d", id+1))})
	}
	if err := l.nothingThere(); err != nil {
		return nil, err
	}
	return l, l.choosePorts(o.port)
}

// nothingThere refuses a directory with a node's files in it that is no complete
// cluster: nothing is overwritten.
func (l *local) nothingThere() error {
	for _, n := range l.nodes {
		if _, err := os.Lstat(n.dir); !errors.Is(err, fs.ErrNotExist) {
			return fail(err, "%s is there already, and %s is no finished cluster (it has no %s)", n.dir, l.dir, clusterFile).
				withFix("Name another directory with --data, or remove the node-* in this one.")
		}
	}
	return nil
}

// read finds the nodes of a cluster that was made before.
func (l *local) read(o localOptions) error {
	files, err := filepath.Glob(filepath.Join(l.dir, "node-*", propertiesFile))
	if err != nil {
		return err
	}
	for id := 1; id <= len(files); id++ {
		n := localNode{id: id, dir: filepath.Join(l.dir, fmt.Sprintf("node-%d", id))}
		text, err := os.ReadFile(n.properties())
		if err == nil {
			err = n.readPorts(text)
		}
		if err != nil {
			return fail(err, "cannot read node %d of the cluster in %s: %v", id, l.dir, err)
		}
		l.nodes = append(l.nodes, n)
	}
	switch {
	case len(l.nodes) == 0:
		return fail(nil, "%s holds a cluster without nodes", l.dir).withFix("Name another directory with --data.")
	case o.nodesSet && o.nodes != len(l.nodes):
		return fail(nil, "the cluster in %s has %s, not %d", l.dir, count(len(l.nodes), "node"), o.nodes).
			withFix("Leave --nodes out, or name another directory with --data.")
	case o.port != 0 && o.port != l.nodes[0].broker:
		return fail(nil, "the cluster in %s listens from port %d on, not %d", l.dir, l.nodes[0].broker, o.port).
			withFix("Leave --port out: the nodes know each other by their ports. Or name another directory with --data.")
	}
	return nil
}

// readPorts takes the ports from the listeners as writeProperties writes them.
func (n *localNode) readPorts(text []byte) error {
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	p, err := loader.LoadBytes(text)
	if err != nil {
		return err
	}
	for listener := range strings.SplitSeq(p.GetString("listeners", ""), ",") {
		name, address, _ := strings.Cut(listener, "://")
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("listeners: %w", err)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		switch {
		case err != nil:
			return fmt.Errorf("listeners: %w", err)
		case name == "CONTROLLER":
			n.controller = int(number)
		default:
			n.broker = int(number)
		}
	}
	if n.broker == 0 || n.controller == 0 {
		return errors.New("its listeners are not one for clients and one named CONTROLLER")
	}
	return nil
}

// choosePorts takes those from first on: brokers, then controllers. Without a
// first it takes the usual ones if all are free, else any.
func (l *local) choosePorts(first int) error {
	n, from := len(l.nodes), first
	if first == 0 {
		from = defaultLocalPort
	}
	for i := range l.nodes {
		l.nodes[i].broker, l.nodes[i].controller = from+i, from+n+i
	}
	err := l.free()
	if err == nil || first != 0 {
		return err
	}
	ports, err := freePorts(2 * n)
	if err != nil {
		return err
	}
	for i := range l.nodes {
		l.nodes[i].broker, l.nodes[i].controller = ports[i], ports[n+i]
	}
	return nil
}

// freePorts are ports that nobody listens on, in order.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		listener, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer listener.Close() // until all are found, so that they differ
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	slices.Sort(ports)
	return ports, nil
}

// free tells whether all ports can be listened on now.
func (l *local) free() error {
	for _, n := range l.nodes {
		for _, port := range []int{n.broker, n.controller} {
			listener, err := net.Listen("tcp", fmt.Sprintf("localhost:%d", port))
			if errors.Is(err, syscall.EADDRINUSE) {
				return fail(err, "port %d, for node %d, is in use", port, n.id).
					withFix("Is this cluster running already? Stop what listens there, or begin another cluster with --port PORT.")
			}
			if err != nil {
				return fmt.Errorf("listen on port %d for node %d: %w", port, n.id, err)
			}
			listener.Close()
		}
	}
	return nil
}

func (l *local) bootstrap() string {
	return l.join(func(n localNode) string { return fmt.Sprintf("localhost:%d", n.broker) })
}

func (l *local) join(f func(localNode) string) string {
	var texts []string
	for _, n := range l.nodes {
		texts = append(texts, f(n))
	}
	return strings.Join(texts, ",")
}

// format makes the nodes of a fresh cluster: properties, and directories that are
// formatted as kafka-storage does for a quorum whose voters can change later
// (kraft.version 1), each known by its id and its directory's. What --set says is
// written to the nodes of an old one too.
func (l *local) format(ctx context.Context, format func(context.Context, FormatOptions, io.Writer) error) error {
	if !l.fresh {
		return l.writeSet()
	}
	cluster, err := randomUUID(l.random)
	if err != nil {
		return err
	}
	var voters []string
	for _, n := range l.nodes {
		directory, err := randomUUID(l.random)
		if err != nil {
			return err
		}
		voters = append(voters, fmt.Sprintf("%d@localhost:%d:%s", n.id, n.controller, directory))
		if err := os.Mkdir(n.dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(n.properties(), l.propertiesOf(n), 0o644); err != nil {
			return err
		}
	}
	for _, n := range l.nodes {
		var said bytes.Buffer
		o := FormatOptions{ClusterID: cluster.String(), Config: n.properties(), InitialControllers: strings.Join(voters, ",")}
		if err := format(ctx, o, &said); err != nil {
			return fmt.Errorf("format node %d: %w", n.id, err)
		}
	}
	return os.WriteFile(filepath.Join(l.dir, clusterFile), []byte(cluster.String()+"\n"), 0o644)
}

// localProperties are what every node has of its own.
var localProperties = []string{"process.roles", "node.id", "controller.quorum.bootstrap.servers", "controller.quorum.voters",
	"listeners", "advertised.listeners", "controller.listener.names", "inter.broker.listener.name", "listener.security.protocol.map", "log.dirs", "log.dir",
	"metadata.log.dir", "broker.id"}

func isLocalProperty(name string) bool { return slices.Contains(localProperties, name) }

// withoutLocal is an environment without what would give every node the same
// place: STROM_NODE_ID stands above node.id in the file.
func withoutLocal(environment []string) []string {
	return slices.DeleteFunc(slices.Clone(environment), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(name, "STROM_")
		return ours && isLocalProperty(strings.ToLower(strings.ReplaceAll(name, "_", ".")))
	})
}

// propertiesOf is a node's server.properties. Copies and the number of them that
// acknowledge are what Apache Kafka recommends for as many nodes, no more than
// three.
func (l *local) propertiesOf(n localNode) []byte {
	copies := min(3, len(l.nodes))
	all := []Property{
		{"process.roles", "broker,controller"},
		{"node.id", number(n.id)},
		{"controller.quorum.bootstrap.servers", l.join(func(n localNode) string { return fmt.Sprintf("localhost:%d", n.controller) })},
		{"listeners", fmt.Sprintf("PLAINTEXT://localhost:%d,CONTROLLER://localhost:%d", n.broker, n.controller)},
		{"controller.listener.names", "CONTROLLER"},
		{"inter.broker.listener.name", "PLAINTEXT"},
		{"log.dirs", filepath.Join(n.dir, "data")},
		{"default.replication.factor", number(copies)},
		{"min.insync.replicas", number(max(1, copies-1))},
		{"offsets.topic.replication.factor", number(copies)},
		{"transaction.state.log.replication.factor", number(copies)},
		{"transaction.state.log.min.isr", number(max(1, copies-1))},
		{"share.coordinator.state.topic.replication.factor", number(copies)},
		{"share.coordinator.state.topic.min.isr", number(max(1, copies-1))},
		{"group.initial.rebalance.delay.ms", "0"},
	}
	text := fmt.Sprintf("# Node %d of a cluster made by `strom cluster local`.\n", n.id)
	for _, p := range all {
		text += propertyLine(p)
	}
	for _, p := range l.set {
		text = setProperty(text, p)
	}
	return []byte(text)
}

// writeSet changes the properties that --set names in every node's file.
func (l *local) writeSet() error {
	if len(l.set) == 0 {
		return nil
	}
	for _, n := range l.nodes {
		text, err := os.ReadFile(n.properties())
		if err != nil {
			return err
		}
		changed := string(text)
		for _, p := range l.set {
			changed = setProperty(changed, p)
		}
		if err := os.WriteFile(n.properties(), []byte(changed), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// propertyLine writes a property so that it is read as it is.
func propertyLine(p Property) string {
	p.Value = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(p.Value)
	if strings.HasPrefix(p.Value, " ") || strings.HasPrefix(p.Value, "\t") || strings.HasPrefix(p.Value, "\f") {
		p.Value = `\` + p.Value
	}
	return p.Name + "=" + p.Value + "\n"
}

// setProperty replaces the line of a property, or adds one.
func setProperty(text string, p Property) string {
	var b strings.Builder
	done := false
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "=")
		if strings.TrimSpace(name) != p.Name {
			b.WriteString(line)
			continue
		}
		if !done {
			b.WriteString(propertyLine(p))
			done = true
		}
	}
	if !done {
		b.WriteString(propertyLine(p))
	}
	return b.String()
}
