package controller

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// checkEpoch refuses a request of a broker's former life.
func (m *Machine) checkEpoch(id int32, epoch int64) (*metadata.Broker, error) {
	b := m.draft.Broker(model.NodeID(id))
	if b == nil {
		return nil, kerr.StaleBrokerEpoch.With("No broker registration found for broker id %d", id)
	}
	if int64(b.Epoch) != epoch {
		return nil, kerr.StaleBrokerEpoch.With("Expected broker epoch %d, but got broker epoch %d", b.Epoch, epoch)
	}
	return b, nil
}

// registerBroker begins a broker's life, or amends its registration if the
// incarnation is the one that is registered. The epoch of a new life is the
// offset at which the batch of its registration begins.
func (m *Machine) registerBroker(r *wire.BrokerRegistrationRequest, version int16) wire.Response {
	response := &wire.BrokerRegistrationResponse{BrokerEpoch: -1}
	if err := m.checkRegistration(r); err != nil {
		m.cfg.Log.Warn("refusing a broker's registration", "broker", r.BrokerID, "error", err)
		response.ErrorCode = kerr.Code(err)
		return response
	}
	id := model.NodeID(r.BrokerID)
	existing := m.draft.Broker(id)
	record := registration(r, m.version())
	if existing != nil && existing.Incarnation == r.IncarnationID {
		record.Fenced, record.InControlledShutdown, record.BrokerEpoch = existing.Fenced, existing.InControlledShutdown, int64(existing.Epoch)
	} else {
		record.Fenced, record.BrokerEpoch = true, int64(m.next)
		// v3 added the epoch of the former life, which only a broker that lost
		// nothing presents.
		clean := existing != nil && version >= 3 && r.PreviousBrokerEpoch == int64(existing.Epoch)
		m.buryIncarnation(id, clean)
	}
	m.emit(record)
	response.BrokerEpoch = record.BrokerEpoch
	return response
}

func registration(r *wire.BrokerRegistrationRequest, v metadata.Version) *wire.RegisterBrokerRecord {
	record := &wire.RegisterBrokerRecord{}
	record.Reset()
	record.BrokerID, record.IncarnationID, record.Rack = r.BrokerID, r.IncarnationID, r.Rack
	for _, l := range r.Listeners {
		record.EndPoints = append(record.EndPoints, wire.RegisterBrokerRecordEndPoint(l))
	}
	for _, f := range r.Features {
		record.Features = append(record.Features, wire.RegisterBrokerRecordFeature(f))
	}
	if v.Directories() {
		record.LogDirs = r.LogDirs
	}
	return record
}

func (m *Machine) checkRegistration(r *wire.BrokerRegistrationRequest) error {
	if r.ClusterID != m.cfg.ClusterID {
		return kerr.InconsistentClusterID.With("Expected cluster ID %s, but got cluster ID %s", m.cfg.ClusterID, r.ClusterID)
	}
	existing := m.draft.Broker(model.NodeID(r.BrokerID))
	if existing != nil && existing.Incarnation != r.IncarnationID && m.holdsItsPlace(existing, r) {
		m.cfg.Log.Error("two nodes have one id: give one of them another node.id, unless it was restarted a moment ago",
			"node.id", r.BrokerID, "registered", addresses(existing.Endpoints), "refused", addresses(listeners(r)))
		return kerr.DuplicateBrokerRegistration.With("Another broker is registered with that broker id. If the broker " +
			"was recently restarted this should self-resolve once the heartbeat manager expires the broker's session.")
	}
	if r.IsMigratingZkBroker {
		return kerr.BrokerIDNotRegistered.With("Controller does not support registering ZK brokers.")
	}
	if slices.ContainsFunc(r.Listeners, func(l wire.BrokerRegistrationRequestListener) bool { return l.Name == "" }) {
		return kerr.InvalidRegistration.With("A listener has no name")
	}
	if m.version().Directories() {
		if err := m.checkDirectories(r); err != nil {
			return err
		}
	}
	return m.checkFeatures(r)
}

func listeners(r *wire.BrokerRegistrationRequest) []metadata.Endpoint {
	var all []metadata.Endpoint
	for _, l := range r.Listeners {
		all = append(all, metadata.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port, Protocol: l.SecurityProtocol})
	}
	return all
}

// holdsItsPlace reports whether the registered incarnation may still be there.
// Apache Kafka takes it to be as long as its session has not timed out, also
// when a new controller only assumes the session. Here an incarnation that this
// controller never heard of gives way to one with the same log directories:
// whoever holds those has them locked, so nobody else does. A lone node that was
// killed is back at once instead of after the session timeout.
func (m *Machine) holdsItsPlace(existing *metadata.Broker, r *wire.BrokerRegistrationRequest) bool {
	s := m.session(existing)
	if !s.alive {
		return false
	}
	return s.heard || !sameDirs(existing.LogDirs, r.LogDirs)
}

// addresses names a node by its endpoints.
func addresses(endpoints []metadata.Endpoint) string {
	var all []string
	for _, e := range endpoints {
		all = append(all, fmt.Sprintf("%s://%s:%d", e.Name, e.Host, e.Port))
	}
	return strings.Join(all, ",")
}

func sameDirs(a []model.DirectoryID, b []model.UUID) bool {
	if len(a) == 0 || len(a) != len(b) {
		return false
	}
	return !slices.ContainsFunc(b, func(u model.UUID) bool { return !slices.Contains(a, model.DirectoryID(u)) })
}

func (m *Machine) checkDirectories(r *wire.BrokerRegistrationRequest) error {
	if len(r.LogDirs) == 0 {
		return kerr.InvalidRegistration.With("No directories specified in request")
	}
	seen := map[model.UUID]bool{}
	for _, dir := range r.LogDirs {
		if dir.IsReserved() {
			return kerr.InvalidRegistration.With("Reserved directory ID in request")
		}
		if seen[dir] {
			return kerr.InvalidRegistration.With("Duplicate directory ID in request")
		}
		seen[dir] = true
	}
	for b := range m.draft.Brokers() {
		if int32(b.ID) == r.BrokerID {
			continue
		}
		for _, dir := range b.LogDirs {
			if seen[model.UUID(dir)] {
				return kerr.InvalidRegistration.With("Broker %d is already registered with directory %v", b.ID, dir)
			}
		}
	}
	return nil
}

// checkFeatures wants every finalised level inside the broker's ranges; what is not
// finalised is at level 0. First comes what the broker names, as in Kafka.
func (m *Machine) checkFeatures(r *wire.BrokerRegistrationRequest) error {
	levels := append(slices.Clone(m.draft.Features().All()), metadata.FeatureLevel{Name: metadata.FeatureKRaftVersion, Level: m.cfg.KRaftVersion()})
	named := map[string]bool{}
	for _, f := range r.Features {
		named[f.Name] = true
		l := metadata.FeatureLevel{Name: f.Name}
		if i := slices.IndexFunc(levels, func(l metadata.FeatureLevel) bool { return l.Name == f.Name }); i >= 0 {
			l = levels[i]
		}
		if f := (metadata.FeatureRange{Name: f.Name, Min: f.MinSupportedVersion, Max: f.MaxSupportedVersion}); !f.Contains(l.Level) {
			return unsupportedLevel(l, f)
		}
	}
	if !named[metadata.FeatureMetadataVersion] {
		return kerr.InvalidRegistration.With("Request features do not contain 'metadata.version'")
	}
	for _, l := range levels {
		if !named[l.Name] && l.Level != 0 {
			return unsupportedLevel(l, metadata.FeatureRange{Name: l.Name})
		}
	}
	return nil
}

func unsupportedLevel(l metadata.FeatureLevel, f metadata.FeatureRange) error {
	return kerr.UnsupportedVersion.With("Unable to register because the broker does not support finalized version %d of %s. "+
		"The broker wants a version between %d and %d, inclusive.", l.Level, l.Name, f.Min, f.Max)
}

// unregisterBroker forgets a broker, alive or not.
func (m *Machine) unregisterBroker(r *wire.UnregisterBrokerRequest) wire.Response {
	response := &wire.UnregisterBrokerResponse{}
	b := m.draft.Broker(model.NodeID(r.BrokerID))
	if b == nil {
		err := kerr.BrokerIDNotRegistered.With("Broker ID %d is not currently registered", r.BrokerID)
		response.ErrorCode, response.ErrorMessage = err.Code, &err.Message
		return response
	}
	m.update(goneBroker(b.ID), m.where(inISR(b.ID)))
	m.update(goneBroker(b.ID), m.where(inELR(b.ID)))
	m.emit(&wire.UnregisterBrokerRecord{BrokerID: r.BrokerID, BrokerEpoch: int64(b.Epoch)})
	delete(m.sessions, b.ID)
	return response
}

// registerController takes a controller's registration as it is (KIP-919).
func (m *Machine) registerController(r *wire.ControllerRegistrationRequest) wire.Response {
	response := &wire.ControllerRegistrationResponse{}
	if !m.version().ControllerRegistration() {
		err := kerr.UnsupportedVersion.With("The current MetadataVersion is too old to support controller registrations.")
		response.ErrorCode, response.ErrorMessage = err.Code, &err.Message
		return response
	}
	record := &wire.RegisterControllerRecord{ControllerID: r.ControllerID, IncarnationID: r.IncarnationID}
	for _, l := range r.Listeners {
		record.EndPoints = append(record.EndPoints, wire.RegisterControllerRecordEndPoint(l))
	}
	for _, f := range r.Features {
		record.Features = append(record.Features, wire.RegisterControllerRecordFeature(f))
	}
	m.emit(record)
	return response
}
