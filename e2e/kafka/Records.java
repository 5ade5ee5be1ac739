// Does with Kafka's own Java clients what its command-line tools cannot: binary and null fields, timestamps, transactions that
// abort, exact offsets. Each line of standard input is a JSON list of steps, and answered by a line with the list of the answers
// of those that have one, or {"error": …}. Bytes are base64, null is null. Producers end with their line; what they left open
// stays open.
//   {"do": "open", "producer": NAME, "config": {…}}            a transactional.id in it opens its transactions too
//   {"do": "begin" | "commit" | "abort" | "flush", "producer": NAME}
//   {"do": "send", "producer", "topic", "partition", "timestamp", "key", "value", "headers": [[name, value], …]}
//       all but the first three may be missing; answered last, in order, by {topic, partition, offset, timestamp}
//   {"do": "read", "topics": […], "config": {…}, "group": G, "commit": METADATA}
//       answered by the list of all records up to the ends of now; with a group, commits those ends with that metadata
//   {"do": "committed", "group": G}                            answered by [{topic, partition, offset, metadata, leaderEpoch}, …]
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Records {
  static final ObjectMapper JSON = new ObjectMapper();
  static final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
  static final List<Future<RecordMetadata>> sent = new ArrayList<>();
  static String bootstrap;

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    PrintStream out = new PrintStream(System.out, true);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      try {
        out.println(answer(JSON.readTree(line)));
      } catch (Exception error) {
        out.println(JSON.createObjectNode().put("error", error.toString()));
      }
    }
    Runtime.getRuntime().halt(0);
  }

  static ArrayNode answer(JsonNode steps) throws Exception {
    ArrayNode answers = JSON.createArrayNode();
    try {
      for (JsonNode step : steps) {
        KafkaProducer<byte[], byte[]> producer = producers.get(step.path("producer").asText());
        switch (step.get("do").asText()) {
          case "open" -> open(step);
          case "begin" -> producer.beginTransaction();
          case "commit" -> producer.commitTransaction();
          case "abort" -> producer.abortTransaction();
          case "flush" -> producer.flush();
          case "send" -> send(producer, step);
          case "read" -> answers.add(read(step));
          case "committed" -> answers.add(committed(step));
          default -> throw new IllegalArgumentException(step.toString());
        }
      }
      for (KafkaProducer<byte[], byte[]> producer : producers.values()) producer.flush();
      for (Future<RecordMetadata> one : sent) {
        RecordMetadata at = one.get();
        ObjectNode place = answers.addObject().put("topic", at.topic()).put("partition", at.partition());
        place.put("offset", at.offset()).put("timestamp", at.timestamp());
      }
    } finally {
      // At once: a graceful close would abort the transaction that is left open.
      for (KafkaProducer<byte[], byte[]> producer : producers.values()) producer.close(Duration.ZERO);
      producers.clear();
      sent.clear();
    }
    return answers;
  }

  static Properties config(JsonNode step) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    step.path("config").properties().forEach((entry) -> properties.put(entry.getKey(), entry.getValue().asText()));
    return properties;
  }

  static byte[] bytes(JsonNode node) {
    return node == null || node.isNull() ? null : Base64.getDecoder().decode(node.asText());
  }

  static String text(byte[] bytes) {
    return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
  }

  static void open(JsonNode step) {
    Properties config = config(step);
    KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    if (config.containsKey("transactional.id")) producer.initTransactions();
    producers.put(step.get("producer").asText(), producer);
  }

  static void send(KafkaProducer<byte[], byte[]> producer, JsonNode step) {
    Integer partition = step.hasNonNull("partition") ? step.get("partition").asInt() : null;
    Long timestamp = step.hasNonNull("timestamp") ? step.get("timestamp").asLong() : null;
    ProducerRecord<byte[], byte[]> record =
        new ProducerRecord<>(step.get("topic").asText(), partition, timestamp, bytes(step.get("key")), bytes(step.get("value")));
    for (JsonNode header : step.path("headers")) record.headers().add(header.get(0).asText(), bytes(header.get(1)));
    sent.add(producer.send(record));
  }

  static ArrayNode read(JsonNode step) {
    Properties config = config(step);
    if (step.has("group")) config.put("group.id", step.get("group").asText());
    config.put("enable.auto.commit", "false");
    config.put("auto.offset.reset", "earliest");
    config.put("max.partition.fetch.bytes", "20971520");
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions = new ArrayList<>();
      for (JsonNode topic : step.get("topics")) {
        for (PartitionInfo info : consumer.partitionsFor(topic.asText())) partitions.add(new TopicPartition(info.topic(), info.partition()));
      }
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      ArrayNode list = JSON.createArrayNode();
      while (ends.entrySet().stream().anyMatch((end) -> consumer.position(end.getKey()) < end.getValue())) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) list.add(toJson(record));
      }
      if (step.has("commit")) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new LinkedHashMap<>();
        ends.forEach((partition, end) -> offsets.put(partition, new OffsetAndMetadata(end, step.get("commit").asText())));
        consumer.commitSync(offsets);
      }
      return list;
    }
  }

  static ObjectNode toJson(ConsumerRecord<byte[], byte[]> record) {
    ObjectNode node = JSON.createObjectNode();
    node.put("topic", record.topic()).put("partition", record.partition()).put("offset", record.offset());
    node.put("timestamp", record.timestamp()).put("timestampType", record.timestampType().name);
    node.put("key", text(record.key())).put("value", text(record.value()));
    ArrayNode headers = node.putArray("headers");
    for (Header header : record.headers()) headers.addArray().add(header.key()).add(text(header.value()));
    return node;
  }

  static ArrayNode committed(JsonNode step) throws Exception {
    Properties config = config(step);
    try (Admin admin = Admin.create(config)) {
      ArrayNode list = JSON.createArrayNode();
      admin.listConsumerGroupOffsets(step.get("group").asText()).partitionsToOffsetAndMetadata().get().forEach((partition, committed) -> {
        if (committed == null) return;
        ObjectNode node = list.addObject();
        node.put("topic", partition.topic()).put("partition", partition.partition()).put("offset", committed.offset());
        node.put("metadata", committed.metadata()).put("leaderEpoch", committed.leaderEpoch().orElse(null));
      });
      return list;
    }
  }
}
