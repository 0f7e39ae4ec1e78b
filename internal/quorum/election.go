package quorum

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

const (
	electionFile     = "quorum-state"
	maxElectionBytes = 1 << 20
)

// election0 is the quorum-state file while kraft.version is 0, election1 after.
// Kafka's readers want every field of the version. AppliedOffset is always 0
// there and read by nobody; here it is notCaughtUp as long as this voter is
// behind (see package kraft).
type election0 struct {
	ClusterID     string           `json:"clusterId"`
	LeaderID      model.NodeID     `json:"leaderId"`
	LeaderEpoch   model.Epoch      `json:"leaderEpoch"`
	VotedID       model.NodeID     `json:"votedId"`
	AppliedOffset int64            `json:"appliedOffset"`
	CurrentVoters []election0Voter `json:"currentVoters"`
	DataVersion   int              `json:"data_version"`
}

const notCaughtUp = -1

type election0Voter struct {
	VoterID model.NodeID `json:"voterId"`
}

type election1 struct {
	LeaderID         model.NodeID `json:"leaderId"`
	LeaderEpoch      model.Epoch  `json:"leaderEpoch"`
	VotedID          model.NodeID `json:"votedId"`
	VotedDirectoryID string       `json:"votedDirectoryId"`
	DataVersion      int          `json:"data_version"`
}

func encodeElection(e kraft.Election) ([]byte, error) {
	if e.Version > 0 {
		return json.Marshal(election1{
			LeaderID: e.Leader, LeaderEpoch: e.Epoch, VotedID: e.Voted.ID,
			VotedDirectoryID: e.Voted.Directory.String(), DataVersion: 1,
		})
	}
	voters := make([]election0Voter, len(e.Voters))
	for i, id := range e.Voters {
		voters[i].VoterID = id
	}
	applied := int64(0)
	if e.Behind {
		applied = notCaughtUp
	}
	return json.Marshal(election0{AppliedOffset: applied, LeaderID: e.Leader, LeaderEpoch: e.Epoch, VotedID: e.Voted.ID, CurrentVoters: voters})
}

func decodeElection(b []byte) (kraft.Election, error) {
	var v struct {
		DataVersion *int `json:"data_version"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return kraft.NoElection, err
	}
	if v.DataVersion == nil || *v.DataVersion < 0 || *v.DataVersion > 1 {
		return kraft.NoElection, fmt.Errorf("data_version is neither 0 nor 1")
	}
	e := kraft.NoElection
	var directory string
	if *v.DataVersion == 0 {
		f := election0{LeaderID: model.NoNode, VotedID: model.NoNode}
		if err := strictJSON(b, &f); err != nil {
			return e, err
		}
		e.Leader, e.Epoch, e.Voted.ID = f.LeaderID, f.LeaderEpoch, f.VotedID
		e.Behind = f.AppliedOffset == notCaughtUp
		for _, voter := range f.CurrentVoters {
			e.Voters = append(e.Voters, voter.VoterID)
		}
	} else {
		f := election1{LeaderID: model.NoNode, VotedID: model.NoNode}
		if err := strictJSON(b, &f); err != nil {
			return e, err
		}
		e.Leader, e.Epoch, e.Voted.ID, directory = f.LeaderID, f.LeaderEpoch, f.VotedID, f.VotedDirectoryID
		e.Version = 1
	}
	if e.Epoch < 0 || e.Leader < model.NoNode || e.Voted.ID < model.NoNode {
		return kraft.NoElection, fmt.Errorf("epoch %d, leader %d, vote %d cannot be", e.Epoch, e.Leader, e.Voted.ID)
	}
	if directory != "" {
		id, err := model.ParseUUID(directory)
		if err != nil {
			return kraft.NoElection, err
		}
		e.Voted.Directory = model.DirectoryID(id)
	}
	return e, nil
}

// strictJSON knows every field and wants nothing behind the object.
func strictJSON(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("something follows the object")
	}
	return nil
}

// readElection is the file's content; nothing is known where there is none.
func readElection(fsys vfs.FS, dir string) (kraft.Election, error) {
	b, err := vfs.ReadFile(fsys, path.Join(dir, electionFile), maxElectionBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return kraft.NoElection, nil
	}
	if err != nil {
		return kraft.NoElection, err
	}
	e, err := decodeElection(b)
	if err != nil {
		return e, fmt.Errorf("%s: %w", electionFile, err)
	}
	return e, nil
}

func writeElection(fsys vfs.FS, dir string, e kraft.Election) error {
	b, err := encodeElection(e)
	if err != nil {
		return err
	}
	return vfs.WriteFileAtomic(fsys, path.Join(dir, electionFile), b)
}
