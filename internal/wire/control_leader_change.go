package wire

import "github.com/stromkafka/strom/internal/model"

// LeaderChangeMessage is the value of a control record of the metadata log, versions 0-1.
type LeaderChangeMessage struct {
	Version        int16
	LeaderID       int32
	Voters         []LeaderChangeMessageVoter
	GrantingVoters []LeaderChangeMessageVoter
}

// Reset sets the defaults.
func (m *LeaderChangeMessage) Reset() {
	*m = LeaderChangeMessage{}
}

func (m *LeaderChangeMessage) code(c *coder, v int16) {
	c.flexible = true
	c.int16(&m.Version)
	c.int32(&m.LeaderID)
	array(c, v, &m.Voters, false)
	array(c, v, &m.GrantingVoters, false)
	c.noTags()
}

// LeaderChangeMessageVoter is part of LeaderChangeMessage.
type LeaderChangeMessageVoter struct {
	VoterID          int32
	VoterDirectoryID model.UUID // v1+
}

// Reset sets the defaults.
func (m *LeaderChangeMessageVoter) Reset() {
	*m = LeaderChangeMessageVoter{}
}

func (m *LeaderChangeMessageVoter) code(c *coder, v int16) {
	c.int32(&m.VoterID)
	if v == 1 {
		c.uuid(&m.VoterDirectoryID)
	}
	c.noTags()
}
