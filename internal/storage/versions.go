package storage

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/metadata"
)

// printedFeatures is the order in which Kafka lists features.
var printedFeatures = []string{metadata.FeatureKRaftVersion, metadata.FeatureTransactionVersion, metadata.FeatureGroupVersion,
	metadata.FeatureELRVersion, metadata.FeatureShareVersion, metadata.FeatureStreamsVersion}

// parseRelease reads --release-version: 4.3, 4.3.1 and 4.3-IV0 are all the
// level 4.3-IV0. Levels that are not released yet need unstable.
func parseRelease(text string, unstable bool) (metadata.Version, error) {
	name := text
	if parts := strings.Split(text, "."); len(parts) > 2 {
		name = strings.Join(parts[:2], ".")
	}
	newest := newestVersion(unstable)
	if v, err := metadata.ParseVersion(name, newest); err == nil {
		return v, nil
	}
	var names []string
	for v := metadata.MinVersion; v <= newest; v++ {
		names = append(names, v.String())
	}
	return 0, fmt.Errorf("Unknown metadata.version '%s'. Supported metadata.version are: %s", text, strings.Join(names, ", ")) //nolint:staticcheck // Kafka's text
}

// newestVersion is the newest level that a node registers, and so the newest that
// a cluster can be formatted at.
func newestVersion(unstable bool) metadata.Version {
	if unstable {
		return metadata.UnstableVersion
	}
	return metadata.ProductionVersion
}

// dynamicQuorums is the level from which kraft.version 1 belongs to a release
// (3.9-IV0, KIP-853). What a format finalises follows the kind of quorum instead.
const dynamicQuorums metadata.Version = 21

// VersionMapping writes which feature levels belong to a release, as
// `kafka-storage version-mapping` does. An empty release is the newest.
func VersionMapping(release string, w io.Writer) error {
	if release == "" {
		release = metadata.ProductionVersion.String()
	}
	v, err := parseRelease(release, true)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "metadata.version=%d (%s)\n", int16(v), release)
	levels := metadata.DefaultLevels(v)
	for _, name := range printedFeatures {
		level := int16(0)
		if i := slices.IndexFunc(levels, func(l metadata.FeatureLevel) bool { return l.Name == name }); i >= 0 {
			level = levels[i].Level
		}
		if name == metadata.FeatureKRaftVersion && v >= dynamicQuorums {
			level = 1
		}
		fmt.Fprintf(w, "%s=%d\n", name, level)
	}
	return nil
}

// FeatureDependencies writes what levels of features need, as `kafka-storage
// feature-dependencies` does.
func FeatureDependencies(levels []metadata.FeatureLevel, w io.Writer) error {
	for _, l := range levels {
		if l.Name == metadata.FeatureMetadataVersion {
			if v := metadata.Version(l.Level); !v.Known() {
				return fmt.Errorf("Unknown metadata.version %d", l.Level) //nolint:staticcheck // Kafka's text
			}
			fmt.Fprintf(w, "%s=%d (%s) has no dependencies.\n", l.Name, l.Level, metadata.Version(l.Level))
			continue
		}
		if !slices.Contains(printedFeatures, l.Name) {
			return fmt.Errorf("Unknown feature: %s", l.Name) //nolint:staticcheck // Kafka's text
		}
		needs, ok := needed(l)
		if !ok {
			return fmt.Errorf("Feature level %d is not supported for feature %s", l.Level, l.Name) //nolint:staticcheck // Kafka's text
		}
		if needs == 0 {
			fmt.Fprintf(w, "%s=%d has no dependencies.\n", l.Name, l.Level)
			continue
		}
		fmt.Fprintf(w, "%s=%d requires:\n    metadata.version=%d (%s)\n", l.Name, l.Level, int16(needs), needs)
	}
	return nil
}

// needed is the least metadata.version a level needs beyond the oldest there
// is; not ok if the level does not exist.
func needed(l metadata.FeatureLevel) (metadata.Version, bool) {
	for v := metadata.MinVersion; v <= metadata.LatestVersion; v++ {
		levels := []metadata.FeatureLevel{{Name: metadata.FeatureMetadataVersion, Level: int16(v)}, l}
		if metadata.CheckLevels(levels) == nil {
			if v == metadata.MinVersion {
				return 0, true
			}
			return v, true
		}
	}
	return 0, false
}
