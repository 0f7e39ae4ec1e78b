"""librdkafka through confluent-kafka as a client of verbs: produce SERVER TOPIC CODEC < records, consume SERVER TOPIC...;
group SERVER GROUP PROTOCOL COUNT TOPIC; transact SERVER ID TOPIC < records, in transactions of ten, of which every other is
aborted; share SERVER GROUP PROTOCOL TOPIC, until standard input ends, where a TOPIC that begins with ^ is a regular expression; copy SERVER ID GROUP COUNT FROM TO,
ten records at a time with their offsets in a transaction, which is aborted and then done again.
The codec plain is none without idempotence.
"""
import sys

import confluent_kafka
import lines


def produce(server, topic, codec):
    plain = codec == 'plain'
    producer = confluent_kafka.Producer({'bootstrap.servers': server, 'compression.type': 'none' if plain else codec, 'acks': '1' if plain else 'all',
                                         'enable.idempotence': not plain, 'linger.ms': 50})

    def delivered(error, message):
        print(error if error else message.offset())

    for t, k, v, h in lines.read():
        producer.produce(topic, key=k, value=v, headers=h, partition=0, timestamp=t, on_delivery=delivered)
    if producer.flush(30):
        sys.exit('not everything was delivered')


def consume(server, *topics):
    for topic in topics:
        consumer = confluent_kafka.Consumer({'bootstrap.servers': server, 'group.id': 'none', 'enable.auto.commit': False,
                                             'enable.partition.eof': True, 'fetch.wait.max.ms': 10, 'check.crcs': True})
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
        while True:
            message = consumer.poll(30)
            if message is None:
                sys.exit('nothing came of ' + topic)
            if message.error():
                if message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    break
                sys.exit(str(message.error()))
            lines.write(topic, message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers())
        consumer.close()


def group(server, group_id, protocol, count, topic):
    consumer = confluent_kafka.Consumer({'bootstrap.servers': server, 'group.id': group_id, 'group.protocol': protocol, 'enable.auto.commit': False,
                                         'auto.offset.reset': 'earliest'})
    consumer.subscribe([topic])
    for _ in range(int(count)):
        message = consumer.poll(30)
        if message is None or message.error():
            sys.exit(str(message.error()) if message else 'nothing came of ' + topic)
        lines.write(topic, message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers())
    consumer.commit(asynchronous=False)
    consumer.close()


def share(server, group_id, protocol, topic):
    config = {'bootstrap.servers': server, 'group.id': group_id, 'group.protocol': protocol, 'enable.auto.commit': False,
              'auto.offset.reset': 'earliest', 'topic.metadata.refresh.interval.ms': 500}
    if protocol == 'classic':
        config['heartbeat.interval.ms'] = 300
    consumer = confluent_kafka.Consumer(config)
    consumer.subscribe([topic])
    ended, before = lines.end_of_input(), []
    while not ended.is_set():
        message = consumer.poll(0.1)
        if message is not None:
            # A topic that has just been made may not be known to every part of a broker yet.
            if message.error() and message.error().code() != confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART:
                sys.exit(str(message.error()))
            if not message.error():
                lines.write(message.topic(), message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers())
                consumer.commit(message, asynchronous=False)
        now = sorted((p.topic, p.partition) for p in consumer.assignment())
        if now != before:
            before = now
            lines.assigned(consumer.assignment())
    consumer.close()


def transact(server, transactional_id, topic):
    producer = confluent_kafka.Producer({'bootstrap.servers': server, 'transactional.id': transactional_id})
    producer.init_transactions(30)
    records = list(lines.read())
    for at in range(0, len(records), 10):
        producer.begin_transaction()
        for t, k, v, h in records[at:at + 10]:
            producer.produce(topic, key=k, value=v, headers=h, partition=0, timestamp=t)
        producer.flush(30)
        producer.abort_transaction(30) if at // 10 % 2 else producer.commit_transaction(30)


def copy(server, transactional_id, group_id, count, source, target):
    consumer = confluent_kafka.Consumer({'bootstrap.servers': server, 'group.id': group_id, 'enable.auto.commit': False, 'auto.offset.reset': 'earliest'})
    consumer.subscribe([source])
    producer = confluent_kafka.Producer({'bootstrap.servers': server, 'transactional.id': transactional_id})
    producer.init_transactions(30)
    left = int(count)
    while left > 0:
        batch = [m for m in consumer.consume(10, 1) if not m.error()]
        for end in (producer.abort_transaction, producer.commit_transaction) if batch else ():
            producer.begin_transaction()
            for m in batch:
                producer.produce(target, key=m.key(), value=m.value(), headers=m.headers(), partition=0, timestamp=m.timestamp()[1])
            offsets = [confluent_kafka.TopicPartition(source, 0, batch[-1].offset() + 1)]
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 30)
            end(30)
        left -= len(batch)
    consumer.close()


{'produce': produce, 'consume': consume, 'group': group, 'share': share, 'transact': transact, 'copy': copy}[sys.argv[1]](*sys.argv[2:])
