// Kafka's own Java client behind the common command line of the client programs (program.ts).

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Client {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Map<String, String> FLAGS = new HashMap<>(Map.of("reset", "earliest", "codec", "none"));

  public static void main(String[] args) {
    for (int at = 1; at < args.length; at++) {
      String name = args[at].substring(2);
      FLAGS.put(name, name.equals("idempotent") ? "true" : args[++at]);
    }
    say(event("started").put("pid", ProcessHandle.current().pid()));
    try {
      switch (args[0]) {
        case "produce" -> produce();
        case "consume" -> consume();
        case "member" -> member();
        default -> throw new IllegalArgumentException("no verb " + args[0]);
      }
    } catch (Exception error) {
      say(event("error").put("message", error.toString()));
      error.printStackTrace();
      Runtime.getRuntime().halt(1);
    }
  }

  private static void produce() throws Exception {
    Properties config = config();
    config.put("acks", "all");
    config.put("compression.type", FLAGS.get("codec"));
    config.put("enable.idempotence", FLAGS.getOrDefault("idempotent", "false"));
    config.put("linger.ms", "5");
    config.put("max.request.size", "1000000");
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonNode record = JSON.readTree(line);
        List<Header> headers = new ArrayList<>();
        for (JsonNode header : record.get("headers"))
          headers.add(new RecordHeader(header.get(0).asText(), bytes(header.get(1))));
        sent.add(
            producer.send(
                new ProducerRecord<>(
                    FLAGS.get("topic"),
                    record.get("partition").asInt(),
                    record.get("timestamp").asLong(),
                    bytes(record.get("key")),
                    bytes(record.get("value")),
                    headers)));
      }
      producer.flush();
      for (int index = 0; index < sent.size(); index++) {
        RecordMetadata acked = sent.get(index).get();
        say(event("acked").put("index", index).put("partition", acked.partition()).put("offset", acked.offset()));
      }
    }
  }

  private static void consume() {
    try (var consumer = new KafkaConsumer<>(config(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions = new ArrayList<>();
      for (int p = 0; p < Integer.parseInt(FLAGS.get("partitions")); p++)
        partitions.add(new TopicPartition(FLAGS.get("topic"), p));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      for (int left = Integer.parseInt(FLAGS.get("count")); left > 0; )
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
          sayRecord(record);
          left--;
        }
    }
  }

  private static void member() throws InterruptedException {
    Properties config = config();
    int sessionTimeoutMs = Integer.parseInt(FLAGS.get("session-timeout-ms"));
    config.put("group.id", FLAGS.get("group"));
    config.put("enable.auto.commit", "false");
    config.put("auto.offset.reset", FLAGS.get("reset"));
    config.put("session.timeout.ms", sessionTimeoutMs);
    config.put("heartbeat.interval.ms", sessionTimeoutMs / 8);
    config.put("max.poll.interval.ms", 20000);
    var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    Thread main = Thread.currentThread();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  consumer.wakeup();
                  try {
                    main.join();
                  } catch (InterruptedException ended) {
                    Thread.currentThread().interrupt();
                  }
                  // The JVM's own exit code after SIGTERM is 143.
                  Runtime.getRuntime().halt(0);
                }));
    consumer.subscribe(List.of(FLAGS.get("topic")), new Owned());
    try (consumer) {
      while (true) {
        ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(500));
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
          sayRecord(record);
          offsets.put(
              new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        if (offsets.isEmpty()) continue;
        consumer.commitSync(offsets);
        ObjectNode committed = JSON.createObjectNode();
        offsets.forEach((partition, taken) -> committed.put(String.valueOf(partition.partition()), taken.offset()));
        ObjectNode event = event("committed");
        event.set("offsets", committed);
        say(event);
      }
    } catch (WakeupException asked) {
      // SIGTERM: leaving the try block has closed the consumer, which leaves the group.
    }
  }

  /** Prints all partitions that are owned: a cooperative assignor brings only what changed. */
  private static final class Owned implements ConsumerRebalanceListener {
    private final TreeSet<Integer> owned = new TreeSet<>();

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> added) {
      added.forEach(each -> owned.add(each.partition()));
      print();
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> removed) {
      removed.forEach(each -> owned.remove(each.partition()));
      print();
    }

    private void print() {
      ObjectNode event = event("assigned");
      ArrayNode partitions = event.putArray("partitions");
      owned.forEach(partitions::add);
      say(event);
    }
  }

  private static Properties config() {
    Properties config = new Properties();
    config.put("bootstrap.servers", FLAGS.get("bootstrap"));
    return config;
  }

  private static void sayRecord(ConsumerRecord<byte[], byte[]> record) {
    ObjectNode event = event("record");
    event.put("partition", record.partition()).put("offset", record.offset()).put("timestamp", record.timestamp());
    event.put("key", record.key()).put("value", record.value());
    ArrayNode headers = event.putArray("headers");
    for (Header header : record.headers()) headers.addArray().add(header.key()).add(header.value());
    say(event);
  }

  private static byte[] bytes(JsonNode base64) throws IOException {
    // Jackson takes base64 text for binary.
    return base64.isNull() ? null : base64.binaryValue();
  }

  private static ObjectNode event(String name) {
    return JSON.createObjectNode().put("event", name);
  }

  private static synchronized void say(ObjectNode event) {
    System.out.println(event);
    System.out.flush();
  }
}
