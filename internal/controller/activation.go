package controller

import (
	"strconv"
	"time"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Claim makes the Machine active on an image that has everything up to
// nextOffset. On a log without metadata.version it writes the bootstrap records
// of formatting, or those of the newest production level when there are none:
// inside a metadata transaction where the level has them, else in one batch. A
// transaction that an earlier leader left open is aborted.
func (m *Machine) Claim(img *metadata.Image, now time.Time, nextOffset model.Offset, bootstrap []wire.Record) Result {
	m.draft = metadata.NewDraft(img)
	m.sessions = map[model.NodeID]*session{}
	m.begin(now, nextOffset)
	m.idleSince = now
	m.nextBalance, m.nextUnclean = now.Add(m.cfg.ImbalanceInterval), now.Add(m.cfg.UncleanInterval)
	for b := range m.draft.Brokers() {
		s := m.session(b)
		if !b.Fenced {
			s.alive, s.contact = true, now
		}
	}
	if img.InTransaction {
		m.emit(&wire.AbortTransactionRecord{Reason: failover()})
	}
	if m.version() != 0 {
		return m.finish(nil, true)
	}
	return m.bootstrap(bootstrap)
}

func (m *Machine) bootstrap(records []wire.Record) Result {
	version, elr := bootstrapLevels(records)
	if version == 0 {
		records = metadata.BootstrapRecords(metadata.DefaultLevels(metadata.ProductionVersion))
		version, elr = bootstrapLevels(records)
	}
	if version.Transactions() {
		name := "Bootstrap records"
		m.emit(&wire.BeginTransactionRecord{Name: &name})
	}
	for _, r := range records {
		m.emit(r)
	}
	if elr {
		// With eligible leader replicas the cluster has one value, in the log.
		value := strconv.Itoa(m.cfg.MinISR)
		m.emit(&wire.ConfigRecord{ResourceType: metadata.ConfigBroker, Name: configMinISR, Value: &value})
	}
	if version.Transactions() {
		m.emit(&wire.EndTransactionRecord{})
	}
	m.cfg.Log.Info("the metadata log is empty: writing its first records", "metadata.version", version.String(), "records", len(m.out))
	return m.finish(nil, !version.Transactions())
}

func bootstrapLevels(records []wire.Record) (version metadata.Version, elr bool) {
	for _, r := range records {
		if f, ok := r.(*wire.FeatureLevelRecord); ok {
			switch f.Name {
			case metadata.FeatureMetadataVersion:
				version = metadata.Version(f.FeatureLevel)
			case metadata.FeatureELRVersion:
				elr = f.FeatureLevel > 0
			}
		}
	}
	return version, elr
}

func failover() *string {
	reason := "Controller failover"
	return &reason
}
