package admin

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/loggers"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// change is what a client wants of one resource's configs, and what became of it.
type change struct {
	resource metadata.ConfigResource
	replace  bool // what is not named goes
	ops      []changeOp
	err      error // refused here
	here     bool  // carried out here, and not the controller's
	done     bool  // the controller has taken it
}

// changeOp is one operation, with IncrementalAlterConfigs' numbers; 0 sets.
type changeOp struct {
	name  string
	op    int8
	value *string
}

const (
	setConfig    int8 = 0
	deleteConfig int8 = 1
)

// precheck is what a broker holds against an alteration before the controller
// sees it: the request's shape, and that a broker's configs are its own. A node's
// loggers are its own altogether: who may change them is asked here, and the
// controller never hears of it.
type precheck struct {
	View   *View
	Static *config.Values
	NodeID model.NodeID
	// Loggers are nil where they cannot be altered.
	Loggers    *loggers.Set
	MayLoggers bool
}

// all sets the errors of what must not go on to the controller.
func (p precheck) all(changes []change, validateOnly bool) {
	times := map[metadata.ConfigResource]int{}
	for _, c := range changes {
		times[c.resource]++
	}
	for i := range changes {
		c := &changes[i]
		if times[c.resource] > 1 {
			c.err = kerr.InvalidRequest.With("Each resource must appear at most once.")
			continue
		}
		c.err = p.one(c, validateOnly)
	}
}

// configAnswer is the answer for one resource; IncrementalAlterConfigs' has the same
// fields.
type configAnswer = wire.AlterConfigsResponseResponse

// alteration is one request to alter configs.
type alteration struct {
	precheck
	validateOnly bool
}

// carryOut has the controller do what may go on to it, forward being given the
// indexes of that, waits until this broker shows it, and answers for every resource
// in the order of the request.
func (a alteration) carryOut(ctx context.Context, changes []change, forward func(kept []int) []configAnswer) (all []configAnswer) {
	a.all(changes, a.validateOnly)
	var kept []int
	for i, c := range changes {
		if c.err == nil && !c.here {
			kept = append(kept, i)
		}
	}
	answers := map[metadata.ConfigResource]configAnswer{}
	if len(kept) > 0 {
		for _, one := range forward(kept) {
			answers[metadata.ConfigResource{Type: one.ResourceType, Name: one.ResourceName}] = one
		}
	}
	for i := range changes {
		c := &changes[i]
		one, answered := answers[c.resource]
		if c.here || c.err != nil || !answered {
			one = configAnswer{ErrorCode: c.code(), ErrorMessage: kerr.Message(c.err), ResourceType: c.resource.Type, ResourceName: c.resource.Name}
		}
		c.done = one.ErrorCode == 0 && !c.here && !a.validateOnly
		all = append(all, one)
	}
	awaitChanges(ctx, a.View, changes)
	return all
}

func (p precheck) one(c *change, validateOnly bool) error {
	if err := c.checkShape(); err != nil {
		return err
	}
	switch c.resource.Type {
	case metadata.ConfigTopic, metadata.ConfigGroup, metadata.ConfigClientMetrics:
		return nil
	case metadata.ConfigBroker:
		if err := p.checkOwn(c.resource.Name); err != nil {
			return err
		}
		return p.checkBroker(c)
	case metadata.ConfigBrokerLogger:
		if p.Loggers != nil {
			c.here = true
			return p.alterLoggers(c, validateOnly)
		}
	}
	return kerr.InvalidRequest.With("Unknown resource type %d", c.resource.Type)
}

func (c *change) checkShape() error {
	seen := map[string]bool{}
	var nulls []string
	for _, op := range c.ops {
		if seen[op.name] {
			return kerr.InvalidRequest.With("Error due to duplicate config keys")
		}
		seen[op.name] = true
		if op.value == nil && op.op != deleteConfig {
			nulls = append(nulls, op.name)
		}
	}
	if len(nulls) > 0 {
		return kerr.InvalidRequest.With("Null value not supported for : %s", strings.Join(nulls, ", "))
	}
	return nil
}

// checkOwn wants no other broker's name: only it could check the values.
func (p precheck) checkOwn(name string) error {
	if name == "" {
		return nil
	}
	id, err := strconv.Atoi(name)
	if err != nil {
		return kerr.InvalidRequest.With("Node id must be an integer, but it is: %s", name)
	}
	if model.NodeID(id) != p.NodeID {
		return kerr.InvalidRequest.With("Unexpected broker id, expected %d, but received %s", p.NodeID, name)
	}
	return nil
}

// checkBroker holds what would be set against this broker, which alone knows its
// files. As in Kafka, what it does not like is INVALID_REQUEST (KAFKA-13609).
func (p precheck) checkBroker(c *change) error {
	next := map[string]string{}
	now := p.dynamics()
	set := now.Cluster
	if c.resource.Name != "" {
		set = now.Broker
	}
	if !c.replace {
		maps.Copy(next, set)
	}
	for _, op := range c.ops {
		value, err := alteredBroker(set, op)
		if err != nil {
			return err
		}
		delete(next, op.name)
		if value != nil {
			next[op.name] = *value
		}
	}
	own := c.resource.Name != ""
	if err := config.ValidateBroker(next, own); err != nil {
		return kerr.InvalidRequest.With("%v", err)
	}
	after := now
	if own {
		after.Broker = next
	} else {
		after.Cluster = next
	}
	if err := p.Static.Reconfigure(now, after); err != nil {
		return kerr.InvalidRequest.With("%v", err)
	}
	return nil
}

// alteredBroker is a broker's value after an operation. What is added to a key
// that holds no list is refused with other words than the controller's.
func alteredBroker(set map[string]string, op changeOp) (*string, error) {
	key, known := config.Lookup(config.ScopeBroker, op.name)
	what := map[int8]string{2: "append", 3: "subtract"}[op.op]
	switch {
	case what != "" && !known:
		return nil, kerr.InvalidConfig.With("Unknown config name: %s", op.name)
	case what != "" && key.Type != config.List:
		return nil, kerr.InvalidConfig.With("Config value %s is not allowed for config key: %s", what, op.name)
	}
	return controller.Altered(metadata.ConfigBroker, set, op.name, op.op, op.value)
}

func (p precheck) dynamics() config.Dynamics {
	img := p.View.Image()
	return config.Dynamics{Cluster: img.Config(metadata.ConfigBroker, ""), Broker: img.Config(metadata.ConfigBroker, strconv.Itoa(int(p.NodeID)))}
}

func (p precheck) alterLoggers(c *change, validateOnly bool) error {
	if !p.MayLoggers {
		return kerr.ClusterAuthorizationFailed
	}
	var changes []loggers.Change
	for _, op := range c.ops {
		l := loggers.Change{Logger: op.name, Op: op.op}
		if op.value != nil {
			l.Level = *op.value
		}
		changes = append(changes, l)
	}
	return p.Loggers.Alter(c.resource.Name, changes, validateOnly)
}

// code is that of an answer that the controller did not give. If it owed one,
// that is an error.
func (c *change) code() int16 {
	if c.err == nil && !c.here {
		return kerr.UnknownServerError.Code
	}
	return kerr.Code(c.err)
}

// awaitChanges waits, at most readYourWrites, until this broker shows what was
// set and no longer shows what was deleted.
func awaitChanges(ctx context.Context, v *View, changes []change) {
	ctx, cancel := context.WithTimeout(ctx, readYourWrites)
	defer cancel()
	v.Wait(ctx, func(img *metadata.Image) bool {
		for i := range changes {
			if changes[i].done && !changes[i].shown(img) {
				return false
			}
		}
		return true
	})
}

func (c *change) shown(img *metadata.Image) bool {
	now := img.Config(c.resource.Type, c.resource.Name)
	if c.replace && len(now) != len(c.ops) {
		return false
	}
	for _, op := range c.ops {
		value, set := now[op.name]
		switch op.op {
		case setConfig:
			if !set || value != *op.value {
				return false
			}
		case deleteConfig:
			if set {
				return false
			}
		}
	}
	return true
}
