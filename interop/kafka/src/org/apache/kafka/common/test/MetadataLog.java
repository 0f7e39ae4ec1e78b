package org.apache.kafka.common.test;

import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.metadata.MetadataRecordSerde;

import java.io.File;
import java.io.IOException;
import java.util.Arrays;
import java.util.function.Consumer;

/** The metadata log of a node, read from its files; it may grow meanwhile. */
final class MetadataLog {

    private MetadataLog() {
    }

    /** Gives every record in the metadata log under a directory to somebody, in order. */
    static void forEach(String directory, Consumer<ApiMessage> somebody) {
        File[] segments = new File(directory, "__cluster_metadata-0").listFiles((d, name) -> name.endsWith(".log"));
        if (segments == null) {
            return;
        }
        Arrays.sort(segments);
        for (File segment : segments) {
            try (FileRecords records = FileRecords.open(segment, false)) {
                for (RecordBatch batch : records.batches()) {
                    if (!batch.isControlBatch()) {
                        inBatch(batch, somebody);
                    }
                }
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private static void inBatch(RecordBatch batch, Consumer<ApiMessage> somebody) {
        for (Record record : batch) {
            somebody.accept(MetadataRecordSerde.INSTANCE.read(new ByteBufferAccessor(record.value()), record.valueSize()).message());
        }
    }
}
