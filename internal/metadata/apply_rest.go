package metadata

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

func (d *Draft) setConfig(r *wire.ConfigRecord) error {
	resource := ConfigResource{r.ResourceType, r.ResourceName}
	now, _ := d.configs.get(resource)
	next := maps.Clone(now)
	if r.Value == nil {
		delete(next, r.Name)
	} else {
		if next == nil {
			next = map[string]string{}
		}
		next[r.Name] = *r.Value
	}
	if len(next) == 0 {
		d.configs = d.configs.without(resource)
	} else {
		d.configs = d.configs.set(resource, next)
	}
	mark(&d.touched.configs, resource)
	return nil
}

func (d *Draft) setFeature(r *wire.FeatureLevelRecord) error {
	next, err := d.features.with(r.Name, r.FeatureLevel)
	if err != nil {
		return err
	}
	d.features, d.touched.features = next, true
	return nil
}

// setProducerIDs takes the next id that no block holds yet.
func (d *Draft) setProducerIDs(r *wire.ProducerIdsRecord) error {
	d.nextPID, d.touched.producerIDs = model.ProducerID(r.NextProducerID), true
	return nil
}

func (d *Draft) setQuota(r *wire.ClientQuotaRecord) error {
	key := quotaKey{entityKey(r.Entity), r.Key}
	if r.Remove {
		d.quotas = d.quotas.without(key)
	} else {
		d.quotas = d.quotas.set(key, r)
	}
	d.touched.quotas = true
	return nil
}

// entityKey is a string that two entities share when they are the same one,
// whatever the order of their parts. Every part has its length in front, and a
// default (null) name differs from an empty one.
func entityKey(parts []wire.ClientQuotaRecordEntity) string {
	parts = slices.Clone(parts)
	slices.SortFunc(parts, func(a, b wire.ClientQuotaRecordEntity) int { return strings.Compare(a.EntityType, b.EntityType) })
	var b []byte
	for _, p := range parts {
		b = append(binary.AppendUvarint(b, uint64(len(p.EntityType))), p.EntityType...)
		if p.EntityName == nil {
			b = append(b, 0)
			continue
		}
		b = append(binary.AppendUvarint(b, uint64(len(*p.EntityName))+1), *p.EntityName...)
	}
	return string(b)
}

func (d *Draft) addACL(r *wire.AccessControlEntryRecord) error {
	d.acls, d.touched.acls = d.acls.set(r.ID, r), true
	return nil
}

func (d *Draft) removeACL(r *wire.RemoveAccessControlEntryRecord) error {
	if _, ok := d.acls.get(r.ID); !ok {
		return fmt.Errorf("no access control entry has id %v", r.ID)
	}
	d.acls, d.touched.acls = d.acls.without(r.ID), true
	return nil
}

// setScram copies the secrets, which alias the batch they were read from.
func (d *Draft) setScram(r *wire.UserScramCredentialRecord) error {
	c := *r
	c.Salt, c.StoredKey, c.ServerKey = slices.Clone(r.Salt), slices.Clone(r.StoredKey), slices.Clone(r.ServerKey)
	d.scram, d.touched.scram = d.scram.set(scramKey{r.Mechanism, r.Name}, &c), true
	return nil
}

func (d *Draft) removeScram(r *wire.RemoveUserScramCredentialRecord) error {
	d.scram, d.touched.scram = d.scram.without(scramKey{r.Mechanism, r.Name}), true
	return nil
}

func (d *Draft) setToken(r *wire.DelegationTokenRecord) error {
	d.tokens, d.touched.tokens = d.tokens.set(r.TokenID, r), true
	return nil
}

func (d *Draft) removeToken(r *wire.RemoveDelegationTokenRecord) error {
	d.tokens, d.touched.tokens = d.tokens.without(r.TokenID), true
	return nil
}
