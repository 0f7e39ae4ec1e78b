package org.apache.kafka.common.test;

import org.apache.kafka.common.metadata.PartitionChangeRecord;
import org.apache.kafka.metadata.LeaderRecoveryState;

import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Counts the unclean elections of a cluster from outside: every one is a record of the metadata log that marks its
 * partition as recovering.
 */
final class UncleanElections {

    private UncleanElections() {
    }

    /** The count in the longest of the nodes' logs. */
    static long count(List<String> metadataDirectories) {
        return metadataDirectories.stream().mapToLong(UncleanElections::inDirectory).max().orElse(0);
    }

    private static long inDirectory(String directory) {
        AtomicLong count = new AtomicLong();
        MetadataLog.forEach(directory, message -> {
            if (message instanceof PartitionChangeRecord change && change.leaderRecoveryState() == LeaderRecoveryState.RECOVERING.value()) {
                count.incrementAndGet();
            }
        });
        return count.get();
    }
}
