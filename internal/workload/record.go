package workload

import (
	"time"

	"github.com/stromkafka/strom/internal/batch"
)

// oneRecord is a batch of one record by no producer.
func oneRecord(value []byte) []byte {
	b := batch.New(batch.Options{})
	b.Add(time.Now().UnixMilli(), nil, value)
	built, err := b.Build()
	if err != nil {
		panic(err) // a record of bounded size without compression
	}
	return built
}
