package controller

import (
	"slices"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

var errTopicDenied = kerr.TopicAuthorizationFailed.With("Topic authorization failed.")

// deletion is one topic that a DeleteTopics names, by name or by id.
type deletion struct {
	name   string
	id     model.TopicID
	byName bool
	times  int
}

// deleteTopics deletes what the principal may delete. A principal that may not
// describe a topic learns neither its id nor whether it exists. The answers are
// shuffled, so that their positions tell nothing either.
func (m *Machine) deleteTopics(r *wire.DeleteTopicsRequest, version int16, allowed func(auth.Operation, auth.ResourceType, string) bool) wire.Response {
	response := &wire.DeleteTopicsResponse{}
	if !m.cfg.DeleteTopics {
		response.Responses = refuseDeletions(r, version)
		return response
	}
	answer := func(name *string, id model.TopicID, err error) {
		response.Responses = append(response.Responses, wire.DeleteTopicsResponseResponse{
			Name: name, TopicID: model.UUID(id), ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err),
		})
	}
	deletions, ids := named(r, answer)
	cluster := allowed(auth.Delete, auth.Cluster, auth.ClusterName)
	may := func(op auth.Operation, name string) bool { return cluster || allowed(op, auth.Topic, name) }
	ambiguous := map[model.TopicID]bool{} // given by id and by name: not deleted
	for _, d := range deletions {
		if d.byName {
			name, id, err := m.checkByName(d, may, ids)
			ambiguous[id] = err != nil
			m.delete(id, err)
			answer(name, id, err)
		}
	}
	for _, d := range deletions {
		if !d.byName && !ambiguous[d.id] { // Kafka answers an ambiguous topic once, under its name
			name, err := m.checkByID(d, may)
			m.delete(d.id, err)
			answer(name, d.id, err)
		}
	}
	m.cfg.Rand.Shuffle(len(response.Responses), func(i, j int) {
		response.Responses[i], response.Responses[j] = response.Responses[j], response.Responses[i]
	})
	return response
}

func (m *Machine) delete(id model.TopicID, err error) {
	if err == nil {
		m.emit(&wire.RemoveTopicRecord{TopicID: model.UUID(id)})
	}
}

// named are the topics that the request names once, and all ids in it; what is
// wrong with the request itself is answered right away.
func named(r *wire.DeleteTopicsRequest, answer func(*string, model.TopicID, error)) (all []*deletion, ids map[model.TopicID]bool) {
	ids = map[model.TopicID]bool{}
	add := func(d deletion) {
		if !d.byName {
			ids[d.id] = true
		}
		i := slices.IndexFunc(all, func(o *deletion) bool { return o.byName == d.byName && o.name == d.name && o.id == d.id })
		if i < 0 {
			i = len(all)
			all = append(all, &d)
		}
		all[i].times++
	}
	for _, name := range r.TopicNames {
		add(deletion{name: name, byName: true})
	}
	for _, t := range r.Topics {
		switch {
		case t.Name == nil && t.TopicID.IsZero():
			answer(nil, model.TopicID{}, kerr.InvalidRequest.With("Neither topic name nor id were specified."))
		case t.Name == nil:
			add(deletion{id: model.TopicID(t.TopicID)})
		case t.TopicID.IsZero():
			add(deletion{name: *t.Name, byName: true})
		default:
			answer(t.Name, model.TopicID(t.TopicID), kerr.InvalidRequest.With("You may not specify both topic name and topic id."))
		}
	}
	all = slices.DeleteFunc(all, func(d *deletion) bool {
		switch {
		case d.times == 1:
			return false
		case d.byName:
			answer(&d.name, model.TopicID{}, kerr.InvalidRequest.With("Duplicate topic name."))
		default:
			answer(nil, d.id, kerr.InvalidRequest.With("Duplicate topic id."))
		}
		return true
	})
	return all, ids
}

func (m *Machine) checkByID(d *deletion, may func(auth.Operation, string) bool) (name *string, err error) {
	t := m.draft.TopicByID(d.id)
	if t == nil {
		return nil, kerr.UnknownTopicID.With("This server does not host this topic ID.")
	}
	if !may(auth.Delete, t.Name) {
		if may(auth.Describe, t.Name) {
			name = &t.Name
		}
		return name, errTopicDenied
	}
	return &t.Name, nil
}

func (m *Machine) checkByName(d *deletion, may func(auth.Operation, string) bool, ids map[model.TopicID]bool) (*string, model.TopicID, error) {
	t := m.draft.Topic(d.name)
	switch {
	case !may(auth.Describe, d.name):
		return &d.name, model.TopicID{}, errTopicDenied
	case t == nil:
		return &d.name, model.TopicID{}, kerr.UnknownTopicOrPartition.With("This server does not host this topic-partition.")
	case !may(auth.Delete, d.name):
		return &d.name, model.TopicID{}, errTopicDenied
	case ids[t.ID]:
		return &d.name, t.ID, kerr.InvalidRequest.With("The provided topic name maps to an ID that was already supplied.")
	}
	return &d.name, t.ID, nil
}

func refuseDeletions(r *wire.DeleteTopicsRequest, version int16) []wire.DeleteTopicsResponseResponse {
	err := error(kerr.TopicDeletionDisabled)
	if version < 3 {
		err = kerr.InvalidRequest.With("This version does not support topic deletion.")
	}
	return RefuseDeletions(r, err)
}

// RefuseDeletions answers every topic of the request with one error.
func RefuseDeletions(r *wire.DeleteTopicsRequest, err error) []wire.DeleteTopicsResponseResponse {
	var all []wire.DeleteTopicsResponseResponse
	for i := range r.TopicNames {
		all = append(all, wire.DeleteTopicsResponseResponse{Name: &r.TopicNames[i], ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)})
	}
	for _, t := range r.Topics {
		all = append(all, wire.DeleteTopicsResponseResponse{Name: t.Name, TopicID: t.TopicID, ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)})
	}
	return all
}

// RefuseCreations answers every topic of the request with one error.
func RefuseCreations(r *wire.CreateTopicsRequest, err error) []wire.CreateTopicsResponseTopic {
	return refuseTopics(r.Topics, err)
}
