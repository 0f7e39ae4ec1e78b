package wire

// UnregisterBrokerRequest asks UnregisterBroker, API key 64, version 0.
type UnregisterBrokerRequest struct {
	BrokerID int32
}

// Reset sets the defaults.
func (m *UnregisterBrokerRequest) Reset() {
	*m = UnregisterBrokerRequest{}
}

// Key is the API key.
func (*UnregisterBrokerRequest) Key() int16 { return KeyUnregisterBroker }
func (*UnregisterBrokerRequest) request()   {}

func (m *UnregisterBrokerRequest) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	c.noTags()
}

// UnregisterBrokerResponse answers UnregisterBrokerRequest.
type UnregisterBrokerResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	ErrorMessage   *string
}

// Reset sets the defaults.
func (m *UnregisterBrokerResponse) Reset() {
	*m = UnregisterBrokerResponse{}
}

// Key is the API key.
func (*UnregisterBrokerResponse) Key() int16 { return KeyUnregisterBroker }
func (*UnregisterBrokerResponse) response()  {}

func (m *UnregisterBrokerResponse) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.noTags()
}
