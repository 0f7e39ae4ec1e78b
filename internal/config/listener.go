package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/model"
)

// Protocol is a security protocol, with Kafka's numbers.
type Protocol int16

// The four security protocols.
const (
	Plaintext     Protocol = 0
	SSL           Protocol = 1
	SASLPlaintext Protocol = 2
	SASLSSL       Protocol = 3
)

var protocolNames = [...]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}

func (p Protocol) String() string { return protocolNames[p] }

func parseProtocol(name string) (Protocol, error) {
	for i, n := range protocolNames {
		if strings.EqualFold(n, name) {
			return Protocol(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a security protocol: want one of %s", name, strings.Join(protocolNames[:], ", "))
}

// Listener is an address to listen on or to advertise. An empty host is every
// interface; port 0 is any free port.
type Listener struct {
	Name     string // upper case
	Protocol Protocol
	Host     string
	Port     uint16
}

// Address is host:port as package net wants it.
func (l Listener) Address() string { return HostPort{l.Host, l.Port}.String() }

func (l Listener) String() string { return l.Name + "://" + l.Address() }

// HostPort is where a node can be reached.
type HostPort struct {
	Host string
	Port uint16
}

func (h HostPort) String() string {
	if strings.Contains(h.Host, ":") {
		return fmt.Sprintf("[%s]:%d", h.Host, h.Port)
	}
	return fmt.Sprintf("%s:%d", h.Host, h.Port)
}

// Voter is an entry of controller.quorum.voters.
type Voter struct {
	ID model.NodeID
	HostPort
}

// listenerPattern is what Kafka takes as a listener: the host may be in
// brackets, and every IPv6 address should be.
var listenerPattern = regexp.MustCompile(`^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$`)

// parseListeners reads name://host:port entries. Each name may occur once, and
// each port once unless it is one IPv4 and one IPv6 address, or distinctPorts is
// false, as it is for what is advertised.
func parseListeners(entries []string, protocols map[string]Protocol, distinctPorts bool) ([]Listener, error) {
	out := make([]Listener, 0, len(entries))
	for _, entry := range entries {
		m := listenerPattern.FindStringSubmatch(entry)
		if m == nil {
			return nil, fmt.Errorf("%q is not of the form name://host:port", entry)
		}
		port, err := strconv.ParseUint(m[3], 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%q: the port must be from 0 to 65535", entry)
		}
		l := Listener{Name: strings.ToUpper(m[1]), Host: m[2], Port: uint16(port)}
		if l.Name == "" {
			return nil, fmt.Errorf("%q has no listener name", entry)
		}
		protocol, ok := protocols[l.Name]
		if !ok {
			return nil, fmt.Errorf("no security protocol is defined for listener %s: add it to listener.security.protocol.map", l.Name)
		}
		l.Protocol = protocol
		out = append(out, l)
	}
	return out, checkDistinct(out, distinctPorts)
}

func checkDistinct(listeners []Listener, distinctPorts bool) error {
	for i, a := range listeners {
		for _, b := range listeners[:i] {
			if a.Name == b.Name {
				return fmt.Errorf("each listener must have a different name: %s and %s", b, a)
			}
			if distinctPorts && a.Port == b.Port && a.Port != 0 && !oneOfEachFamily(a.Host, b.Host) {
				return fmt.Errorf("each listener must have a different port, unless one has an IPv4 and the other an IPv6 address: %s and %s", b, a)
			}
		}
	}
	return nil
}

func oneOfEachFamily(a, b string) bool {
	x, err1 := netip.ParseAddr(a)
	y, err2 := netip.ParseAddr(b)
	return err1 == nil && err2 == nil && x.Is4() != y.Is4()
}

// parseProtocolMap reads NAME:PROTOCOL pairs.
func parseProtocolMap(text string) (map[string]Protocol, error) {
	out := map[string]Protocol{}
	if strings.TrimSpace(text) == "" {
		return out, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		i := strings.LastIndexByte(pair, ':')
		if i < 0 {
			return nil, fmt.Errorf("%q is not of the form NAME:PROTOCOL", strings.TrimSpace(pair))
		}
		protocol, err := parseProtocol(strings.TrimSpace(pair[i+1:]))
		if err != nil {
			return nil, err
		}
		out[strings.ToUpper(strings.TrimSpace(pair[:i]))] = protocol
	}
	return out, nil
}

var hostPattern = regexp.MustCompile(`^[0-9a-zA-Z\-%._:]+$`)

// ParseHostPort reads host:port; an IPv6 address stands in brackets, and a
// listener name may stand before it (NAME://host:port).
func ParseHostPort(text string) (HostPort, error) {
	wrong := fmt.Errorf("%q is not of the form host:port", text)
	rest := text
	if i := strings.Index(rest, "://"); i >= 0 {
		rest = rest[i+3:]
	}
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return HostPort{}, wrong
	}
	host := strings.TrimSuffix(strings.TrimPrefix(rest[:i], "["), "]")
	port, err := strconv.ParseUint(rest[i+1:], 10, 16)
	if err != nil || !hostPattern.MatchString(host) {
		return HostPort{}, wrong
	}
	return HostPort{host, uint16(port)}, nil
}

func parseHostPorts(entries []string) ([]HostPort, error) {
	out := make([]HostPort, 0, len(entries))
	for _, e := range entries {
		h, err := ParseHostPort(e)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// parseVoters reads id@host:port entries; of two with one id the later counts.
func parseVoters(entries []string) ([]Voter, error) {
	var out []Voter
	at := map[model.NodeID]int{}
	for _, e := range entries {
		id, address, ok := strings.Cut(e, "@")
		n, err := strconv.ParseInt(id, 10, 32)
		if !ok || err != nil || n < 0 {
			return nil, errors.New(strconv.Quote(e) + " is not of the form id@host:port")
		}
		h, err := ParseHostPort(address)
		if err != nil {
			return nil, err
		}
		voter := Voter{model.NodeID(n), h}
		if i, again := at[voter.ID]; again {
			out[i] = voter
			continue
		}
		at[voter.ID] = len(out)
		out = append(out, voter)
	}
	return out, nil
}
