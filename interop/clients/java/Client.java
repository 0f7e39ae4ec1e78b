import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;

/**
 * Java's clients, with nothing that those of release 2.1 lack: produce SERVER TOPIC CODEC < records and consume SERVER
 * TOPIC..., both on partition 0; group SERVER GROUP PROTOCOL COUNT TOPIC; transact SERVER ID TOPIC < records, in
 * transactions of ten, of which every other is aborted; share SERVER GROUP PROTOCOL TOPIC, until standard input ends, where
 * a TOPIC that begins with ^ is a regular expression; copy SERVER ID GROUP COUNT FROM TO, ten records at a time with their
 * offsets in a transaction, which is aborted and then done again. The codec plain is none without idempotence.
 */
public final class Client {

    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "produce":
                produce(args[1], args[2], args[3]);
                break;
            case "consume":
                consume(args[1], List.of(args).subList(2, args.length));
                break;
            case "group":
                group(args[1], args[2], args[3], Integer.parseInt(args[4]), args[5]);
                break;
            case "share":
                share(args[1], args[2], args[3], args[4]);
                break;
            case "copy":
                copy(args[1], args[2], args[3], Integer.parseInt(args[4]), args[5], args[6]);
                break;
            default:
                transact(args[1], args[2], args[3]);
        }
    }

    private static List<ProducerRecord<byte[], byte[]>> records(String topic) throws Exception {
        List<ProducerRecord<byte[], byte[]>> all = new ArrayList<>();
        for (String line : new String(System.in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
            JsonNode r = JSON.readTree(line);
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, 0, r.path("t").asLong(), bytes(r.path("k")), bytes(r.path("v")));
            for (JsonNode header : r.path("h")) {
                record.headers().add(header.get(0).asText(), bytes(header.get(1)));
            }
            all.add(record);
        }
        return all;
    }

    private static KafkaProducer<byte[], byte[]> producer(String server, Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(more);
        config.put("bootstrap.servers", server);
        config.putIfAbsent("enable.idempotence", true);
        config.putIfAbsent("acks", "all");
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static void produce(String server, String topic, String codec) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        Map<String, Object> config = new HashMap<>(Map.of("compression.type", codec, "linger.ms", 50));
        if (codec.equals("plain")) {
            config.putAll(Map.of("compression.type", "none", "enable.idempotence", false, "acks", "1"));
        }
        try (KafkaProducer<byte[], byte[]> producer = producer(server, config)) {
            for (ProducerRecord<byte[], byte[]> record : records(topic)) {
                sent.add(producer.send(record));
            }
            producer.flush();
            for (Future<RecordMetadata> s : sent) {
                System.out.println(s.get().offset());
            }
        }
    }

    private static byte[] bytes(JsonNode node) throws Exception {
        return node.isNull() || node.isMissingNode() ? null : node.binaryValue();
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String server, Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(more);
        config.put("bootstrap.servers", server);
        config.put("enable.auto.commit", false);
        config.put("fetch.max.wait.ms", 10);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static void consume(String server, List<String> topics) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(server, Map.of("isolation.level", "read_committed"))) {
            for (String topic : topics) {
                TopicPartition partition = new TopicPartition(topic, 0);
                consumer.assign(List.of(partition));
                consumer.seekToBeginning(List.of(partition));
                long end = consumer.endOffsets(List.of(partition)).get(partition);
                while (consumer.position(partition) < end) {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                        System.out.println(JSON.writeValueAsString(json(record)));
                    }
                }
            }
        }
    }

    private static void group(String server, String group, String protocol, int count, String topic) throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of("group.id", group, "auto.offset.reset", "earliest", "max.poll.records", count));
        if (!protocol.equals("classic")) {
            config.put("group.protocol", protocol);
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(server, config)) {
            consumer.subscribe(List.of(topic));
            for (int left = count; left > 0; ) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    System.out.println(JSON.writeValueAsString(json(record)));
                    left--;
                }
                consumer.commitSync();
            }
        }
    }

    /** Reads as one member of several, commits what it has printed, and says what it is assigned whenever that changes. */
    private static void share(String server, String group, String protocol, String topic) throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of("group.id", group, "auto.offset.reset", "earliest", "metadata.max.age.ms", 500));
        if (protocol.equals("classic")) {
            config.put("heartbeat.interval.ms", 300);
        } else {
            config.put("group.protocol", protocol);
        }
        AtomicBoolean ended = endOfInput();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(server, config)) {
            if (!topic.startsWith("^")) {
                consumer.subscribe(List.of(topic));
            } else if (protocol.equals("classic") || !serverSide()) {
                consumer.subscribe(Pattern.compile(topic));
            } else {
                ServerSide.subscribe(consumer, topic);
            }
            Set<TopicPartition> before = Set.of();
            while (!ended.get()) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    System.out.println(JSON.writeValueAsString(json(record)));
                }
                consumer.commitSync();
                if (!before.equals(consumer.assignment())) {
                    before = Set.copyOf(consumer.assignment());
                    ArrayNode names = JSON.createArrayNode();
                    before.forEach(partition -> names.add(partition.topic() + "/" + partition.partition()));
                    System.out.println(JSON.createObjectNode().set("assigned", names));
                }
            }
        }
    }

    /** Releases before 4.0 resolve expressions themselves, with either protocol. */
    private static boolean serverSide() {
        try {
            Class.forName("org.apache.kafka.clients.consumer.SubscriptionPattern");
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    private static AtomicBoolean endOfInput() {
        AtomicBoolean ended = new AtomicBoolean();
        Thread reader = new Thread(() -> {
            try {
                System.in.readAllBytes();
            } catch (IOException e) {
                e.printStackTrace();
            }
            ended.set(true);
        });
        reader.setDaemon(true);
        reader.start();
        return ended;
    }

    private static void transact(String server, String id, String topic) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(server, Map.of("transactional.id", id))) {
            producer.initTransactions();
            List<ProducerRecord<byte[], byte[]>> all = records(topic);
            for (int at = 0; at < all.size(); at += 10) {
                producer.beginTransaction();
                all.subList(at, Math.min(at + 10, all.size())).forEach(producer::send);
                if (at / 10 % 2 == 1) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
    }

    private static void copy(String server, String id, String group, int count, String from, String to) throws Exception {
        Map<String, Object> config = Map.of("group.id", group, "auto.offset.reset", "earliest", "max.poll.records", 10);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(server, config);
             KafkaProducer<byte[], byte[]> producer = producer(server, Map.of("transactional.id", id))) {
            producer.initTransactions();
            consumer.subscribe(List.of(from));
            for (int left = count; left > 0; ) {
                List<ProducerRecord<byte[], byte[]>> copies = new ArrayList<>();
                long next = 0;
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofSeconds(1))) {
                    copies.add(new ProducerRecord<>(to, 0, r.timestamp(), r.key(), r.value(), r.headers()));
                    next = r.offset() + 1;
                }
                for (boolean commit : copies.isEmpty() ? new boolean[0] : new boolean[] {false, true}) {
                    producer.beginTransaction();
                    copies.forEach(producer::send);
                    sendOffsets(producer, Map.of(new TopicPartition(from, 0), new OffsetAndMetadata(next)), consumer, group);
                    if (commit) {
                        producer.commitTransaction();
                    } else {
                        producer.abortTransaction();
                    }
                }
                left -= copies.size();
            }
        }
    }

    /** Tells who the member is where the release can (KIP-447), and else the group's name, which releases from 4.0 on cannot. */
    private static void sendOffsets(KafkaProducer<?, ?> producer, Map<TopicPartition, OffsetAndMetadata> offsets, KafkaConsumer<?, ?> consumer,
                                    String group) throws Exception {
        for (Method method : KafkaConsumer.class.getMethods()) {
            if (method.getName().equals("groupMetadata")) {
                KafkaProducer.class.getMethod("sendOffsetsToTransaction", Map.class, method.getReturnType()).invoke(producer, offsets, method.invoke(consumer));
                return;
            }
        }
        KafkaProducer.class.getMethod("sendOffsetsToTransaction", Map.class, String.class).invoke(producer, offsets, group);
    }

    private static ObjectNode json(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode node = JSON.createObjectNode().put("topic", record.topic()).put("o", record.offset()).put("t", record.timestamp())
            .put("k", record.key()).put("v", record.value());
        ArrayNode headers = node.putArray("h");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(header.value());
        }
        return node;
    }
}
