"""kafka-python as a client of two verbs: produce SERVER TOPIC CODEC < records, consume SERVER TOPIC..., each on partition 0.

fresh SERVER PREFIX N sends one record each to N topics that nobody has made, and prints the offsets it was told.
"""
import sys

import kafka
import lines


def produce(server, topic, codec):
    producer = kafka.KafkaProducer(bootstrap_servers=server, compression_type=None if codec == 'none' else codec,
                                   acks='all', linger_ms=50)
    sent = [producer.send(topic, key=k, value=v, headers=h, partition=0, timestamp_ms=t) for t, k, v, h in lines.read()]
    producer.flush()
    for future in sent:
        print(future.get(timeout=30).offset)


def consume(server, *topics):
    for topic in topics:
        consumer = kafka.KafkaConsumer(bootstrap_servers=server, enable_auto_commit=False)
        partition = kafka.TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=1000).values():
                for r in records:
                    lines.write(topic, r.offset, r.timestamp, r.key, r.value, r.headers)
        consumer.close()


def fresh(server, prefix, count):
    producer = kafka.KafkaProducer(bootstrap_servers=server)
    for i in range(int(count)):
        try:
            print(producer.send('%s-%d' % (prefix, i), b'first').get(timeout=30).offset, flush=True)
        except kafka.errors.KafkaError as e:
            print(type(e).__name__, flush=True)


{'produce': produce, 'consume': consume, 'fresh': fresh}[sys.argv[1]](*sys.argv[2:])
