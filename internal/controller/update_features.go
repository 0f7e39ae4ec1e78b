package controller

import (
	"fmt"
	"slices"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// The ways of an UpdateFeatures (KIP-584, 778).
const (
	upgrade         int8 = 1
	unsafeDowngrade int8 = 3
)

// updateFeatures finalises levels: all that the request names, or none. As in
// Kafka, version 0 can only upgrade, whatever its AllowDowngrade says.
func (m *Machine) updateFeatures(r *wire.UpdateFeaturesRequest, version int16) wire.Response {
	response := &wire.UpdateFeaturesResponse{}
	updates := make([]wire.UpdateFeaturesRequestFeatureUpdate, 0, len(r.FeatureUpdates))
	for _, u := range r.FeatureUpdates {
		updates = slices.DeleteFunc(updates, func(o wire.UpdateFeaturesRequestFeatureUpdate) bool { return o.Feature == u.Feature })
		updates = append(updates, u)
	}
	proposed := map[string]int16{}
	for _, l := range m.draft.Features().All() {
		proposed[l.Name] = l.Level
	}
	for _, u := range updates {
		proposed[u.Feature] = u.MaxVersionLevel
	}
	var levels []wire.Record
	for _, u := range updates {
		record, err := m.updateFeature(u, proposed)
		if err != nil {
			m.cfg.Log.Warn("refusing an update of features", "error", err)
			text := fmt.Sprintf("The update failed for all features since the following feature had an error: %s", *kerr.Message(err))
			response.ErrorCode, response.ErrorMessage = kerr.Code(err), &text
			return response
		}
		if record != nil {
			levels = append(levels, record)
		}
	}
	if version <= 1 {
		none := "NONE"
		for _, u := range r.FeatureUpdates {
			response.Results = append(response.Results, wire.UpdateFeaturesResponseResult{Feature: u.Feature, ErrorMessage: &none})
		}
	}
	if r.ValidateOnly {
		return response
	}
	if proposed[metadata.FeatureELRVersion] > 0 && !m.elrEnabled() {
		m.keepMinISR() // before the level: once it is there, brokers may have none of their own
	}
	for _, record := range levels {
		m.emit(record)
	}
	return response
}

// updateFeature is the record of one update, nil if none is needed.
func (m *Machine) updateFeature(u wire.UpdateFeaturesRequestFeatureUpdate, proposed map[string]int16) (wire.Record, error) {
	name, level := u.Feature, u.MaxVersionLevel
	invalid := func(why string) error {
		return kerr.InvalidUpdateVersion.With("Invalid update version %d for feature %s. %s", level, name, why)
	}
	if u.UpgradeType < upgrade || u.UpgradeType > unsafeDowngrade {
		return nil, invalid("The controller does not support the given upgrade type.")
	}
	now := m.draft.Features().Level(name)
	if name == metadata.FeatureKRaftVersion {
		now = m.cfg.KRaftVersion()
	}
	if level < 0 {
		return nil, invalid("A feature version cannot be less than 0.")
	}
	if why := m.notSupported(name, level); why != "" {
		return nil, invalid(why)
	}
	switch {
	case level < now && u.UpgradeType == upgrade:
		return nil, invalid("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.")
	case level > now && u.UpgradeType != upgrade:
		return nil, invalid("Can't downgrade to a newer version.")
	}
	switch name {
	case metadata.FeatureMetadataVersion:
		return m.updateMetadataVersion(level, u.UpgradeType == unsafeDowngrade)
	case metadata.FeatureKRaftVersion:
		return nil, updateKRaftVersion(level, now, invalid)
	}
	if err := metadata.CheckDependencies(name, level, proposed); err != nil {
		return nil, invalid(*kerr.Message(err))
	}
	return &wire.FeatureLevelRecord{Name: name, FeatureLevel: level}, nil
}

// updateKRaftVersion: the level is that of the quorum's voter set, which this
// quorum does not change while it runs.
func updateKRaftVersion(level, now int16, invalid func(string) error) error {
	switch {
	case level == now:
		return nil
	case level < now:
		return invalid("Can't downgrade the version of this feature.")
	}
	return invalid("The kraft.version of a running quorum cannot be upgraded by this controller.")
}

// updateMetadataVersion refuses to go below a level that changed what records
// say, however unsafe the caller would have it, as Kafka does.
func (m *Machine) updateMetadataVersion(level int16, unsafe bool) (wire.Record, error) {
	now, next := m.version(), metadata.Version(level)
	if next < now && metadata.RecordsDiffer(next, now) {
		why := "Refusing to perform the requested downgrade because it might delete metadata information."
		if unsafe {
			why = "Unsafe metadata downgrade is not supported in this version."
		}
		return nil, kerr.InvalidUpdateVersion.With("Unsupported metadata.version downgrade from %d to %d. %s", now, next, why)
	}
	m.cfg.Log.Info("metadata.version changes", "from", now.String(), "to", next.String())
	return &wire.FeatureLevelRecord{Name: metadata.FeatureMetadataVersion, FeatureLevel: level}, nil
}

// notSupported is why some node cannot have the level, empty if all can. A voter
// that has not registered may be any program.
func (m *Machine) notSupported(name string, level int16) string {
	local := metadata.FeatureRange{Name: name}
	for _, f := range m.cfg.Supported {
		if f.Name == name {
			local = f
		}
	}
	if why := outside(level, fmt.Sprintf("Local controller %d", m.cfg.NodeID), local); why != "" {
		return why
	}
	for b := range m.draft.Brokers() {
		if why := outside(level, fmt.Sprintf("Broker %d", b.ID), b.Feature(name)); why != "" {
			return why
		}
	}
	if !m.version().ControllerRegistration() {
		return ""
	}
	registered := map[model.NodeID]bool{m.cfg.NodeID: true}
	for c := range m.draft.Controllers() {
		registered[c.ID] = true
		if why := outside(level, fmt.Sprintf("Controller %d", c.ID), c.Feature(name)); why != "" && c.ID != m.cfg.NodeID {
			return why
		}
	}
	for _, id := range m.voters() {
		if !registered[id] {
			return fmt.Sprintf("controller %d has not registered, and may not support this feature", id)
		}
	}
	return ""
}

func (m *Machine) voters() []model.NodeID {
	if m.cfg.Voters == nil {
		return nil
	}
	return m.cfg.Voters()
}

func outside(level int16, who string, r metadata.FeatureRange) string {
	switch {
	case r.Contains(level):
		return ""
	case r.Max == 0:
		return who + " does not support this feature."
	case r.Min == r.Max:
		return fmt.Sprintf("%s only supports versions %d", who, r.Min)
	}
	return fmt.Sprintf("%s only supports versions %d-%d", who, r.Min, r.Max)
}
