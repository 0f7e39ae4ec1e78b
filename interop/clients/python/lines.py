"""Records as lines of JSON: {"t": time, "k": key, "v": value, "h": [[name, value]...], "o": offset}, bytes in base64."""
import base64
import json
import sys
import threading


def encode(b):
    return None if b is None else base64.b64encode(b).decode()


def decode(s):
    return None if s is None else base64.b64decode(s)


def read():
    for line in sys.stdin:
        record = json.loads(line)
        yield record['t'], decode(record['k']), decode(record['v']), [(n, decode(v)) for n, v in record['h'] or []]


def write(topic, offset, time, key, value, headers):
    print(json.dumps({'topic': topic, 'o': offset, 't': time, 'k': encode(key), 'v': encode(value),
                      'h': [[n, encode(v)] for n, v in headers or []]}), flush=True)


def assigned(partitions):
    print(json.dumps({'assigned': sorted('%s/%d' % (p.topic, p.partition) for p in partitions)}), flush=True)


def end_of_input():
    """An event that is set when standard input ends."""
    ended = threading.Event()

    def wait():
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return ended
