package controller

import (
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

// producerIDBlock is how many producer ids a broker gets at once.
const producerIDBlock = 1000

func (m *Machine) allocateProducerIDs(r *wire.AllocateProducerIdsRequest) wire.Response {
	response := &wire.AllocateProducerIdsResponse{}
	if _, err := m.checkEpoch(r.BrokerID, r.BrokerEpoch); err != nil {
		response.ErrorCode = kerr.Code(err)
		return response
	}
	first := max(int64(m.draft.NextProducerID()), 0)
	if first+producerIDBlock < first {
		response.ErrorCode = kerr.UnknownServerError.Code
		return response
	}
	m.emit(&wire.ProducerIdsRecord{BrokerID: r.BrokerID, BrokerEpoch: r.BrokerEpoch, NextProducerID: first + producerIDBlock})
	response.ProducerIDStart, response.ProducerIDLen = first, producerIDBlock
	return response
}
