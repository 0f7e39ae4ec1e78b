package wire

import "testing"

// TestRecordsThatCannotBeReadAreNotWritten: a metadata log that holds a record at a
// version that nobody knows ends every node that replays it.
func TestRecordsThatCannotBeReadAreNotWritten(t *testing.T) {
	for key, kind := range recordKinds {
		r := kind.new()
		r.Reset()
		for version := int16(-1); version <= kind.max+1; version++ {
			value, err := EncodeRecord(version, r)
			if known := version >= 0 && version <= kind.max; known != (err == nil) {
				t.Errorf("%s version %d: %v", kind.name, version, err)
			}
			if err != nil {
				continue
			}
			if _, got, err := DecodeRecord(value); err != nil || got != version {
				t.Errorf("%s (%d) version %d is read as %d: %v", kind.name, key, version, got, err)
			}
		}
	}
}
