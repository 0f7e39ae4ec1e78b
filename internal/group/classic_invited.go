package group

import "slices"

// mostInvited bounds how many may have been given a member id and not joined with
// it: asking for one costs a client nothing.
const mostInvited = 10_000

// invited are the ids that were given out, to whom a rebalance gives the time of a
// session to come. The zero value is nobody.
type invited struct {
	ids   map[string]struct{}
	order []string // oldest first; with some that are not in ids any more
}

func (i *invited) count() int { return len(i.ids) }

func (i *invited) has(id string) bool {
	_, ok := i.ids[id]
	return ok
}

// add invites one, and says who had to make room, empty for nobody: the one that
// has waited longest, who asks for another id if it comes after all.
func (i *invited) add(id string) (out string) {
	if i.ids == nil {
		i.ids = map[string]struct{}{}
	}
	if len(i.ids) >= mostInvited {
		out = i.order[slices.IndexFunc(i.order, i.has)]
		i.remove(out)
	}
	i.ids[id] = struct{}{}
	i.order = append(i.order, id)
	return out
}

func (i *invited) remove(id string) {
	if !i.has(id) {
		return
	}
	delete(i.ids, id)
	switch {
	case len(i.ids) == 0:
		i.order = nil
	case i.order[0] == id:
		i.order = i.order[1:]
	case len(i.order) > 2*len(i.ids):
		i.order = slices.DeleteFunc(i.order, func(id string) bool { return !i.has(id) })
	}
}

// all are the invited, oldest first.
func (i *invited) all() []string {
	return slices.DeleteFunc(slices.Clone(i.order), func(id string) bool { return !i.has(id) })
}
