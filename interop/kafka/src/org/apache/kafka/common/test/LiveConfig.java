package org.apache.kafka.common.test;

import kafka.server.KafkaConfig;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.server.config.DynamicBrokerConfig;

import java.util.HashMap;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** The configuration of a node: what its file says, and of what can change while it runs, what the node itself says. */
final class LiveConfig extends KafkaConfig {

    private final ServerProcess node;
    private final Outside cluster;

    LiveConfig(ServerProcess node, Outside cluster) {
        super(new HashMap<>(node.properties), false);
        this.node = node;
        this.cluster = cluster;
    }

    @Override
    public Object get(String key) {
        boolean asks = node != null && node.broker && node.isAlive() && DynamicBrokerConfig.ALL_DYNAMIC_CONFIGS.contains(key);
        return asks ? told(key) : super.get(key);
    }

    private Object told(String key) {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, Integer.toString(node.id));
        try (Admin admin = cluster.adminOf(node)) {
            Config config = admin.describeConfigs(Set.of(broker)).all().get(10, TimeUnit.SECONDS).get(broker);
            ConfigEntry entry = config.get(key);
            if (entry == null || entry.value() == null) {
                return super.get(key);
            }
            return ConfigDef.parseType(key, entry.value(), typeOf(key));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
