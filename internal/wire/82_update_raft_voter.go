package wire

import "github.com/stromkafka/strom/internal/model"

// UpdateRaftVoterRequest asks UpdateRaftVoter (KIP-853), API key 82, version 0.
type UpdateRaftVoterRequest struct {
	ClusterID           *string
	CurrentLeaderEpoch  int32
	VoterID             int32
	VoterDirectoryID    model.UUID
	Listeners           []UpdateRaftVoterRequestListener
	KRaftVersionFeature UpdateRaftVoterRequestKRaftVersionFeature
}

// Reset sets the defaults.
func (m *UpdateRaftVoterRequest) Reset() {
	*m = UpdateRaftVoterRequest{}
}

// Key is the API key.
func (*UpdateRaftVoterRequest) Key() int16 { return KeyUpdateRaftVoter }
func (*UpdateRaftVoterRequest) request()   {}

func (m *UpdateRaftVoterRequest) code(c *coder, v int16) {
	c.flexible = true
	c.nullString(&m.ClusterID, true)
	c.int32(&m.CurrentLeaderEpoch)
	c.int32(&m.VoterID)
	c.uuid(&m.VoterDirectoryID)
	array(c, v, &m.Listeners, false)
	m.KRaftVersionFeature.code(c, v)
	c.noTags()
}

// UpdateRaftVoterRequestListener is part of UpdateRaftVoterRequest.
type UpdateRaftVoterRequestListener struct {
	Name string
	Host string
	Port uint16
}

// Reset sets the defaults.
func (m *UpdateRaftVoterRequestListener) Reset() {
	*m = UpdateRaftVoterRequestListener{}
}

func (m *UpdateRaftVoterRequestListener) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.noTags()
}

// UpdateRaftVoterRequestKRaftVersionFeature is part of UpdateRaftVoterRequest.
type UpdateRaftVoterRequestKRaftVersionFeature struct {
	MinSupportedVersion int16
	MaxSupportedVersion int16
}

// Reset sets the defaults.
func (m *UpdateRaftVoterRequestKRaftVersionFeature) Reset() {
	*m = UpdateRaftVoterRequestKRaftVersionFeature{}
}

func (m *UpdateRaftVoterRequestKRaftVersionFeature) code(c *coder, _ int16) {
	c.int16(&m.MinSupportedVersion)
	c.int16(&m.MaxSupportedVersion)
	c.noTags()
}

// UpdateRaftVoterResponse answers UpdateRaftVoterRequest.
type UpdateRaftVoterResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	CurrentLeader  UpdateRaftVoterResponseCurrentLeader // tag 0
}

// Reset sets the defaults.
func (m *UpdateRaftVoterResponse) Reset() {
	*m = UpdateRaftVoterResponse{}
	m.CurrentLeader.Reset()
}

// Key is the API key.
func (*UpdateRaftVoterResponse) Key() int16 { return KeyUpdateRaftVoter }
func (*UpdateRaftVoterResponse) response()  {}

func (m *UpdateRaftVoterResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	var none UpdateRaftVoterResponseCurrentLeader
	none.Reset()
	c.beginTags()
	if c.tag(0, m.CurrentLeader != none) {
		m.CurrentLeader.code(c, v)
		c.endTag()
	}
	c.endTags()
}

// UpdateRaftVoterResponseCurrentLeader is part of UpdateRaftVoterResponse.
type UpdateRaftVoterResponseCurrentLeader struct {
	LeaderID    int32
	LeaderEpoch int32
	Host        string
	Port        int32
}

// Reset sets the defaults.
func (m *UpdateRaftVoterResponseCurrentLeader) Reset() {
	*m = UpdateRaftVoterResponseCurrentLeader{LeaderID: -1, LeaderEpoch: -1}
}

func (m *UpdateRaftVoterResponseCurrentLeader) code(c *coder, _ int16) {
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	c.string(&m.Host)
	c.int32(&m.Port)
	c.noTags()
}
