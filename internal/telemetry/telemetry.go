// Package telemetry decides what clients are asked to measure and whose metrics
// are taken (KIP-714). It is pure: requests, the time and the metadata go in,
// answers come out; what is taken is delivered by whoever asks.
//
// Rules are those of Apache Kafka 4.3, its quirks included: a client that was told
// its subscription may push at once, and one that was refused for its subscription
// or its compression may ask again at once.
package telemetry

import (
	"container/list"
	"maps"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// maxInstances bounds what is remembered: the least recently heard of is
// forgotten, which costs that client nothing but a new look at its subscription.
const maxInstances = 16384

// leastMemory is how long an instance is remembered at least; three push
// intervals if that is longer.
const leastMemory = time.Minute

// Config is what Instances are built with.
type Config struct {
	MaxBytes int               // telemetry.max.bytes, as pushed
	NewID    func() model.UUID // never a reserved id
}

// Client is what a request tells of its sender. A nil ID and empty texts are
// unknown, and match no pattern.
type Client struct {
	ID                            *string
	SoftwareName, SoftwareVersion string
	Address, Port                 string
	Connection                    string
}

// Subscribed answers a client that asked what to measure.
type Subscribed struct {
	Instance model.UUID
	ID       int32
	Interval time.Duration
	Metrics  []string // prefixes of names, one that is * alone for all
	// First says that the connection is not known yet: call Disconnected when it
	// ends.
	First bool
}

// Push is metrics that a client pushes.
type Push struct {
	Instance    model.UUID
	ID          int32
	Terminating bool
	Compression int8
	Size        int
}

// instance is one client: what it is asked for, and when it was heard of.
type instance struct {
	id         model.UUID
	attributes attributes
	asked      subscription
	version    int // of the subscriptions that asked was made of

	lastGet, lastPush time.Time
	expires           time.Time
	terminating       bool
	refused           error // what the last request was refused with, nil for none
}

// Instances are the clients that telemetry is known of. It is not safe for
// concurrent use.
type Instances struct {
	cfg     Config
	image   *metadata.Image
	set     map[string]map[string]string // the configs that subscriptions were made of
	all     []subscription
	version int // counts changes of the subscriptions

	known       map[model.UUID]*list.Element // of *instance
	recent      *list.List                   // the most recently heard of first
	connections map[string]model.UUID        // who a connection introduced
}

// New knows no client yet.
func New(cfg Config) *Instances {
	return &Instances{cfg: cfg, known: map[model.UUID]*list.Element{}, recent: list.New(), connections: map[string]model.UUID{}}
}

// Len is how many clients are known.
func (s *Instances) Len() int { return s.recent.Len() }

// Follow takes the subscriptions from an image. Clients learn of a change with
// their next request.
func (s *Instances) Follow(img *metadata.Image) {
	if img == s.image {
		return
	}
	s.image = img
	set := map[string]map[string]string{}
	for r, values := range img.Configs() {
		if r.Type == metadata.ConfigClientMetrics {
			set[r.Name] = values
		}
	}
	if maps.EqualFunc(set, s.set, maps.Equal[map[string]string]) {
		return
	}
	s.set, s.all = set, subscriptions(set)
	s.version++
}

// Get tells a client what to measure. A client without an id gets one.
func (s *Instances) Get(now time.Time, id model.UUID, c Client) (Subscribed, error) {
	if id.IsZero() {
		id = s.newID()
	}
	i, first := s.instance(now, id, c)
	last := i.lastGet
	if i.lastPush.After(last) {
		last = i.lastPush
	}
	if now.Sub(last) >= i.asked.interval {
		i.lastGet = now
	} else if i.refused != kerr.UnknownSubscriptionID && i.refused != kerr.UnsupportedCompressionType {
		return Subscribed{First: first}, kerr.ThrottlingQuotaExceeded
	}
	i.refused = nil
	return Subscribed{Instance: id, ID: i.asked.id(id), Interval: i.asked.interval, Metrics: i.asked.metrics, First: first}, nil
}

// Push says whether what a client pushes is taken, and whether its connection is
// known from now on (see Subscribed.First).
func (s *Instances) Push(now time.Time, p Push, c Client) (first bool, err error) {
	if p.Instance.IsReserved() {
		return false, kerr.InvalidRequest
	}
	i, first := s.instance(now, p.Instance, c)
	err = i.check(now, p, s.cfg.MaxBytes)
	i.terminating = p.Terminating
	i.refused = err
	return first, err
}

// check holds a push against what is agreed with the client.
func (i *instance) check(now time.Time, p Push, maxBytes int) error {
	if i.terminating {
		return kerr.InvalidRequest
	}
	due := i.lastGet.After(i.lastPush) || now.Sub(i.lastPush) >= i.asked.interval
	if due {
		i.lastPush = now
	}
	switch {
	case !due && !p.Terminating:
		return kerr.ThrottlingQuotaExceeded
	case p.ID != i.asked.id(i.id):
		return kerr.UnknownSubscriptionID
	case p.Compression < 0 || p.Compression > 4:
		return kerr.UnsupportedCompressionType
	case p.Size > maxBytes:
		return kerr.TelemetryTooLarge
	}
	return nil
}

// Failed notes that metrics that were taken could not be delivered.
func (s *Instances) Failed(id model.UUID) {
	if e, ok := s.known[id]; ok {
		e.Value.(*instance).refused = kerr.InvalidRecord
	}
}

// Disconnected forgets the client that a connection introduced.
func (s *Instances) Disconnected(connection string) {
	if id, ok := s.connections[connection]; ok {
		delete(s.connections, connection)
		s.forget(s.known[id])
	}
}

func (s *Instances) newID() model.UUID {
	for {
		if id := s.cfg.NewID(); s.known[id] == nil {
			return id
		}
	}
}

// instance finds a client or gets to know it, with the subscription it has now.
func (s *Instances) instance(now time.Time, id model.UUID, c Client) (i *instance, first bool) {
	s.expire(now)
	e := s.known[id]
	switch {
	case e == nil:
		i = &instance{id: id, attributes: newAttributes(id, c)}
	case e.Value.(*instance).version < s.version || now.After(e.Value.(*instance).expires):
		i = &instance{id: id, attributes: e.Value.(*instance).attributes}
		s.forget(e)
		e = nil
	default:
		i = e.Value.(*instance)
		s.recent.MoveToFront(e)
	}
	if e == nil {
		i.asked, i.version = merged(s.all, i.attributes), s.version
		_, known := s.connections[c.Connection]
		first = !known
		s.connections[c.Connection] = id
		s.known[id] = s.recent.PushFront(i)
	}
	i.expires = now.Add(max(leastMemory, 3*i.asked.interval))
	return i, first
}

// expire forgets who has not been heard of for long, the longest unheard first,
// and makes room for one more.
func (s *Instances) expire(now time.Time) {
	for last := s.recent.Back(); last != nil; last = s.recent.Back() {
		if s.recent.Len() < maxInstances && !now.After(last.Value.(*instance).expires) {
			return
		}
		s.forget(last)
	}
}

func (s *Instances) forget(e *list.Element) {
	if e == nil {
		return
	}
	delete(s.known, e.Value.(*instance).id)
	s.recent.Remove(e)
}
