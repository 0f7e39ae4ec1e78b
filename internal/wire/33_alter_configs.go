package wire

// AlterConfigsRequest asks AlterConfigs, API key 33, versions 0-2.
type AlterConfigsRequest struct {
	Resources    []AlterConfigsRequestResource
	ValidateOnly bool
}

// Reset sets the defaults.
func (m *AlterConfigsRequest) Reset() {
	*m = AlterConfigsRequest{}
}

// Key is the API key.
func (*AlterConfigsRequest) Key() int16 { return KeyAlterConfigs }
func (*AlterConfigsRequest) request()   {}

func (m *AlterConfigsRequest) code(c *coder, v int16) {
	c.flexible = v >= 2
	array(c, v, &m.Resources, false)
	c.bool(&m.ValidateOnly)
	if c.flexible {
		c.noTags()
	}
}

// AlterConfigsRequestResource is part of AlterConfigsRequest.
type AlterConfigsRequestResource struct {
	ResourceType int8
	ResourceName string
	Configs      []AlterConfigsRequestConfig
}

// Reset sets the defaults.
func (m *AlterConfigsRequestResource) Reset() {
	*m = AlterConfigsRequestResource{}
}

func (m *AlterConfigsRequestResource) code(c *coder, v int16) {
	c.int8(&m.ResourceType)
	c.string(&m.ResourceName)
	array(c, v, &m.Configs, false)
	if c.flexible {
		c.noTags()
	}
}

// AlterConfigsRequestConfig is part of AlterConfigsRequest.
type AlterConfigsRequestConfig struct {
	Name  string
	Value *string
}

// Reset sets the defaults.
func (m *AlterConfigsRequestConfig) Reset() {
	*m = AlterConfigsRequestConfig{}
}

func (m *AlterConfigsRequestConfig) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.nullString(&m.Value, true)
	if c.flexible {
		c.noTags()
	}
}

// AlterConfigsResponse answers AlterConfigsRequest.
type AlterConfigsResponse struct {
	ThrottleTimeMS int32
	Responses      []AlterConfigsResponseResponse
}

// Reset sets the defaults.
func (m *AlterConfigsResponse) Reset() {
	*m = AlterConfigsResponse{}
}

// Key is the API key.
func (*AlterConfigsResponse) Key() int16 { return KeyAlterConfigs }
func (*AlterConfigsResponse) response()  {}

func (m *AlterConfigsResponse) code(c *coder, v int16) {
	c.flexible = v >= 2
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Responses, false)
	if c.flexible {
		c.noTags()
	}
}

// AlterConfigsResponseResponse is part of AlterConfigsResponse.
type AlterConfigsResponseResponse struct {
	ErrorCode    int16
	ErrorMessage *string
	ResourceType int8
	ResourceName string
}

// Reset sets the defaults.
func (m *AlterConfigsResponseResponse) Reset() {
	*m = AlterConfigsResponseResponse{}
}

func (m *AlterConfigsResponseResponse) code(c *coder, _ int16) {
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.int8(&m.ResourceType)
	c.string(&m.ResourceName)
	if c.flexible {
		c.noTags()
	}
}
