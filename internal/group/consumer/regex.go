package consumer

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
)

// A member may subscribe by a regular expression, which the coordinator resolves
// (KIP-848). The syntax is that of RE2, as Go's and as RE2/J's is. All expressions of
// a group are looked up together, so that they lead to one new epoch. A lookup goes
// through every topic, so it is done by itself, after the heartbeat that asked for it,
// and shows only topics that the member who asked may describe.

// lookupInterval is how soon a lookup may follow another.
const lookupInterval = 10 * time.Second

// lookup is one that is to be done.
type lookup struct {
	by      Client
	regexes []string
}

type regexChange int

const (
	regexSame     regexChange = iota
	regexChanged              // to one whose topics are not known yet
	regexResolved             // to one whose topics are known, or to none
)

// subscribeRegex sees to the member's regular expression and to whether the group's
// are to be looked up.
func (g *Group) subscribeRegex(c *Call, by Client, ch *change) (regexChange, error) {
	was, is := ch.old.regex(), ch.now.regex()
	changed, fresh := regexSame, false
	if was != is {
		changed = regexChanged
		if was != "" && g.expressions[was] == 1 {
			c.add(g.forgetRegex(was))
		}
		switch {
		case is == "" || g.expressions[is] > 0 && g.regexes[is] != nil:
			changed = regexResolved
		case g.expressions[is] == 0:
			fresh = true
			if err := mustCompile(is); err != nil {
				return 0, err
			}
		}
	}
	g.maybeLookup(c, by, was, is, fresh)
	return changed, nil
}

func mustCompile(expression string) error {
	if _, err := regexp.Compile(expression); err != nil {
		return kerr.InvalidRegularExpression.With("SubscribedTopicRegex `%s` is not a valid regular expression: %s.", expression, reason(err))
	}
	return nil
}

// reason is what is wrong with an expression, without the expression.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	what, _, _ := strings.Cut(text, ": ")
	return what
}

// maybeLookup asks for a lookup when there is a new expression, one is unresolved,
// there are new topics, or the last lookup is old; but never two in a row.
func (g *Group) maybeLookup(c *Call, by Client, was, is string, fresh bool) {
	if !fresh && len(g.expressions) == 0 || g.soft.lookup != nil {
		return
	}
	version, at := g.lastLookup()
	if at != math.MinInt64 && c.millis() <= at+lookupInterval.Milliseconds() {
		return
	}
	used := maps.Clone(g.expressions)
	if was != "" {
		add(used, was, -1)
	}
	if is != "" {
		add(used, is, 1)
	}
	old := at == math.MinInt64 || c.millis() > at+c.Config.RegexRefresh.Milliseconds()
	if len(used) == 0 || !fresh && len(used) == len(g.regexes) && version >= int64(c.Topics.newest) && !old {
		return
	}
	g.soft.lookup = &lookup{by: by, regexes: slices.Sorted(maps.Keys(used))}
	c.Alarms.Set(Lookup, "", c.Now)
}

// lastLookup is the version and time of the last lookup; the time is the least there
// is when there was none.
func (g *Group) lastLookup() (version, at int64) {
	at = math.MinInt64
	for _, r := range g.regexes {
		version, at = max(version, r.Version), max(at, r.At)
	}
	return version, at
}

// lookUp does the lookup that was asked for, and writes what came out.
func (g *Group) lookUp(c *Call) {
	l := g.soft.lookup
	if l == nil {
		return
	}
	g.soft.lookup = nil
	now := map[string]*Resolved{}
	bump := false
	for expression, topics := range c.Topics.match(l.regexes, l.by, c.Authorizer) {
		if g.expressions[expression] == 0 {
			continue
		}
		now[expression] = &Resolved{Topics: topics, Version: int64(c.Topics.img.Offset), At: c.millis()}
		if old := g.regexes[expression]; old == nil && len(topics) > 0 || old != nil && !slices.Equal(old.Topics, topics) {
			bump = true
		}
	}
	for _, expression := range slices.Sorted(maps.Keys(now)) {
		c.add(g.regexRecord(expression, now[expression]))
	}
	hash := c.Topics.hash(g.topicsResolved(now))
	if bump || hash != g.hash {
		c.add(g.epochRecord(g.epoch+1, hash))
		g.checked(c, g.epoch+1)
	}
}

// topicsResolved are the topics that the group reads with newly resolved expressions.
func (g *Group) topicsResolved(now map[string]*Resolved) []string {
	replaced := map[string]bool{}
	var topics []string
	for expression, r := range now {
		replaced[expression] = true
		topics = append(topics, r.Topics...)
	}
	return set(append(topics, g.topicsWithout(nil, replaced)...))
}

// match are the topics that each expression matches as a whole, sorted. Those that
// the client may not describe are left out.
func (t *Topics) match(expressions []string, by Client, a auth.Authorizer) map[string][]string {
	compiled := make([]*regexp.Regexp, len(expressions))
	matched := make(map[string][]string, len(expressions))
	for i, expression := range expressions {
		matched[expression] = []string{}
		// An expression was checked when it came; one that an older version of Go took
		// and this one does not take matches nothing.
		compiled[i], _ = regexp.Compile(`^(?:` + expression + `)$`)
	}
	for topic := range t.img.Topics() {
		asked, allowed := false, false
		for i, re := range compiled {
			if re == nil || !re.MatchString(topic.Name) {
				continue
			}
			if !asked {
				asked, allowed = true, a.Allowed(by.Principal, by.Address, auth.Describe, auth.Topic, topic.Name)
			}
			if allowed {
				matched[expressions[i]] = append(matched[expressions[i]], topic.Name)
			}
		}
	}
	return matched
}
