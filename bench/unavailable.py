# Produces to every partition of a topic at a steady pace with librdkafka and its default settings, and prints a line for
# each acknowledgement: partition, when the record was produced, when it was acknowledged, in microseconds since 1970.
import sys
import time

from confluent_kafka import Producer

bootstrap, topic, partitions, interval = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
producer = Producer({"bootstrap.servers": bootstrap})


def micros():
    return time.time_ns() // 1000


def delivered(partition, produced):
    def report(error, _):
        if error is None:
            print(partition, produced, micros(), flush=True)
        else:
            print("failed", partition, error, flush=True)

    return report


due = time.monotonic()
while True:
    for partition in range(partitions):
        producer.produce(topic, b"x" * 100, partition=partition, on_delivery=delivered(partition, micros()))
    due += interval
    while True:
        left = due - time.monotonic()
        producer.poll(max(0, left))
        if left <= 0:
            break
