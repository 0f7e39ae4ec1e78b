package wire

// IncrementalAlterConfigsRequest asks IncrementalAlterConfigs, API key 44, versions 0-1.
type IncrementalAlterConfigsRequest struct {
	Resources    []IncrementalAlterConfigsRequestResource
	ValidateOnly bool
}

// Reset sets the defaults.
func (m *IncrementalAlterConfigsRequest) Reset() {
	*m = IncrementalAlterConfigsRequest{}
}

// Key is the API key.
func (*IncrementalAlterConfigsRequest) Key() int16 { return KeyIncrementalAlterConfigs }
func (*IncrementalAlterConfigsRequest) request()   {}

func (m *IncrementalAlterConfigsRequest) code(c *coder, v int16) {
	c.flexible = v >= 1
	array(c, v, &m.Resources, false)
	c.bool(&m.ValidateOnly)
	if c.flexible {
		c.noTags()
	}
}

// IncrementalAlterConfigsRequestResource is part of IncrementalAlterConfigsRequest.
type IncrementalAlterConfigsRequestResource struct {
	ResourceType int8
	ResourceName string
	Configs      []IncrementalAlterConfigsRequestConfig
}

// Reset sets the defaults.
func (m *IncrementalAlterConfigsRequestResource) Reset() {
	*m = IncrementalAlterConfigsRequestResource{}
}

func (m *IncrementalAlterConfigsRequestResource) code(c *coder, v int16) {
	c.int8(&m.ResourceType)
	c.string(&m.ResourceName)
	array(c, v, &m.Configs, false)
	if c.flexible {
		c.noTags()
	}
}

// IncrementalAlterConfigsRequestConfig is part of IncrementalAlterConfigsRequest.
type IncrementalAlterConfigsRequestConfig struct {
	Name            string
	ConfigOperation int8
	Value           *string
}

// Reset sets the defaults.
func (m *IncrementalAlterConfigsRequestConfig) Reset() {
	*m = IncrementalAlterConfigsRequestConfig{}
}

func (m *IncrementalAlterConfigsRequestConfig) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.int8(&m.ConfigOperation)
	c.nullString(&m.Value, true)
	if c.flexible {
		c.noTags()
	}
}

// IncrementalAlterConfigsResponse answers IncrementalAlterConfigsRequest.
type IncrementalAlterConfigsResponse struct {
	ThrottleTimeMS int32
	Responses      []IncrementalAlterConfigsResponseResponse
}

// Reset sets the defaults.
func (m *IncrementalAlterConfigsResponse) Reset() {
	*m = IncrementalAlterConfigsResponse{}
}

// Key is the API key.
func (*IncrementalAlterConfigsResponse) Key() int16 { return KeyIncrementalAlterConfigs }
func (*IncrementalAlterConfigsResponse) response()  {}

func (m *IncrementalAlterConfigsResponse) code(c *coder, v int16) {
	c.flexible = v >= 1
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Responses, false)
	if c.flexible {
		c.noTags()
	}
}

// IncrementalAlterConfigsResponseResponse is part of IncrementalAlterConfigsResponse.
type IncrementalAlterConfigsResponseResponse struct {
	ErrorCode    int16
	ErrorMessage *string
	ResourceType int8
	ResourceName string
}

// Reset sets the defaults.
func (m *IncrementalAlterConfigsResponseResponse) Reset() {
	*m = IncrementalAlterConfigsResponseResponse{}
}

func (m *IncrementalAlterConfigsResponseResponse) code(c *coder, _ int16) {
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.int8(&m.ResourceType)
	c.string(&m.ResourceName)
	if c.flexible {
		c.noTags()
	}
}
