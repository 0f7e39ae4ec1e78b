package config

import (
	"testing"
	"unicode/utf8"

	"github.com/magiconair/properties"
)

func TestParseProperties(t *testing.T) {
	text := "# comment\n! another = x\n\na=1\n  b : 2\r\nc 3\nd=\ne\nlong=one,\\\n   two,\\\n# three\nf\\=g=h\\tI\\u0041\nwin=C:\\\\dir\nlast=\\"
	want := []Property{{"a", "1", 4}, {"b", "2", 5}, {"c", "3", 6}, {"d", "", 7}, {"e", "", 8}, {"long", "one,two,# three", 9},
		{"f=g", "h\tIA", 12}, {"win", `C:\dir`, 13}, {"last", "", 14}}
	got, err := ParseProperties([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i, p := range got {
		if p != want[i] {
			t.Errorf("%+v, want %+v", p, want[i])
		}
	}
}

// The witness is magiconair/properties with expansion off: what both take, both
// read alike.
func FuzzParseProperties(f *testing.F) {
	f.Add([]byte(combined))
	f.Add([]byte("a\\ b=c\\\n d\n#x\n!y\nz:\\u00e9"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseProperties(text)
		if err != nil || !plain(text) {
			return
		}
		loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
		want, err := loader.LoadBytes(text)
		if err != nil {
			return
		}
		last := map[string]string{}
		for _, p := range got {
			last[p.Name] = p.Value
		}
		for name, value := range last {
			if w, _ := want.Get(name); w != value {
				t.Errorf("%q = %q, the witness says %q", name, value, w)
			}
		}
	})
}

// plain leaves out the corners in which the witness differs from Java:
// control characters, what is not ASCII, and backslashes.
func plain(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for _, c := range text {
		if c == '\\' || c < ' ' && c != '\n' && c != '\t' || c >= 0x80 {
			return false
		}
	}
	return true
}

func FuzzListeners(f *testing.F) {
	f.Add("PLAINTEXT://:9092")
	f.Add("A://[::1]:1,A://%:0")
	f.Fuzz(func(t *testing.T, text string) {
		protocols, err := parseProtocolMap("A:PLAINTEXT,PLAINTEXT:PLAINTEXT,B:SSL")
		if err != nil {
			t.Fatal(err)
		}
		value, _ := parse(List, text)
		listeners, err := parseListeners(value.([]string), protocols, true)
		if err != nil {
			return
		}
		var again []string
		for _, l := range listeners {
			again = append(again, l.String())
		}
		back, err := parseListeners(again, protocols, true)
		if err != nil {
			t.Fatalf("%v does not read back: %v", again, err)
		}
		for i := range back {
			if back[i] != listeners[i] {
				t.Errorf("%v became %v", listeners[i], back[i])
			}
		}
	})
}

// Whatever a file says, Load answers with values or an error.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(combined))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Load(Sources{FileName: "f", FileText: append([]byte{}, text...)})
		if err != nil {
			return
		}
		if _, err := v.Topic(nil); err != nil {
			t.Error(err)
		}
		v.DescribeBroker(Dynamics{})
	})
}
