package metadata

import (
	"fmt"
	"slices"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

func (d *Draft) registerBroker(r *wire.RegisterBrokerRecord, offset model.Offset) error {
	b := &Broker{
		ID: model.NodeID(r.BrokerID), Incarnation: r.IncarnationID, Epoch: model.BrokerEpoch(r.BrokerEpoch),
		Rack: r.Rack, Fenced: r.Fenced, InControlledShutdown: r.InControlledShutdown,
		LogDirs: sortedDirs(r.LogDirs), MigratingZK: r.IsMigratingZkBroker, RegisteredAt: offset,
	}
	if r.CordonedLogDirs != nil {
		b.CordonedLogDirs = dirs(r.CordonedLogDirs)
	}
	for _, e := range r.EndPoints {
		if e.Name == "" {
			return fmt.Errorf("broker %d has a listener without a name", r.BrokerID)
		}
		b.Endpoints = append(b.Endpoints, Endpoint{e.Name, e.Host, e.Port, e.SecurityProtocol})
	}
	for _, f := range r.Features {
		b.Features = append(b.Features, FeatureRange{f.Name, f.MinSupportedVersion, f.MaxSupportedVersion})
	}
	d.brokers = d.brokers.set(b.ID, b)
	mark(&d.touched.brokers, b.ID)
	return nil
}

func (d *Draft) unregisterBroker(r *wire.UnregisterBrokerRecord) error {
	d.brokers = d.brokers.without(model.NodeID(r.BrokerID))
	mark(&d.touched.brokers, model.NodeID(r.BrokerID))
	return nil
}

// changeBroker changes a copy of the registration of this very epoch.
func (d *Draft) changeBroker(id int32, epoch int64, change func(*Broker) error) error {
	now := d.Broker(model.NodeID(id))
	if now == nil {
		return fmt.Errorf("broker %d is not registered", id)
	}
	if now.Epoch != model.BrokerEpoch(epoch) {
		return fmt.Errorf("broker %d has epoch %d, not %d", id, now.Epoch, epoch)
	}
	next := *now
	if err := change(&next); err != nil {
		return err
	}
	d.brokers = d.brokers.set(next.ID, &next)
	mark(&d.touched.brokers, next.ID)
	return nil
}

// change takes in a BrokerRegistrationChangeRecord: 1 sets a flag, -1 resets
// fencing, 0 leaves it; an empty list of directories leaves them, null does for
// the cordoned ones.
func (b *Broker) change(r *wire.BrokerRegistrationChangeRecord) error {
	switch r.Fenced {
	case 1:
		b.Fenced = true
	case -1:
		b.Fenced = false
	case 0:
	default:
		return fmt.Errorf("fenced is %d, not -1, 0 or 1", r.Fenced)
	}
	switch r.InControlledShutdown {
	case 1:
		b.InControlledShutdown = true
	case 0:
	default:
		return fmt.Errorf("inControlledShutdown is %d, not 0 or 1", r.InControlledShutdown)
	}
	if len(r.LogDirs) > 0 {
		b.LogDirs = sortedDirs(r.LogDirs)
	}
	if r.CordonedLogDirs != nil {
		b.CordonedLogDirs = dirs(r.CordonedLogDirs)
	}
	return nil
}

func (d *Draft) registerController(r *wire.RegisterControllerRecord) error {
	c := &Controller{ID: model.NodeID(r.ControllerID), Incarnation: r.IncarnationID, ZKMigrateReady: r.ZkMigrationReady}
	for _, e := range r.EndPoints {
		c.Endpoints = append(c.Endpoints, Endpoint{e.Name, e.Host, e.Port, e.SecurityProtocol})
	}
	for _, f := range r.Features {
		c.Features = append(c.Features, FeatureRange{f.Name, f.MinSupportedVersion, f.MaxSupportedVersion})
	}
	d.controllers = d.controllers.set(c.ID, c)
	mark(&d.touched.controllers, c.ID)
	return nil
}

func (d *Draft) unregisterController(r *wire.UnregisterControllerRecord) error {
	d.controllers = d.controllers.without(model.NodeID(r.ControllerID))
	mark(&d.touched.controllers, model.NodeID(r.ControllerID))
	return nil
}

func dirs(ids []model.UUID) []model.DirectoryID {
	all := make([]model.DirectoryID, len(ids))
	for i, u := range ids {
		all[i] = model.DirectoryID(u)
	}
	return all
}

func sortedDirs(ids []model.UUID) []model.DirectoryID {
	all := dirs(ids)
	slices.SortFunc(all, compareDirs)
	return all
}
