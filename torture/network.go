package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The networks to choose from.
const (
	networkAuto       = "auto"
	networkNamespaces = "namespaces"
	networkLoopback   = "loopback"
)

// maxNodes is what the addresses of the bridge have room for.
const maxNodes = 100

// network is where nodes listen, and which of them hear each other.
type network interface {
	// host of node n, which counts from 1.
	host(n int) string
	// start starts a command as node n.
	start(n int, command *exec.Cmd) error
	// cut has everything vanish that node from sends to node to; node 0 is the
	// clients. mend lets it through again.
	cut(from, to int) error
	mend(from, to int) error
}

// loopback has no links to cut.
type loopback struct{}

func (loopback) host(int) string                      { return "127.0.0.1" }
func (loopback) start(_ int, command *exec.Cmd) error { return command.Start() }
func (loopback) cut(int, int) error                   { return errors.New("the loopback has no links") }
func (loopback) mend(int, int) error                  { return nil }

// inNamespaces has a child live in a network namespace of its own, from which
// nothing outside can be reached, and in a mount namespace, so that what it mounts
// is gone with it.
func inNamespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// bridged is a namespace for each node, joined by a bridge in the harness's own.
//
// Every neighbour's hardware address is static, and a link is cut by giving its
// far end one that nobody has: frames leave and vanish, without a word to either
// end, in one direction at a time.
type bridged struct {
	spaces map[int]*os.File // by node; 0 is the harness's
	macs   map[int]string
}

// nowhere is a hardware address that nobody has.
const nowhere = "02:00:00:00:de:ad"

func (b *bridged) host(n int) string {
	if n == 0 {
		return "10.77.0.254"
	}
	return fmt.Sprintf("10.77.0.%d", n)
}

func mac(n int) string { return fmt.Sprintf("02:00:00:00:00:%02x", n) }

// newBridged makes the network of n nodes. It is called in a network namespace of
// the harness's own.
func newBridged(n int) (*bridged, error) {
	if os.Getenv(insideEnv) == "" {
		return nil, errors.New("not inside namespaces of our own")
	}
	// What is mounted from now on is nobody else's.
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("private mounts: %w", err)
	}
	own, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	b := &bridged{spaces: map[int]*os.File{0: own}, macs: map[int]string{0: mac(254)}}
	if err := b.ip(0, "link set lo up", "link add strom address "+b.macs[0]+" type bridge", "addr add "+b.host(0)+"/24 dev strom", "link set strom up"); err != nil {
		return nil, err
	}
	for i := 1; i <= n; i++ {
		if err := b.add(i); err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
	}
	for from := range b.spaces {
		for to := range b.spaces {
			if err := b.mend(from, to); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

// add makes the namespace of a node and its link to the bridge.
func (b *bridged) add(n int) error {
	space, err := newSpace()
	if err != nil {
		return err
	}
	b.spaces[n], b.macs[n] = space, mac(n)
	port := fmt.Sprintf("node%d", n)
	err = b.ip(0, fmt.Sprintf("link add %s type veth peer name eth0 address %s netns /proc/%d/fd/%d", port, mac(n), os.Getpid(), space.Fd()),
		"link set "+port+" master strom", "link set "+port+" up")
	if err != nil {
		return err
	}
	return b.ip(n, "link set lo up", "addr add "+b.host(n)+"/24 dev eth0", "link set eth0 up")
}

// newSpace is a new network namespace, which lives as long as the file is open.
func newSpace() (*os.File, error) {
	var space *os.File
	err := away(func() error {
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			space, err = os.Open("/proc/thread-self/ns/net")
		}
		return err
	})
	return space, err
}

// away calls do on a thread whose network namespace it may change, and changes it
// back.
func away(do func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	err = do()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread stays locked: it must not serve anybody else
	}
	runtime.UnlockOSThread()
	return err
}

// in calls do with a node's network.
func (b *bridged) in(n int, do func() error) error {
	return away(func() error {
		if err := unix.Setns(int(b.spaces[n].Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("the namespace of node %d: %w", n, err)
		}
		return do()
	})
}

func (b *bridged) start(n int, command *exec.Cmd) error { return b.in(n, command.Start) }

// ip runs commands of iproute2 in a node's namespace.
func (b *bridged) ip(n int, commands ...string) error {
	return b.in(n, func() error {
		for _, c := range commands {
			if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
				return fmt.Errorf("ip %s: %w: %s", c, err, out)
			}
		}
		return nil
	})
}

func (b *bridged) neighbour(from, to int, hardware string) error {
	if from == to {
		return nil
	}
	dev := "eth0"
	if from == 0 {
		dev = "strom"
	}
	return b.ip(from, fmt.Sprintf("neigh replace %s lladdr %s dev %s nud permanent", b.host(to), hardware, dev))
}

func (b *bridged) cut(from, to int) error  { return b.neighbour(from, to, nowhere) }
func (b *bridged) mend(from, to int) error { return b.neighbour(from, to, b.macs[to]) }

// freePort is one of the loopback that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
