package wire

// The kinds of coordinator that FindCoordinator finds.
const (
	CoordinatorOfGroup       int8 = 0
	CoordinatorOfTransaction int8 = 1
	CoordinatorOfShare       int8 = 2
)

// FindCoordinatorRequest asks FindCoordinator, API key 10, versions 0-6.
type FindCoordinatorRequest struct {
	CoordinatorKey  string   // v0-3; the protocol's field Key
	KeyType         int8     // v1+
	CoordinatorKeys []string // v4+
}

// Reset sets the defaults.
func (m *FindCoordinatorRequest) Reset() {
	*m = FindCoordinatorRequest{}
}

// Key is the API key.
func (*FindCoordinatorRequest) Key() int16 { return KeyFindCoordinator }
func (*FindCoordinatorRequest) request()   {}

func (m *FindCoordinatorRequest) code(c *coder, v int16) {
	c.flexible = v >= 3
	if v <= 3 {
		c.string(&m.CoordinatorKey)
	}
	if v >= 1 {
		c.int8(&m.KeyType)
	}
	if v >= 4 {
		list(c, &m.CoordinatorKeys, false, (*coder).string)
	}
	if c.flexible {
		c.noTags()
	}
}

// FindCoordinatorResponse answers FindCoordinatorRequest.
type FindCoordinatorResponse struct {
	ThrottleTimeMS int32                                // v1+
	ErrorCode      int16                                // v0-3
	ErrorMessage   *string                              // v1-3
	NodeID         int32                                // v0-3
	Host           string                               // v0-3
	Port           int32                                // v0-3
	Coordinators   []FindCoordinatorResponseCoordinator // v4+
}

// Reset sets the defaults.
func (m *FindCoordinatorResponse) Reset() {
	*m = FindCoordinatorResponse{}
}

// Key is the API key.
func (*FindCoordinatorResponse) Key() int16 { return KeyFindCoordinator }
func (*FindCoordinatorResponse) response()  {}

func (m *FindCoordinatorResponse) code(c *coder, v int16) {
	c.flexible = v >= 3
	if v >= 1 {
		c.int32(&m.ThrottleTimeMS)
	}
	if v <= 3 {
		c.int16(&m.ErrorCode)
		if v >= 1 {
			c.nullString(&m.ErrorMessage, true)
		}
		c.int32(&m.NodeID)
		c.string(&m.Host)
		c.int32(&m.Port)
	} else {
		array(c, v, &m.Coordinators, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// FindCoordinatorResponseCoordinator is part of FindCoordinatorResponse.
type FindCoordinatorResponseCoordinator struct {
	Key          string
	NodeID       int32
	Host         string
	Port         int32
	ErrorCode    int16
	ErrorMessage *string
}

// Reset sets the defaults.
func (m *FindCoordinatorResponseCoordinator) Reset() {
	*m = FindCoordinatorResponseCoordinator{}
}

func (m *FindCoordinatorResponseCoordinator) code(c *coder, _ int16) {
	c.string(&m.Key)
	c.int32(&m.NodeID)
	c.string(&m.Host)
	c.int32(&m.Port)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.noTags()
}
