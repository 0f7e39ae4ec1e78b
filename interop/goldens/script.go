package goldens

import (
	"fmt"
	"strconv"
	"strings"
)

// Script is one file of testdata: properties for the node, then steps in order.
type Script struct {
	Properties map[string]string
	Steps      []*Step
}

// Step is a command with its body and what a broker answered to it.
type Step struct {
	Line     int
	Comments []string
	Command  string // the first line
	Body     string // JSON, may be empty
	Prints   bool   // has a block of output
	Golden   string // Apache Kafka's answer
	Strom    string // Strom's, where it differs on purpose
	Why      string // the reason, required beside Strom
}

const (
	goldenMark = "----"
	stromMark  = "---- strom: "
	setWord    = "set "
)

// silent lists the commands that print nothing.
var silent = map[string]bool{"set": true, "batch": true, "message": true, "topic": true, "connect": true}

// Parse reads a script.
func Parse(text string) (*Script, error) {
	s := &Script{Properties: map[string]string{}}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		if strings.TrimSpace(lines[i]) == "" {
			i++
			continue
		}
		step := &Step{Line: i + 1}
		var err error
		if i, err = step.parse(lines, i); err != nil {
			return nil, err
		}
		if property, ok := strings.CutPrefix(step.Command, setWord); ok {
			key, value, _ := strings.Cut(property, "=")
			s.Properties[key] = value
		}
		s.Steps = append(s.Steps, step)
	}
	return s, nil
}

// parse takes the lines of one step, up to an empty line, and returns the index after them.
func (s *Step) parse(lines []string, i int) (int, error) {
	into := &s.Body
	for ; i < len(lines) && lines[i] != ""; i++ {
		line := lines[i]
		switch {
		case s.Command == "" && strings.HasPrefix(line, "#"):
			s.Comments = append(s.Comments, line)
		case s.Command == "":
			s.Command = line
			s.Prints = !silent[strings.Fields(line)[0]]
		case strings.HasPrefix(line, stromMark):
			s.Why = strings.TrimPrefix(line, stromMark)
			into = &s.Strom
		case line == goldenMark:
			into = &s.Golden
		default:
			*into += line + "\n"
		}
	}
	if s.Command != "" && s.Why == "" && s.Strom != "" {
		return i, fmt.Errorf("line %d: a difference needs its reason", s.Line)
	}
	return i, nil
}

// Format is the script's text again.
func (s *Script) Format() string {
	var b strings.Builder
	for i, step := range s.Steps {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, comment := range step.Comments {
			b.WriteString(comment + "\n")
		}
		if step.Command == "" {
			continue
		}
		b.WriteString(step.Command + "\n" + step.Body)
		if step.Prints {
			b.WriteString(goldenMark + "\n" + step.Golden)
		}
		if step.Why != "" {
			b.WriteString(stromMark + step.Why + "\n" + step.Strom)
		}
	}
	return b.String()
}

// versions reads "0-3,7" as the list it stands for.
func versions(text string) ([]int16, error) {
	var list []int16
	for _, part := range strings.Split(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		low, err1 := strconv.ParseInt(from, 10, 16)
		high, err2 := strconv.ParseInt(to, 10, 16)
		if err1 != nil || err2 != nil || low > high {
			return nil, fmt.Errorf("%q is not a list of versions", text)
		}
		for v := low; v <= high; v++ {
			list = append(list, int16(v))
		}
	}
	return list, nil
}
