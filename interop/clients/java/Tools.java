import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Exit;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;

/**
 * Runs Kafka's command line tools, and Java's producer and consumer, one after another in this JVM: starting one for each
 * would take longer than all the tests. Reads lines {"class": ..., "args": [...], "in": ...} and answers each with a line
 * {"status": ..., "out": ..., "err": ...}. The class "Client" is the producer and consumer at the end of this file.
 */
public final class Tools {

    private static final ObjectMapper JSON = new ObjectMapper();

    /** Thrown where a tool ends the process. */
    private static final class Ended extends RuntimeException {
        Ended() {
            super(null, null, false, false);
        }
    }

    /** What the tool ended the process with first; some catch Ended, take it for a failure and end again. */
    private static Integer ended;

    /** What the tool wants to be done at its end. */
    private static final List<Runnable> hooks = new ArrayList<>();

    private static void end(int status) {
        ended = ended == null ? status : ended;
        throw new Ended();
    }

    public static void main(String[] none) throws Exception {
        Exit.setExitProcedure((status, message) -> end(status));
        Exit.setHaltProcedure((status, message) -> end(status));
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        InputStream in = System.in;
        PrintStream out = System.out;
        BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            out.println(JSON.writeValueAsString(run(JSON.readTree(line))));
            out.flush();
        }
    }

    private static ObjectNode run(JsonNode command) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        System.setIn(new ByteArrayInputStream(command.path("in").asText("").getBytes(StandardCharsets.UTF_8)));
        ended = null;
        hooks.clear();
        int status = invoke(command);
        if (command.path("class").asText().endsWith(".ConsoleProducer")) {
            hooks.forEach(Runnable::run); // it sends what it holds in its hook
        }
        System.out.flush();
        System.err.flush();
        return JSON.createObjectNode().put("status", status)
            .put("out", out.toString(StandardCharsets.UTF_8)).put("err", err.toString(StandardCharsets.UTF_8));
    }

    private static int invoke(JsonNode command) {
        List<String> args = new ArrayList<>();
        command.path("args").forEach(a -> args.add(a.asText()));
        String name = command.path("class").asText();
        try {
            Class<?> tool = name.equals("Client") ? Client.class : Class.forName(name);
            tool.getMethod("main", String[].class).invoke(null, (Object) args.toArray(new String[0]));
            return ended == null ? 0 : ended;
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Ended) {
                return ended;
            }
            e.getCause().printStackTrace();
            return 1;
        } catch (ReflectiveOperationException e) {
            e.printStackTrace();
            return 1;
        }
    }

    /** Java's producer and assigned consumer: produce SERVER TOPIC CODEC < records, consume SERVER TOPIC... on partition 0. */
    public static final class Client {

        public static void main(String[] args) throws Exception {
            if (args[0].equals("produce")) {
                produce(args[1], args[2], args[3]);
            } else {
                consume(args[1], List.of(args).subList(2, args.length));
            }
        }

        private static void produce(String server, String topic, String codec) throws Exception {
            Map<String, Object> config = Map.of("bootstrap.servers", server, "compression.type", codec, "linger.ms", 50);
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
                for (String line : new String(System.in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
                    JsonNode r = JSON.readTree(line);
                    ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, 0, r.path("t").asLong(), bytes(r.path("k")), bytes(r.path("v")));
                    for (JsonNode header : r.path("h")) {
                        record.headers().add(header.get(0).asText(), bytes(header.get(1)));
                    }
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

        private static void consume(String server, List<String> topics) throws Exception {
            Map<String, Object> config = Map.of("bootstrap.servers", server, "enable.auto.commit", false, "fetch.max.wait.ms", 10);
            try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
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
}
