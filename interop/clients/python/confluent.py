"""librdkafka through confluent-kafka as a client of two verbs: produce SERVER TOPIC CODEC < records, consume SERVER TOPIC..."""
import sys

import confluent_kafka
import lines


def produce(server, topic, codec):
    producer = confluent_kafka.Producer({'bootstrap.servers': server, 'compression.type': codec, 'acks': 'all',
                                         'enable.idempotence': True, 'linger.ms': 50})

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


{'produce': produce, 'consume': consume}[sys.argv[1]](*sys.argv[2:])
