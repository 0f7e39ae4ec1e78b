package org.apache.kafka.common.test;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.internals.Topic;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The log of a partition, as its leader's clients and its directory show it. */
final class OutsideLog {

    private final TopicPartition partition;
    private final List<File> directories;
    private final Outside cluster;
    private final ServerProcess node;

    OutsideLog(TopicPartition partition, ServerProcess node, Outside cluster) {
        this.partition = partition;
        this.node = node;
        this.cluster = cluster;
        this.directories = Stream.of(node.properties.get("log.dirs").split(",")).map(File::new).toList();
    }

    boolean exists() {
        return directories.stream().anyMatch(d -> new File(d, partition.toString()).exists());
    }

    long endOffset() {
        try (Admin admin = cluster.adminOf(node)) {
            return admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** Whether {@link #roll} can: only a record that no test reads may be appended. */
    boolean canRoll() {
        return partition.topic().equals(Topic.GROUP_METADATA_TOPIC_NAME);
    }

    /** A log begins a new segment when something is appended long enough after the first record of the last one. */
    void roll() {
        long end = endOffset();
        try (Admin admin = cluster.adminOf(node)) {
            alter(admin, new AlterConfigOp(new ConfigEntry("segment.ms", "1"), AlterConfigOp.OpType.SET));
            KafkaClusterTestKit.await(15_000, partition + " begins no new segment", () -> {
                admin.alterConsumerGroupOffsets("roll", Map.of(partition, new OffsetAndMetadata(0))).all().get();
                return files().anyMatch(file -> Long.parseLong(file.getName().substring(0, 20)) >= end);
            });
            alter(admin, new AlterConfigOp(new ConfigEntry("segment.ms", ""), AlterConfigOp.OpType.DELETE));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private void alter(Admin admin, AlterConfigOp operation) throws Exception {
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, partition.topic()), List.of(operation))).all().get();
    }

    /** The files of the segments. */
    Stream<File> files() {
        return directories.stream().flatMap(d -> Stream.ofNullable(new File(d, partition.toString()).listFiles())).flatMap(Stream::of)
            .filter(file -> file.getName().matches("[0-9]{20}\\.log"));
    }

    /** Waits until the cleaner has written down that it is done below the offset. */
    boolean awaitCleaned(long offset, long timeoutMs) {
        long deadline = System.currentTimeMillis() + timeoutMs;
        while (cleaned() < offset) {
            if (System.currentTimeMillis() > deadline) {
                return false;
            }
            ServerProcess.sleep(100);
        }
        return true;
    }

    private long cleaned() {
        String prefix = partition.topic() + " " + partition.partition() + " ";
        long offset = -1;
        for (File directory : directories) {
            try {
                for (String line : Files.readAllLines(new File(directory, "cleaner-offset-checkpoint").toPath())) {
                    offset = line.startsWith(prefix) ? Long.parseLong(line.substring(prefix.length()).trim()) : offset;
                }
            } catch (IOException e) {
                // Not written yet, or just being replaced: asked again.
            }
        }
        return offset;
    }
}
