// Prints Apache Kafka's configuration definitions, tab-separated, as
// kafka-4.3.1.tsv has them. Run it with Kafka's jars on the class path:
//   java -cp 'libs/*' Definitions.java > kafka-4.3.1.tsv
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.QuotaConfig;
import org.apache.kafka.storage.internals.log.LogConfig;

public class Definitions {
    static void print(String scope, ConfigDef definitions, Map<String, String> modes) {
        for (var key : new TreeMap<>(definitions.configKeys()).values()) {
            String value = !key.hasDefault() ? "<required>"
                : key.defaultValue == null ? "<null>"
                : ConfigDef.convertToString(key.defaultValue, key.type);
            System.out.println(String.join("\t", scope, key.name, key.type.toString().toLowerCase(), value,
                key.importance.toString().toLowerCase(), modes == null ? "-" : modes.getOrDefault(key.name, "read-only"),
                "" + key.internalConfig, "" + key.validator));
        }
    }

    public static void main(String[] args) {
        print("broker", AbstractKafkaConfig.CONFIG_DEF, DynamicBrokerConfig.dynamicConfigUpdateModes());
        print("broker", QuotaConfig.brokerQuotaConfigs(), DynamicBrokerConfig.dynamicConfigUpdateModes());
        print("topic", LogConfig.configDefCopy(), null);
        print("group", GroupConfig.CONFIG_DEF, null);
    }
}
