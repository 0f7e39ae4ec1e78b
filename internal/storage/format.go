package storage

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// FormatOptions are those of `kafka-storage format`.
type FormatOptions struct {
	Values    *config.Values
	ClusterID string
	// IgnoreFormatted leaves formatted directories as they are; without it one of
	// them is an error.
	IgnoreFormatted bool
	ReleaseVersion  string                  // such as 4.3; empty: the newest
	Features        []metadata.FeatureLevel // override what the release has
	// At most one of the next three.
	Standalone           bool   // this node is the only voter of a dynamic quorum
	NoInitialControllers bool   // this controller will join a dynamic quorum
	InitialControllers   string // id@host:port:directory, separated by commas
	SCRAM                []string
	Now                  time.Time
	Random               io.Reader

	dirs []string // of those configured, the ones that are online; nil: all
}

// format is what formatting has decided.
type format struct {
	o       FormatOptions
	n       *config.Node
	version metadata.Version
	levels  []metadata.FeatureLevel // metadata.version first, then by name; without kraft.version
	records []wire.Record
	voters  []initialVoter
}

// Format writes meta.properties, bootstrap.checkpoint and, for a dynamic quorum
// with known voters, the metadata log's first snapshot into the node's
// directories, and tells on w what it does in the words of `kafka-storage
// format`.
func Format(fsys vfs.FS, o FormatOptions, w io.Writer) error {
	f := &format{o: o, n: o.Values.Node()}
	if o.ClusterID == "" {
		return errors.New("You must specify the cluster id.") //nolint:staticcheck // Kafka's text
	}
	if err := f.chooseVoters(); err != nil {
		return err
	}
	if err := f.chooseLevels(); err != nil {
		return err
	}
	return f.write(fsys, w)
}

// chooseVoters holds the three ways of beginning a quorum against the
// configuration.
func (f *format) chooseVoters() error {
	static := len(f.n.Voters) > 0
	var err error
	switch {
	case static && (f.o.Standalone || f.o.InitialControllers != ""):
		return errors.New("You cannot specify controller.quorum.voters and format the node " + //nolint:staticcheck // Kafka's text
			"with --initial-controllers or --standalone. If you want to use dynamic quorum, please remove " +
			"controller.quorum.voters and specify controller.quorum.bootstrap.servers instead.")
	case f.o.InitialControllers != "":
		f.voters, err = parseInitialVoters(f.o.InitialControllers)
	case f.o.Standalone:
		f.voters, err = f.standalone()
	case f.n.Controller && !static && !f.o.NoInitialControllers:
		return errors.New("Because controller.quorum.voters is not set on this controller, you must specify one of the following: " + //nolint:staticcheck // Kafka's text
			"--standalone, --initial-controllers, or --no-initial-controllers.")
	}
	return err
}

// standalone is this node as the only voter, at its first controller listener.
func (f *format) standalone() ([]initialVoter, error) {
	if !f.n.Controller {
		return nil, errors.New("You can only use --standalone on a controller.") //nolint:staticcheck // Kafka's text
	}
	id, err := newUUID(f.o.Random)
	if err != nil {
		return nil, err
	}
	own := f.n.AdvertisedController[0]
	if own.Host == "" {
		own.Host = "localhost"
	}
	return []initialVoter{{f.n.ID, config.HostPort{Host: own.Host, Port: own.Port}, model.DirectoryID(id)}}, nil
}

// chooseLevels settles metadata.version and with it the defaults of the other
// features, then the overrides.
func (f *format) chooseLevels() error {
	unstable := f.o.Values.Bool("unstable.feature.versions.enable")
	f.version = newestVersion(unstable)
	asked, features := f.o.ReleaseVersion != "", slices.Clone(f.o.Features)
	if asked {
		var err error
		if f.version, err = parseRelease(f.o.ReleaseVersion, unstable); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(features, func(l metadata.FeatureLevel) bool { return l.Name == metadata.FeatureMetadataVersion }); i >= 0 {
		if asked {
			return errors.New("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.") //nolint:staticcheck // Kafka's text
		}
		f.version = metadata.Version(features[i].Level)
		features = slices.Delete(features, i, i+1)
		if f.version > metadata.ProductionVersion && !unstable {
			return fmt.Errorf("metadata.version %s is not yet stable.", f.version) //nolint:staticcheck // Kafka's text
		}
	}
	f.levels = metadata.DefaultLevels(f.version)
	for _, l := range features {
		if l.Name == metadata.FeatureKRaftVersion {
			if err := f.checkKRaftVersion(l.Level); err != nil {
				return err
			}
			continue
		}
		f.levels = slices.DeleteFunc(f.levels, func(d metadata.FeatureLevel) bool { return d.Name == l.Name })
		f.levels = append(f.levels, l)
	}
	slices.SortStableFunc(f.levels[1:], func(a, b metadata.FeatureLevel) int { return strings.Compare(a.Name, b.Name) })
	if err := metadata.CheckLevels(f.levels); err != nil {
		return err
	}
	return f.bootstrapRecords()
}

// checkKRaftVersion refuses a level that contradicts the kind of quorum: 1 is
// for dynamic voters, 0 for static ones.
func (f *format) checkKRaftVersion(level int16) error {
	dynamic := len(f.n.Voters) == 0
	switch {
	case level == 0 && dynamic:
		return errors.New("Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags " + //nolint:staticcheck // Kafka's text
			"--standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic " +
			"controllers support, try removing the --feature flag for kraft.version.")
	case level != 0 && !dynamic:
		return fmt.Errorf("Cannot set kraft.version to %d unless controller.quorum.voters is empty and one of the flags --standalone, "+ //nolint:staticcheck // Kafka's text
			"--initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try using one of "+
			"--standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters.", level)
	}
	return metadata.CheckLevels([]metadata.FeatureLevel{{Name: metadata.FeatureMetadataVersion, Level: int16(f.version)}, {Name: metadata.FeatureKRaftVersion, Level: level}})
}

func (f *format) bootstrapRecords() error {
	f.records = metadata.BootstrapRecords(f.levels)
	if len(f.o.SCRAM) > 0 && !f.version.SCRAM() {
		return fmt.Errorf("SCRAM is only supported in metadata.version %s or later.", metadata.Version(11)) //nolint:staticcheck // Kafka's text
	}
	for _, argument := range f.o.SCRAM {
		r, err := parseSCRAM(argument, f.o.Random)
		if err != nil {
			return err
		}
		f.records = append(f.records, r)
	}
	return nil
}

// write formats the directories that are not, in name order.
func (f *format) write(fsys vfs.FS, w io.Writer) error {
	dirs := f.o.dirs
	if dirs == nil {
		dirs = f.n.Dirs()
	}
	dirs = slices.Sorted(slices.Values(dirs))
	metas := map[string]Meta{}
	var empty []string
	failed := 0
	for _, dir := range dirs {
		m, err := ReadMeta(fsys, dir)
		switch {
		case err == nil:
			metas[dir] = m
		case notThere(err):
			empty = append(empty, dir)
		default:
			failed++
			fmt.Fprintf(w, "I/O error trying to read log directory %s. Ignoring...\n", dir)
		}
	}
	if _, err := checkMetas(metas, f.o.ClusterID, f.n.ID); err != nil {
		return err
	}
	if len(metas) > 0 && !f.o.IgnoreFormatted {
		return fmt.Errorf("Log directory %s is already formatted. Use --ignore-formatted to ignore this directory and format the others.", sortedKeys(metas)[0]) //nolint:staticcheck // Kafka's text
	}
	if failed == len(dirs) {
		return errors.New("No available log directories to format.") //nolint:staticcheck // Kafka's text
	}
	if len(empty) == 0 {
		fmt.Fprintln(w, "All of the log directories are already formatted.")
		return nil
	}
	fmt.Fprintf(w, "Bootstrap metadata: %s\n", f.describe())
	for _, dir := range empty {
		if err := f.writeDir(fsys, dir, w); err != nil {
			return err
		}
	}
	return nil
}

// writeDir formats one directory. meta.properties comes last: a directory that
// has it is whole.
func (f *format) writeDir(fsys vfs.FS, dir string, w io.Writer) error {
	kind, dynamic := "data directory", false
	id, err := newUUID(f.o.Random)
	if err != nil {
		return err
	}
	if dir == f.n.MetadataDir {
		kind, dynamic = "metadata directory", len(f.voters) > 0
		if dynamic {
			kind = "dynamic metadata directory"
		}
		if i := slices.IndexFunc(f.voters, func(v initialVoter) bool { return v.id == f.n.ID }); i >= 0 {
			kind, id = "dynamic metadata voter directory", model.UUID(f.voters[i].directory)
		}
	}
	fmt.Fprintf(w, "Formatting %s %s with metadata.version %s.\n", kind, dir, f.version)
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("format %s: %w", dir, err)
	}
	if err := writeBootstrap(fsys, dir, f.records, f.o.Now); err != nil {
		return err
	}
	if dynamic {
		if err := writeFirstSnapshot(fsys, dir, votersRecord(f.voters, f.n.ControllerNames[0]), f.o.Now); err != nil {
			return err
		}
	}
	if err := WriteMeta(fsys, dir, Meta{f.o.ClusterID, f.n.ID, model.DirectoryID(id)}); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(dir)) // the directory itself may be new
}

// describe names the bootstrap records as Kafka prints them, less the keys of
// credentials.
func (f *format) describe() string {
	var parts []string
	for _, r := range f.records {
		switch r := r.(type) {
		case *wire.FeatureLevelRecord:
			parts = append(parts, fmt.Sprintf("ApiMessageAndVersion(FeatureLevelRecord(name='%s', featureLevel=%d) at version 0)", r.Name, r.FeatureLevel))
		case *wire.UserScramCredentialRecord:
			parts = append(parts, fmt.Sprintf("ApiMessageAndVersion(UserScramCredentialRecord(name='%s', mechanism=%d) at version 0)", r.Name, r.Mechanism))
		}
	}
	return fmt.Sprintf("BootstrapMetadata(records=[%s], metadataVersionLevel=%d, source=format command)", strings.Join(parts, ", "), int16(f.version))
}
