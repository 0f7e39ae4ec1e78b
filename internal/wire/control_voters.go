package wire

import "github.com/stromkafka/strom/internal/model"

// VotersRecord is the value of a control record of the metadata log, version 0.
type VotersRecord struct {
	Version int16
	Voters  []VotersRecordVoter
}

// Reset sets the defaults.
func (m *VotersRecord) Reset() {
	*m = VotersRecord{}
}

func (m *VotersRecord) code(c *coder, v int16) {
	c.flexible = true
	c.int16(&m.Version)
	array(c, v, &m.Voters, false)
	c.noTags()
}

// VotersRecordVoter is part of VotersRecord.
type VotersRecordVoter struct {
	VoterID             int32
	VoterDirectoryID    model.UUID
	Endpoints           []VotersRecordEndpoint
	KRaftVersionFeature VotersRecordKRaftVersionFeature
}

// Reset sets the defaults.
func (m *VotersRecordVoter) Reset() {
	*m = VotersRecordVoter{}
}

func (m *VotersRecordVoter) code(c *coder, v int16) {
	c.int32(&m.VoterID)
	c.uuid(&m.VoterDirectoryID)
	array(c, v, &m.Endpoints, false)
	m.KRaftVersionFeature.code(c, v)
	c.noTags()
}

// VotersRecordEndpoint is part of VotersRecord.
type VotersRecordEndpoint struct {
	Name string
	Host string
	Port uint16
}

// Reset sets the defaults.
func (m *VotersRecordEndpoint) Reset() {
	*m = VotersRecordEndpoint{}
}

func (m *VotersRecordEndpoint) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.noTags()
}

// VotersRecordKRaftVersionFeature is part of VotersRecord.
type VotersRecordKRaftVersionFeature struct {
	MinSupportedVersion int16
	MaxSupportedVersion int16
}

// Reset sets the defaults.
func (m *VotersRecordKRaftVersionFeature) Reset() {
	*m = VotersRecordKRaftVersionFeature{}
}

func (m *VotersRecordKRaftVersionFeature) code(c *coder, _ int16) {
	c.int16(&m.MinSupportedVersion)
	c.int16(&m.MaxSupportedVersion)
	c.noTags()
}
