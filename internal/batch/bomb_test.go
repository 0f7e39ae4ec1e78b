package batch

import (
	"errors"
	"testing"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
)

// A batch whose records take more than the buffers that are kept is looked into all
// the same, up to the bound.
func TestLargeAndTooLarge(t *testing.T) {
	for _, c := range []compress.Codec{compress.Gzip, compress.Snappy, compress.LZ4, compress.Zstd} {
		builder := New(Options{Codec: c, Level: 1})
		builder.Add(1, nil, make([]byte, 3*maxScratch))
		b, err := builder.Build()
		if err != nil {
			t.Fatal(err)
		}
		rules := Rules{Client: true, MaxDecompressed: 4 * maxScratch, BeforeMax: 1 << 60, AfterMax: 1 << 60}
		if _, err := rules.Apply(b); err != nil {
			t.Errorf("codec %d: large: %v", c, err)
		}
		rules.MaxDecompressed = 2 * maxScratch
		if _, err := rules.Apply(b); !errors.Is(err, kerr.InvalidRecord) {
			t.Errorf("codec %d: too large: %v", c, err)
		}
	}
}
