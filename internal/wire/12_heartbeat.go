package wire

// HeartbeatRequest asks Heartbeat, API key 12, versions 0-4.
type HeartbeatRequest struct {
	GroupID         string
	GenerationID    int32
	MemberID        string
	GroupInstanceID *string // v3+
}

// Reset sets the defaults.
func (m *HeartbeatRequest) Reset() {
	*m = HeartbeatRequest{}
}

// Key is the API key.
func (*HeartbeatRequest) Key() int16 { return KeyHeartbeat }
func (*HeartbeatRequest) request()   {}

func (m *HeartbeatRequest) code(c *coder, v int16) {
	c.flexible = v == 4
	c.string(&m.GroupID)
	c.int32(&m.GenerationID)
	c.string(&m.MemberID)
	if v >= 3 {
		c.nullString(&m.GroupInstanceID, true)
	}
	if c.flexible {
		c.noTags()
	}
}

// HeartbeatResponse answers HeartbeatRequest.
type HeartbeatResponse struct {
	ThrottleTimeMS int32 // v1+
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *HeartbeatResponse) Reset() {
	*m = HeartbeatResponse{}
}

// Key is the API key.
func (*HeartbeatResponse) Key() int16 { return KeyHeartbeat }
func (*HeartbeatResponse) response()  {}

func (m *HeartbeatResponse) code(c *coder, v int16) {
	c.flexible = v == 4
	if v >= 1 {
		c.int32(&m.ThrottleTimeMS)
	}
	c.int16(&m.ErrorCode)
	if c.flexible {
		c.noTags()
	}
}
