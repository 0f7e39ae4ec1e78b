package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"time"

	"github.com/stromkafka/strom/internal/cli"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/storage"
	"github.com/stromkafka/strom/internal/vfs"
)

// storageCommands are what `strom storage` does.
func storageCommands() cli.Storage {
	return cli.Storage{Format: format, Info: info, VersionMapping: versionMapping, FeatureDependencies: featureDependencies}
}

func format(_ context.Context, o cli.FormatOptions, w io.Writer) error {
	if o.Config == "" {
		return errors.New("name the node's properties file with -c FILE")
	}
	values, err := load(o.Config, nil)
	if err != nil {
		return err
	}
	return storage.Format(vfs.OS(), storage.FormatOptions{
		Values: values, ClusterID: o.ClusterID, IgnoreFormatted: o.IgnoreFormatted, ReleaseVersion: o.ReleaseVersion,
		Features: levels(o.Features), Standalone: o.Standalone, NoInitialControllers: o.NoInitialControllers,
		InitialControllers: o.InitialControllers, SCRAM: o.AddSCRAM, Now: time.Now(), Random: rand.Reader,
	}, w)
}

func info(_ context.Context, o cli.InfoOptions, w io.Writer) error {
	values, err := load(o.Config, nil)
	if err != nil {
		return err
	}
	return storage.Info(vfs.OS(), values.Node(), w)
}

func versionMapping(_ context.Context, o cli.VersionMappingOptions, w io.Writer) error {
	return storage.VersionMapping(o.ReleaseVersion, w)
}

func featureDependencies(_ context.Context, o cli.FeatureDependenciesOptions, w io.Writer) error {
	return storage.FeatureDependencies(levels(o.Features), w)
}

func levels(features []cli.Feature) []metadata.FeatureLevel {
	var all []metadata.FeatureLevel
	for _, f := range features {
		all = append(all, metadata.FeatureLevel{Name: f.Name, Level: f.Level})
	}
	return all
}
