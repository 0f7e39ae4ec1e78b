package org.apache.kafka.common.test;

import org.apache.kafka.common.metadata.PartitionChangeRecord;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.metadata.LeaderRecoveryState;
import org.apache.kafka.metadata.MetadataRecordSerde;

import java.io.File;
import java.io.IOException;
import java.util.List;

/**
 * Counts the unclean elections of a cluster from outside: every one is a record of the metadata log that marks its
 * partition as recovering.
 */
final class UncleanElections {

    private UncleanElections() {
    }

    /** The count in the longest of the nodes' logs; the log may grow meanwhile. */
    static long count(List<String> metadataDirectories) {
        return metadataDirectories.stream().mapToLong(UncleanElections::inDirectory).max().orElse(0);
    }

    private static long inDirectory(String directory) {
        File[] segments = new File(directory, "__cluster_metadata-0").listFiles((d, name) -> name.endsWith(".log"));
        long count = 0;
        for (File segment : segments == null ? new File[0] : segments) {
            try (FileRecords records = FileRecords.open(segment, false)) {
                for (RecordBatch batch : records.batches()) {
                    count += batch.isControlBatch() ? 0 : inBatch(batch);
                }
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }
        return count;
    }

    private static long inBatch(RecordBatch batch) {
        long count = 0;
        for (Record record : batch) {
            Object message = MetadataRecordSerde.INSTANCE.read(new ByteBufferAccessor(record.value()), record.valueSize()).message();
            if (message instanceof PartitionChangeRecord change && change.leaderRecoveryState() == LeaderRecoveryState.RECOVERING.value()) {
                count++;
            }
        }
        return count;
    }
}
