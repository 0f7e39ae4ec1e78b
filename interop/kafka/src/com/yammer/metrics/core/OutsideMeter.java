package com.yammer.metrics.core;

import org.apache.kafka.server.metrics.KafkaYammerMetrics;

import org.mockito.Mockito;

import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** Stands where a test looks up a broker's meter in its own JVM; the count comes from outside the broker. */
public final class OutsideMeter extends Meter {
    /** Rates are not asked for, so nothing ticks: a thread would be a leak in the eyes of the tests. */
    private static final ScheduledExecutorService NO_TICKS = Mockito.mock(ScheduledExecutorService.class, Mockito.withSettings().stubOnly());

    private final LongSupplier count;

    private OutsideMeter(String events, LongSupplier count) {
        super(NO_TICKS, events, TimeUnit.SECONDS, Clock.defaultClock());
        this.count = count;
    }

    /** Replaces the meter of that name in the registry that Kafka's tests ask. */
    public static void register(String group, String type, String name, LongSupplier count) {
        MetricName full = new MetricName(group, type, name);
        MetricsRegistry registry = KafkaYammerMetrics.defaultRegistry();
        registry.removeMetric(full);
        registry.getOrAdd(full, new OutsideMeter(name, count));
    }

    @Override
    public void stop() {
        // nothing ticks
    }

    @Override
    public long count() {
        return count.getAsLong();
    }
}
