package wire

// DescribeConfigsRequest asks DescribeConfigs, API key 32, versions 1-4.
type DescribeConfigsRequest struct {
	Resources            []DescribeConfigsRequestResource
	IncludeSynonyms      bool
	IncludeDocumentation bool // v3+
}

// Reset sets the defaults.
func (m *DescribeConfigsRequest) Reset() {
	*m = DescribeConfigsRequest{}
}

// Key is the API key.
func (*DescribeConfigsRequest) Key() int16 { return KeyDescribeConfigs }
func (*DescribeConfigsRequest) request()   {}

func (m *DescribeConfigsRequest) code(c *coder, v int16) {
	c.flexible = v == 4
	array(c, v, &m.Resources, false)
	c.bool(&m.IncludeSynonyms)
	if v >= 3 {
		c.bool(&m.IncludeDocumentation)
	}
	if c.flexible {
		c.noTags()
	}
}

// DescribeConfigsRequestResource is part of DescribeConfigsRequest.
type DescribeConfigsRequestResource struct {
	ResourceType      int8
	ResourceName      string
	ConfigurationKeys []string // nil is null
}

// Reset sets the defaults.
func (m *DescribeConfigsRequestResource) Reset() {
	*m = DescribeConfigsRequestResource{}
}

func (m *DescribeConfigsRequestResource) code(c *coder, _ int16) {
	c.int8(&m.ResourceType)
	c.string(&m.ResourceName)
	list(c, &m.ConfigurationKeys, true, (*coder).string)
	if c.flexible {
		c.noTags()
	}
}

// DescribeConfigsResponse answers DescribeConfigsRequest.
type DescribeConfigsResponse struct {
	ThrottleTimeMS int32
	Results        []DescribeConfigsResponseResult
}

// Reset sets the defaults.
func (m *DescribeConfigsResponse) Reset() {
	*m = DescribeConfigsResponse{}
}

// Key is the API key.
func (*DescribeConfigsResponse) Key() int16 { return KeyDescribeConfigs }
func (*DescribeConfigsResponse) response()  {}

func (m *DescribeConfigsResponse) code(c *coder, v int16) {
	c.flexible = v == 4
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Results, false)
	if c.flexible {
		c.noTags()
	}
}

// DescribeConfigsResponseResult is part of DescribeConfigsResponse.
type DescribeConfigsResponseResult struct {
	ErrorCode    int16
	ErrorMessage *string
	ResourceType int8
	ResourceName string
	Configs      []DescribeConfigsResponseConfig
}

// Reset sets the defaults.
func (m *DescribeConfigsResponseResult) Reset() {
	*m = DescribeConfigsResponseResult{}
}

func (m *DescribeConfigsResponseResult) code(c *coder, v int16) {
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.int8(&m.ResourceType)
	c.string(&m.ResourceName)
	array(c, v, &m.Configs, false)
	if c.flexible {
		c.noTags()
	}
}

// DescribeConfigsResponseConfig is part of DescribeConfigsResponse.
type DescribeConfigsResponseConfig struct {
	Name          string
	Value         *string
	ReadOnly      bool
	ConfigSource  int8
	IsSensitive   bool
	Synonyms      []DescribeConfigsResponseSynonym
	ConfigType    int8    // v3+
	Documentation *string // v3+
}

// Reset sets the defaults.
func (m *DescribeConfigsResponseConfig) Reset() {
	*m = DescribeConfigsResponseConfig{ConfigSource: -1}
}

func (m *DescribeConfigsResponseConfig) code(c *coder, v int16) {
	c.string(&m.Name)
	c.nullString(&m.Value, true)
	c.bool(&m.ReadOnly)
	c.int8(&m.ConfigSource)
	c.bool(&m.IsSensitive)
	array(c, v, &m.Synonyms, false)
	if v >= 3 {
		c.int8(&m.ConfigType)
	}
	if v >= 3 {
		c.nullString(&m.Documentation, true)
	}
	if c.flexible {
		c.noTags()
	}
}

// DescribeConfigsResponseSynonym is part of DescribeConfigsResponse.
type DescribeConfigsResponseSynonym struct {
	Name   string
	Value  *string
	Source int8
}

// Reset sets the defaults.
func (m *DescribeConfigsResponseSynonym) Reset() {
	*m = DescribeConfigsResponseSynonym{}
}

func (m *DescribeConfigsResponseSynonym) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.nullString(&m.Value, true)
	c.int8(&m.Source)
	if c.flexible {
		c.noTags()
	}
}
