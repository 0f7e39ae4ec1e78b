"""kafka-python as a client of verbs: produce SERVER TOPIC CODEC < records, consume SERVER TOPIC..., each on partition 0;
group SERVER GROUP PROTOCOL COUNT TOPIC; transact SERVER ID TOPIC < records, in transactions of ten, of which every other is
aborted; share SERVER GROUP PROTOCOL TOPIC, until standard input ends, where a TOPIC that begins with ^ is a regular expression; copy SERVER ID GROUP COUNT FROM TO,
ten records at a time with their offsets in a transaction, which is aborted and then done again.
The codec plain is none without idempotence.

fresh SERVER PREFIX N sends one record each to N topics that nobody has made, and prints the offsets it was told.
"""
import sys

import kafka
import lines


# Release 2.0.2 is neither idempotent nor transactional.
old = kafka.__version__.startswith('2.0.')
newer = {} if old else {'enable_idempotence': True}
committed = {} if old else {'isolation_level': 'read_committed'}


def produce(server, topic, codec):
    plain = codec == 'plain'
    producer = kafka.KafkaProducer(bootstrap_servers=server, compression_type=None if plain or codec == 'none' else codec,
                                   acks=1 if plain else 'all', linger_ms=50, **({'enable_idempotence': False} if plain and not old else newer))
    sent = [producer.send(topic, key=k, value=v, headers=h, partition=0, timestamp_ms=t) for t, k, v, h in lines.read()]
    producer.flush()
    for future in sent:
        print(future.get(timeout=30).offset)


def consume(server, *topics):
    for topic in topics:
        consumer = kafka.KafkaConsumer(bootstrap_servers=server, enable_auto_commit=False, **committed)
        partition = kafka.TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=1000).values():
                for r in records:
                    lines.write(topic, r.offset, r.timestamp, r.key, r.value, r.headers)
        consumer.close()


def group(server, group_id, protocol, count, topic):
    consumer = kafka.KafkaConsumer(topic, bootstrap_servers=server, group_id=group_id, enable_auto_commit=False, auto_offset_reset='earliest')
    left = int(count)
    while left > 0:
        for records in consumer.poll(timeout_ms=1000).values():
            for r in records:
                lines.write(topic, r.offset, r.timestamp, r.key, r.value, r.headers)
                left -= 1
        consumer.commit()
    consumer.close()


def share(server, group_id, protocol, topic):
    consumer = kafka.KafkaConsumer(bootstrap_servers=server, group_id=group_id, enable_auto_commit=False, auto_offset_reset='earliest',
                                   heartbeat_interval_ms=300, session_timeout_ms=6000, metadata_max_age_ms=500)
    consumer.subscribe(pattern=topic) if topic.startswith('^') else consumer.subscribe([topic])
    ended, before = lines.end_of_input(), set()
    while not ended.is_set():
        for records in consumer.poll(timeout_ms=100).values():
            for r in records:
                lines.write(r.topic, r.offset, r.timestamp, r.key, r.value, r.headers)
            consumer.commit()
        if before != consumer.assignment():
            before = set(consumer.assignment())
            lines.assigned(before)
    consumer.close()


def transact(server, transactional_id, topic):
    producer = kafka.KafkaProducer(bootstrap_servers=server, transactional_id=transactional_id, acks='all')
    producer.init_transactions()
    records = list(lines.read())
    for at in range(0, len(records), 10):
        producer.begin_transaction()
        for t, k, v, h in records[at:at + 10]:
            producer.send(topic, key=k, value=v, headers=h, partition=0, timestamp_ms=t)
        producer.flush()
        producer.abort_transaction() if at // 10 % 2 else producer.commit_transaction()
    producer.close()


def copy(server, transactional_id, group_id, count, source, target):
    consumer = kafka.KafkaConsumer(source, bootstrap_servers=server, group_id=group_id, enable_auto_commit=False, auto_offset_reset='earliest', max_poll_records=10)
    producer = kafka.KafkaProducer(bootstrap_servers=server, transactional_id=transactional_id, acks='all')
    producer.init_transactions()
    left = int(count)
    while left > 0:
        batch = [r for records in consumer.poll(timeout_ms=1000).values() for r in records]
        for end in (producer.abort_transaction, producer.commit_transaction) if batch else ():
            producer.begin_transaction()
            for r in batch:
                producer.send(target, key=r.key, value=r.value, headers=r.headers, partition=0, timestamp_ms=r.timestamp)
            offsets = {kafka.TopicPartition(source, 0): kafka.structs.OffsetAndMetadata(batch[-1].offset + 1, '', -1)}
            producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
            end()
        left -= len(batch)
    producer.close()
    consumer.close()


def fresh(server, prefix, count):
    producer = kafka.KafkaProducer(bootstrap_servers=server)
    for i in range(int(count)):
        try:
            print(producer.send('%s-%d' % (prefix, i), b'first').get(timeout=30).offset, flush=True)
        except kafka.errors.KafkaError as e:
            print(type(e).__name__, flush=True)


{'produce': produce, 'consume': consume, 'group': group, 'share': share, 'transact': transact, 'copy': copy, 'fresh': fresh}[sys.argv[1]](*sys.argv[2:])
