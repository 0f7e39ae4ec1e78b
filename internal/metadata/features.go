package metadata

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

// Names of the features that a cluster finalises (KIP-584, KIP-1022).
const (
	FeatureMetadataVersion    = "metadata.version"
	FeatureKRaftVersion       = "kraft.version" // held by the quorum, never a FeatureLevelRecord
	FeatureTransactionVersion = "transaction.version"
	FeatureGroupVersion       = "group.version"
	FeatureELRVersion         = "eligible.leader.replicas.version"
	FeatureShareVersion       = "share.version"
	FeatureStreamsVersion     = "streams.version"
)

// Version is a level of metadata.version: which records and fields may be
// written. 0 means that none is finalised yet.
type Version int16

// The levels that matter. MinVersion is the oldest that can be read,
// ProductionVersion the newest that is written and registered (Kafka 4.3),
// UnstableVersion what Kafka 4.3 registers when unstable levels are allowed, and
// LatestVersion the newest that is known (Kafka 4.4).
const (
	MinVersion        Version = 7
	ProductionVersion Version = 30
	UnstableVersion   Version = 31
	LatestVersion     Version = 33
)

// versionNames are the names of the levels from MinVersion on.
var versionNames = [...]string{
	"3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2",
	"3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0",
	"4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1",
	"4.3-IV0", "4.4-IV0", "4.4-IV1", "4.4-IV2",
}

// Known reports whether the level has a name here.
func (v Version) Known() bool { return v >= MinVersion && v <= LatestVersion }

// String is the level's name, 4.3-IV0 for 30.
func (v Version) String() string {
	if !v.Known() {
		return fmt.Sprintf("metadata.version %d", int16(v))
	}
	return versionNames[v-MinVersion]
}

// ParseVersion reads the name of a level up to newest, or of a release (4.3),
// which stands for its newest level.
func ParseVersion(name string, newest Version) (Version, error) {
	for level := newest; level >= MinVersion; level-- {
		full := level.String()
		if name == full || name == strings.SplitN(full, "-", 2)[0] {
			return level, nil
		}
	}
	return 0, fmt.Errorf("unknown metadata.version %q: known are %s to %s", name, MinVersion, newest)
}

// What a level adds. Each is a question that a writer of records asks.

// ControlledShutdown reports whether registrations hold the shutdown flag.
func (v Version) ControlledShutdown() bool { return v >= 7 }

// SCRAM reports whether SCRAM credentials may be written.
func (v Version) SCRAM() bool { return v >= 11 }

// EpochBumpOnShrink reports whether removing an in-sync replica bumps the leader epoch.
func (v Version) EpochBumpOnShrink() bool { return v < 12 }

// Transactions reports whether metadata transactions may be written (KIP-866).
func (v Version) Transactions() bool { return v >= 13 }

// DelegationTokens reports whether tokens may be written.
func (v Version) DelegationTokens() bool { return v >= 14 }

// ControllerRegistration reports whether controllers register (KIP-919).
func (v Version) ControllerRegistration() bool { return v >= 15 }

// Directories reports whether replicas have log directories (KIP-858).
func (v Version) Directories() bool { return v >= 17 }

// ELR reports whether partitions may hold eligible leader replicas (KIP-966).
func (v Version) ELR() bool { return v >= 23 }

// CordonedDirs reports whether registrations tell cordoned log directories.
func (v Version) CordonedDirs() bool { return v >= 30 }

// FetchVersion is the version of Fetch between brokers at this level.
func (v Version) FetchVersion() int16 {
	switch {
	case v >= 27:
		return 18
	case v >= 21:
		return 17
	case v >= 19:
		return 16
	case v >= 10:
		return 15
	case v >= 9:
		return 14
	}
	return 13
}

// ListOffsetsVersion is the version of ListOffsets between brokers at this level.
func (v Version) ListOffsetsVersion() int16 {
	switch {
	case v >= 29:
		return 11
	case v >= 25:
		return 10
	case v >= 21:
		return 9
	case v >= 9:
		return 8
	}
	return 7
}

// RecordVersion is the version at which a record is written at this level. A
// BrokerRegistrationChange is written at the version that its content needs.
func (v Version) RecordVersion(r wire.Record) int16 {
	switch r := r.(type) {
	case *wire.RegisterBrokerRecord:
		return v.registerBrokerVersion()
	case *wire.PartitionRecord, *wire.PartitionChangeRecord:
		return v.partitionVersion()
	case *wire.BrokerRegistrationChangeRecord:
		return changeVersion(r)
	}
	return 0
}

func (v Version) registerBrokerVersion() int16 {
	switch {
	case v.CordonedDirs():
		return 4
	case v.Directories():
		return 3
	case v >= 8:
		return 2
	case v >= 7:
		return 1
	}
	return 0
}

func (v Version) partitionVersion() int16 {
	switch {
	case v.ELR():
		return 2
	case v.Directories():
		return 1
	}
	return 0
}

// changeVersion is the lowest version that holds the change, as Kafka writes it
// whatever the level would allow.
func changeVersion(r *wire.BrokerRegistrationChangeRecord) int16 {
	switch {
	case r.CordonedLogDirs != nil:
		return 3
	case len(r.LogDirs) > 0:
		return 2
	case r.InControlledShutdown != 0:
		return 1
	}
	return 0
}

// FeatureRange is what a node understands of a feature.
type FeatureRange struct {
	Name     string
	Min, Max int16
}

// Contains reports whether the range holds the level.
func (r FeatureRange) Contains(level int16) bool { return r.Min <= level && level <= r.Max }

// FeatureLevel is a finalised level of a feature.
type FeatureLevel struct {
	Name  string
	Level int16
}

// feature is a row of the table of features other than metadata.version.
type feature struct {
	name       string
	max        int16
	defaultsAt []Version // the level of metadata.version from which on level i+1 is the default
	needs      []Version // what level i+1 cannot do without; 0 is nothing
}

var features = []feature{
	{FeatureELRVersion, 1, []Version{26}, []Version{23}},
	{FeatureGroupVersion, 1, []Version{22}, []Version{0}},
	{FeatureKRaftVersion, 1, nil, []Version{0}},
	{FeatureShareVersion, 1, []Version{28}, []Version{0}},
	{FeatureStreamsVersion, 1, []Version{29}, []Version{0}},
	{FeatureTransactionVersion, 2, []Version{24, 24}, []Version{0, 0}},
}

// SupportedFeatures are the levels that this program understands and registers,
// in name order: those of Kafka 4.3, so that its nodes accept ours, or with
// unstable (unstable.feature.versions.enable) those that 4.3 registers then.
func SupportedFeatures(unstable bool) []FeatureRange {
	newest := ProductionVersion
	if unstable {
		newest = UnstableVersion
	}
	all := []FeatureRange{{FeatureMetadataVersion, int16(MinVersion), int16(newest)}}
	for _, f := range features {
		all = append(all, FeatureRange{f.name, 0, f.max})
	}
	slices.SortFunc(all, func(a, b FeatureRange) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// DefaultLevels are the levels above 0 that a cluster formatted at v has, in the
// order of its bootstrap records: metadata.version, then by name. kraft.version
// follows the way of formatting and is not among them.
func DefaultLevels(v Version) []FeatureLevel {
	levels := []FeatureLevel{{FeatureMetadataVersion, int16(v)}}
	for _, f := range features {
		level := int16(0)
		for i, from := range f.defaultsAt {
			if v >= from {
				level = int16(i + 1)
			}
		}
		if level > 0 {
			levels = append(levels, FeatureLevel{f.name, level})
		}
	}
	return levels
}

// CheckLevels reports the first level that is unknown or lacks what it depends
// on: what a format or an update of features must refuse.
func CheckLevels(levels []FeatureLevel) error {
	var version Version
	for _, l := range levels {
		if l.Name == FeatureMetadataVersion {
			version = Version(l.Level)
			if !version.Known() {
				return kerr.InvalidUpdateVersion.With("metadata.version %d is not known: it goes from %d to %d", l.Level, MinVersion, LatestVersion)
			}
		}
	}
	for _, l := range levels {
		if l.Name == FeatureMetadataVersion {
			continue
		}
		i := slices.IndexFunc(features, func(f feature) bool { return f.name == l.Name })
		if i < 0 {
			return kerr.InvalidUpdateVersion.With("no feature is named %q", l.Name)
		}
		if l.Level < 0 || l.Level > features[i].max {
			return kerr.InvalidUpdateVersion.With("%s goes from 0 to %d, not %d", l.Name, features[i].max, l.Level)
		}
		if l.Level > 0 && version < features[i].needs[l.Level-1] {
			return kerr.InvalidUpdateVersion.With("%s %d needs metadata.version %s or newer", l.Name, l.Level, features[i].needs[l.Level-1])
		}
	}
	return nil
}

// CheckDependencies reports what a level of a feature other than
// metadata.version lacks among the levels that will be finalised with it, in
// Kafka's words.
func CheckDependencies(name string, level int16, proposed map[string]int16) error {
	i := slices.IndexFunc(features, func(f feature) bool { return f.name == name })
	if i < 0 || level <= 0 || int(level) > len(features[i].needs) {
		return nil
	}
	if needs := features[i].needs[level-1]; Version(proposed[FeatureMetadataVersion]) < needs {
		return kerr.InvalidUpdateVersion.With("%s could not be set to %d because it depends on metadata.version level %d", name, level, int16(needs))
	}
	return nil
}

// changesRecords are the levels at which records changed.
var changesRecords = []Version{7, 8, 11, 13, 14, 15, 17, 23, 30, 32, 33}

// RecordsDiffer reports whether records written at the higher level may say what
// the lower one cannot.
func RecordsDiffer(lower, higher Version) bool {
	return slices.ContainsFunc(changesRecords, func(v Version) bool { return v > lower && v <= higher })
}

// BootstrapRecords are the feature records that formatting writes and that the
// first controller puts into the log: levels as given, those at 0 and
// kraft.version left out.
func BootstrapRecords(levels []FeatureLevel) []wire.Record {
	var records []wire.Record
	for _, l := range levels {
		if l.Level > 0 && l.Name != FeatureKRaftVersion {
			records = append(records, &wire.FeatureLevelRecord{Name: l.Name, FeatureLevel: l.Level})
		}
	}
	return records
}

// Features are a cluster's finalised levels. The zero value has none.
type Features struct {
	Version Version        // of metadata.version
	levels  []FeatureLevel // the others, above 0, in name order; never changed in place
}

// Level is the finalised level of a feature, 0 when there is none.
func (f Features) Level(name string) int16 {
	if name == FeatureMetadataVersion {
		return int16(f.Version)
	}
	for _, l := range f.levels {
		if l.Name == name {
			return l.Level
		}
	}
	return 0
}

// ELR reports whether eligible leader replicas are on.
func (f Features) ELR() bool { return f.Level(FeatureELRVersion) >= 1 }

// All are the finalised levels, metadata.version first, the others in name order.
func (f Features) All() []FeatureLevel {
	if f.Version == 0 {
		return f.levels
	}
	return append([]FeatureLevel{{FeatureMetadataVersion, int16(f.Version)}}, f.levels...)
}

// with is the features after a FeatureLevelRecord. kraft.version is ignored:
// the quorum's control records hold it.
func (f Features) with(name string, level int16) (Features, error) {
	switch name {
	case FeatureMetadataVersion:
		if !Version(level).Known() {
			return f, fmt.Errorf("metadata.version %d is not supported: it goes from %d to %d", level, MinVersion, LatestVersion)
		}
		f.Version = Version(level)
		return f, nil
	case FeatureKRaftVersion:
		return f, nil
	}
	levels := slices.DeleteFunc(slices.Clone(f.levels), func(l FeatureLevel) bool { return l.Name == name })
	if level != 0 {
		levels = append(levels, FeatureLevel{name, level})
		slices.SortFunc(levels, func(a, b FeatureLevel) int { return strings.Compare(a.Name, b.Name) })
	}
	f.levels = levels
	return f, nil
}
