package wire

// ListConfigResourcesRequest asks ListConfigResources, API key 74, versions 0-1.
type ListConfigResourcesRequest struct {
	ResourceTypes []int8 // v1+
}

// Reset sets the defaults.
func (m *ListConfigResourcesRequest) Reset() {
	*m = ListConfigResourcesRequest{}
}

// Key is the API key.
func (*ListConfigResourcesRequest) Key() int16 { return KeyListConfigResources }
func (*ListConfigResourcesRequest) request()   {}

func (m *ListConfigResourcesRequest) code(c *coder, v int16) {
	c.flexible = true
	if v >= 1 {
		list(c, &m.ResourceTypes, false, (*coder).int8)
	}
	c.noTags()
}

// ListConfigResourcesResponse answers ListConfigResourcesRequest.
type ListConfigResourcesResponse struct {
	ThrottleTimeMS  int32
	ErrorCode       int16
	ConfigResources []ListConfigResourcesResponseConfigResource
}

// Reset sets the defaults.
func (m *ListConfigResourcesResponse) Reset() {
	*m = ListConfigResourcesResponse{}
}

// Key is the API key.
func (*ListConfigResourcesResponse) Key() int16 { return KeyListConfigResources }
func (*ListConfigResourcesResponse) response()  {}

func (m *ListConfigResourcesResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	array(c, v, &m.ConfigResources, false)
	c.noTags()
}

// ListConfigResourcesResponseConfigResource is part of ListConfigResourcesResponse.
type ListConfigResourcesResponseConfigResource struct {
	ResourceName string
	ResourceType int8 // v1+
}

// Reset sets the defaults.
func (m *ListConfigResourcesResponseConfigResource) Reset() {
	*m = ListConfigResourcesResponseConfigResource{ResourceType: 16}
}

func (m *ListConfigResourcesResponseConfigResource) code(c *coder, v int16) {
	c.string(&m.ResourceName)
	if v >= 1 {
		c.int8(&m.ResourceType)
	}
	c.noTags()
}
