import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;

/** What releases before 4.0 lack; loaded only where it is used. */
final class ServerSide {

    private ServerSide() { }

    /** Subscribes to an expression that the group's coordinator resolves (KIP-848). */
    static void subscribe(KafkaConsumer<byte[], byte[]> consumer, String expression) {
        consumer.subscribe(new SubscriptionPattern(expression));
    }
}
