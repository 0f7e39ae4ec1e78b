package wire

// recordKinds are the records of the metadata log by their key.
var recordKinds = map[int64]struct {
	name string
	max  int16
	new  func() Record
}{
	0:  {"RegisterBrokerRecord", 4, func() Record { return new(RegisterBrokerRecord) }},
	1:  {"UnregisterBrokerRecord", 0, func() Record { return new(UnregisterBrokerRecord) }},
	2:  {"TopicRecord", 0, func() Record { return new(TopicRecord) }},
	3:  {"PartitionRecord", 2, func() Record { return new(PartitionRecord) }},
	4:  {"ConfigRecord", 0, func() Record { return new(ConfigRecord) }},
	5:  {"PartitionChangeRecord", 2, func() Record { return new(PartitionChangeRecord) }},
	7:  {"FenceBrokerRecord", 0, func() Record { return new(FenceBrokerRecord) }},
	8:  {"UnfenceBrokerRecord", 0, func() Record { return new(UnfenceBrokerRecord) }},
	9:  {"RemoveTopicRecord", 0, func() Record { return new(RemoveTopicRecord) }},
	10: {"DelegationTokenRecord", 0, func() Record { return new(DelegationTokenRecord) }},
	11: {"UserScramCredentialRecord", 0, func() Record { return new(UserScramCredentialRecord) }},
	12: {"FeatureLevelRecord", 0, func() Record { return new(FeatureLevelRecord) }},
	14: {"ClientQuotaRecord", 0, func() Record { return new(ClientQuotaRecord) }},
	15: {"ProducerIdsRecord", 0, func() Record { return new(ProducerIdsRecord) }},
	17: {"BrokerRegistrationChangeRecord", 3, func() Record { return new(BrokerRegistrationChangeRecord) }},
	18: {"AccessControlEntryRecord", 0, func() Record { return new(AccessControlEntryRecord) }},
	19: {"RemoveAccessControlEntryRecord", 0, func() Record { return new(RemoveAccessControlEntryRecord) }},
	20: {"NoOpRecord", 0, func() Record { return new(NoOpRecord) }},
	21: {"ZkMigrationStateRecord", 0, func() Record { return new(ZkMigrationStateRecord) }},
	22: {"RemoveUserScramCredentialRecord", 0, func() Record { return new(RemoveUserScramCredentialRecord) }},
	23: {"BeginTransactionRecord", 0, func() Record { return new(BeginTransactionRecord) }},
	24: {"EndTransactionRecord", 0, func() Record { return new(EndTransactionRecord) }},
	25: {"AbortTransactionRecord", 0, func() Record { return new(AbortTransactionRecord) }},
	26: {"RemoveDelegationTokenRecord", 0, func() Record { return new(RemoveDelegationTokenRecord) }},
	27: {"RegisterControllerRecord", 0, func() Record { return new(RegisterControllerRecord) }},
	28: {"ClearElrRecord", 0, func() Record { return new(ClearElrRecord) }},
	29: {"UnregisterControllerRecord", 0, func() Record { return new(UnregisterControllerRecord) }},
}

// RecordKind makes records of a kind and says the newest version of it.
func RecordKind(key int16) (fresh func() Record, newest int16, ok bool) {
	kind, ok := recordKinds[int64(key)]
	return kind.new, kind.max, ok
}
