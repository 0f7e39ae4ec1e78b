package controller

import (
	"strings"

	"github.com/stromkafka/strom/internal/kerr"
)

const maxTopicName = 249

// CheckTopicName is the error of a name that no topic may have, nil for a good
// one.
func CheckTopicName(name string) error {
	if why := invalidName(name); why != "" {
		return kerr.InvalidTopicException.With("Topic name is invalid: %s", why)
	}
	return nil
}

func invalidName(name string) string {
	switch {
	case name == "":
		return "the empty string is not allowed"
	case name == "." || name == "..":
		return "'" + name + "' is not allowed"
	case len(name) > maxTopicName:
		return "the length of '" + name + "' is longer than the max allowed length 249"
	case strings.ContainsFunc(name, func(c rune) bool { return !legalInName(c) }):
		return "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	}
	return ""
}

func legalInName(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c == '.' || c == '_' || c == '-'
}

// collides reports whether two names differ only in '.' and '_', which metric
// names confuse.
func collides(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && (!separator(a[i]) || !separator(b[i])) {
			return false
		}
	}
	return true
}

func separator(c byte) bool { return c == '.' || c == '_' }

// collision is an existing topic whose name collides, "" for none.
func (m *Machine) collision(name string) string {
	if !strings.ContainsAny(name, "._") {
		return ""
	}
	for t := range m.draft.Topics() {
		if collides(name, t.Name) {
			return t.Name
		}
	}
	return ""
}
