package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/stromkafka/strom/internal/model"
)

// Storage is what `strom storage` can do to a node's directories; the options
// are kafka-storage's. Each writes what it has to say to w. A nil function
// leaves its command out.
type Storage struct {
	Format              func(ctx context.Context, o FormatOptions, w io.Writer) error
	Info                func(ctx context.Context, o InfoOptions, w io.Writer) error
	VersionMapping      func(ctx context.Context, o VersionMappingOptions, w io.Writer) error
	FeatureDependencies func(ctx context.Context, o FeatureDependenciesOptions, w io.Writer) error
}

func (c *CLI) storageCommand() *cobra.Command {
	cmd := group("storage", "Format a node's directories, and look at them")
	s := c.programs.Storage
	if s.Format != nil {
		cmd.AddCommand(c.storageFormatCommand())
	}
	if s.Info != nil {
		cmd.AddCommand(c.storageInfoCommand())
	}
	if s.VersionMapping != nil {
		cmd.AddCommand(c.storageVersionMappingCommand())
	}
	if s.FeatureDependencies != nil {
		cmd.AddCommand(c.storageFeatureDependenciesCommand())
	}
	cmd.AddCommand(c.storageRandomUUIDCommand())
	return offline(cmd)
}

func (c *CLI) storageRandomUUIDCommand() *cobra.Command {
	return offline(&cobra.Command{
		Use:     "random-uuid",
		Short:   "Print a new id for a cluster or a directory",
		Args:    nothing,
		Example: examples("strom storage random-uuid"),
		RunE: func(*cobra.Command, []string) error {
			id, err := randomUUID(rand.Reader)
			if err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(id.String())
			}
			_, err = fmt.Fprintln(c.env.Out, id)
			return err
		},
	})
}

// randomUUID is a version 4 UUID as Apache Kafka makes them: none of the
// reserved ones, and none that a command line would take for a flag.
func randomUUID(random io.Reader) (model.UUID, error) {
	for {
		var u model.UUID
		if _, err := io.ReadFull(random, u[:]); err != nil {
			return u, fmt.Errorf("read random bytes: %w", err)
		}
		u[6] = u[6]&0x0f | 0x40
		u[8] = u[8]&0x3f | 0x80
		if !u.IsReserved() && u.String()[0] != '-' {
			return u, nil
		}
	}
}

// Feature is one name=level.
type Feature struct {
	Name  string
	Level int16
}
