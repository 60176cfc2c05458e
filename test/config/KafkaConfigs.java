// Asks Kafka's own classes: its tables of configs, what it says of topic configs, and how Java reads a properties file.
// Reads one JSON object from standard input and answers with one.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.StringReader;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.storage.internals.log.LogConfig;

public class KafkaConfigs {
  static final ObjectMapper json = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    JsonNode question = json.readTree(System.in);
    ObjectNode answer = json.createObjectNode();
    answer.set("topic", table(LogConfig.configDefCopy()));
    answer.set("broker", table(AbstractKafkaConfig.CONFIG_DEF));
    answer.set("dynamic", json.valueToTree(DynamicBrokerConfig.dynamicConfigUpdateModes()));
    ObjectNode synonyms = answer.putObject("synonyms");
    ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS.forEach((name, list) -> {
      ArrayNode names = synonyms.putArray(name);
      list.forEach(synonym -> names.addObject().put("name", synonym.name()).put("five", synonym.converter().apply("5")));
    });
    ArrayNode verdicts = answer.putArray("verdicts");
    for (JsonNode configs : question.path("topicConfigs")) verdicts.add(verdict(configs));
    ArrayNode files = answer.putArray("files");
    for (JsonNode file : question.path("files")) files.add(json.valueToTree(properties(file.asText())));
    ArrayNode doubles = answer.putArray("doubles");
    for (JsonNode number : question.path("doubles")) doubles.add(Double.toString(number.asDouble()));
    json.writeValue(System.out, answer);
  }

  static ArrayNode table(ConfigDef definitions) {
    ArrayNode rows = json.createArrayNode();
    for (ConfigDef.ConfigKey key : definitions.configKeys().values()) {
      String fallback = key.hasDefault() && key.defaultValue != null ? ConfigDef.convertToString(key.defaultValue, key.type) : null;
      rows.addObject()
          .put("name", key.name)
          .put("type", key.type.toString())
          .put("default", fallback)
          .put("internal", key.internalConfig);
    }
    return rows;
  }

  static String verdict(JsonNode configs) {
    Map<String, String> overrides = new LinkedHashMap<>();
    configs.properties().forEach(entry -> overrides.put(entry.getKey(), entry.getValue().asText()));
    Map<String, Object> broker = new HashMap<>(LogConfig.configDefCopy().defaultValues());
    broker.remove("internal.segment.bytes");
    try {
      LogConfig.validate(Map.of(), overrides, broker, false);
      return null;
    } catch (Exception refusal) {
      return refusal.getMessage();
    }
  }

  static Map<String, String> properties(String text) throws Exception {
    Properties read = new Properties();
    read.load(new StringReader(text));
    Map<String, String> result = new HashMap<>();
    read.forEach((name, value) -> result.put((String) name, (String) value));
    return result;
  }
}
