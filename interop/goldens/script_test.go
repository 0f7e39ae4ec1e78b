package goldens

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestScriptsKeepTheirText parses every script and writes it again: recording changes answers and nothing else.
func TestScriptsKeepTheirText(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		script, err := Parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if again := script.Format(); again != string(text) {
			t.Errorf("%s changed:\n%s", file, difference(string(text), again))
		}
		for _, step := range script.Steps {
			if step.Prints && step.Golden == "" {
				t.Errorf("%s:%d: nothing is recorded", file, step.Line)
			}
		}
	}
}

func TestDifferenceNeedsReason(t *testing.T) {
	if _, err := Parse("send Metadata 1\n----\na\n---- strom: \nb\n"); err == nil {
		t.Error("a difference without a reason was taken")
	}
}

func TestVersions(t *testing.T) {
	got, err := versions("0-2,7")
	if err != nil || !slices.Equal(got, []int16{0, 1, 2, 7}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "3-1", "1-"} {
		if _, err := versions(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestBatchReadsBack prints what batch built.
func TestBatchReadsBack(t *testing.T) {
	for _, codec := range codecNames {
		raw, err := variables{}.batch(`{"codec": "` + codec + `", "time": 1000, "records": [{"key": "k", "value": "v", "headers": [["h", null]]}, {"value": null, "timeDelta": 7}]}`)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		newPrinter().records(&b, raw, false, "")
		want := "\nbatch 0..1 epoch=-1 magic=2 " + codec + " count=2 first=1000 max=1007\n" +
			"  0 1000 key=\"k\" value=\"v\" h=null\n  1 1007 key=null value=null\n"
		if b.String() != want {
			t.Errorf("got %s\nwant %s", b.String(), want)
		}
	}
}
