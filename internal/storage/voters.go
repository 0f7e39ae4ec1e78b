package storage

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// initialVoter is a voter that formatting writes down: id@host:port:directory.
type initialVoter struct {
	id        model.NodeID
	endpoint  config.HostPort
	directory model.DirectoryID
}

// parseInitialVoters reads the value of --initial-controllers.
func parseInitialVoters(text string) ([]initialVoter, error) {
	var out []initialVoter
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		v, err := parseInitialVoter(entry)
		if err != nil {
			return nil, err
		}
		for _, other := range out {
			if other.id == v.id {
				return nil, fmt.Errorf("--initial-controllers names node %d twice", v.id)
			}
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, errors.New("--initial-controllers names no controller")
	}
	return out, nil
}

func parseInitialVoter(entry string) (initialVoter, error) {
	wrong := fmt.Errorf("%q is not of the form id@host:port:directory", entry)
	id, rest, ok := strings.Cut(entry, "@")
	n, err := strconv.ParseInt(id, 10, 32)
	colon := strings.LastIndexByte(rest, ':')
	if !ok || err != nil || n < 0 || colon < 0 {
		return initialVoter{}, wrong
	}
	endpoint, err := config.ParseHostPort(rest[:colon])
	if err != nil {
		return initialVoter{}, wrong
	}
	directory, err := model.ParseUUID(rest[colon+1:])
	if err != nil {
		return initialVoter{}, fmt.Errorf("%w: %v", wrong, err)
	}
	return initialVoter{model.NodeID(n), endpoint, model.DirectoryID(directory)}, nil
}

// votersRecord is the voter set as the log holds it: with the first controller
// listener only, and kraft.version 0 to 1.
func votersRecord(voters []initialVoter, listener string) *wire.VotersRecord {
	r := &wire.VotersRecord{}
	for _, v := range voters {
		r.Voters = append(r.Voters, wire.VotersRecordVoter{
			VoterID:             int32(v.id),
			VoterDirectoryID:    model.UUID(v.directory),
			Endpoints:           []wire.VotersRecordEndpoint{{Name: listener, Host: v.endpoint.Host, Port: v.endpoint.Port}},
			KRaftVersionFeature: wire.VotersRecordKRaftVersionFeature{MinSupportedVersion: 0, MaxSupportedVersion: 1},
		})
	}
	return r
}
