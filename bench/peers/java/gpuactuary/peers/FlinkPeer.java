package gpuactuary.peers;

import java.io.IOException;
import java.time.Duration;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Seven-day features of every GPU as a Flink job: flat wide JSON from Kafka, a keyed function with state on the heap,
 * feature vectors to Kafka. Runs in a mini cluster of this process and stops at the end of the topic.
 */
public final class FlinkPeer {
  /** Key of an output record, and its value. */
  private static final TypeInformation<Tuple2<byte[], byte[]>> OUTPUT =
      Types.TUPLE(
          PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);

  public static void main(String[] args) throws Exception {
    Arguments arguments = new Arguments(args);
    DeliveryGuarantee guarantee = DeliveryGuarantee.valueOf(arguments.get("guarantee"));
    Configuration configuration = new Configuration();
    configuration.set(StateBackendOptions.STATE_BACKEND, "hashmap");
    configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + arguments.get("directory"));
    configuration.set(PipelineOptions.OBJECT_REUSE, true);
    // A failure shall be seen, not be repaired in the middle of a measurement.
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.createLocalEnvironment(arguments.number("parallelism"), configuration);
    environment.enableCheckpointing(
        arguments.number("checkpointMs"),
        guarantee == DeliveryGuarantee.EXACTLY_ONCE ? CheckpointingMode.EXACTLY_ONCE : CheckpointingMode.AT_LEAST_ONCE);

    environment
        .fromSource(source(arguments), WatermarkStrategy.noWatermarks(), "readings", FlinkTypes.READING)
        .keyBy(reading -> new GpuKey(reading.gpuHigh, reading.gpuLow), FlinkTypes.KEY)
        .process(new FeaturesOfGpu(arguments.get("emit").equals("record")))
        .returns(OUTPUT)
        .sinkTo(sink(arguments, guarantee));

    Progress.start();
    environment.execute("gpu features");
    Progress.finished();
  }

  /** The topic from its beginning to what is its end now. */
  private static KafkaSource<Reading> source(Arguments arguments) {
    return KafkaSource.<Reading>builder()
        .setBootstrapServers(arguments.get("brokers"))
        .setTopics(arguments.get("topic"))
        .setGroupId(arguments.get("name"))
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setBounded(OffsetsInitializer.latest())
        // Few large fetches and polls: with the defaults, 500 records a poll are what takes the time.
        .setProperty("max.poll.records", "5000")
        .setProperty("fetch.min.bytes", "131072")
        .setProperty("max.partition.fetch.bytes", "4194304")
        .setDeserializer(new ReadingOfRecord())
        .build();
  }

  private static KafkaSink<Tuple2<byte[], byte[]>> sink(Arguments arguments, DeliveryGuarantee guarantee) {
    String topic = arguments.get("output");
    KafkaRecordSerializationSchema<Tuple2<byte[], byte[]>> toRecord =
        (element, context, timestamp) -> new ProducerRecord<>(topic, element.f0, element.f1);
    Properties producer = new Properties();
    producer.put("compression.type", "lz4");
    producer.put("batch.size", "262144");
    producer.put("linger.ms", "50");
    producer.put("transaction.timeout.ms", String.valueOf(Duration.ofMinutes(10).toMillis()));
    return KafkaSink.<Tuple2<byte[], byte[]>>builder()
        .setBootstrapServers(arguments.get("brokers"))
        .setKafkaProducerConfig(producer)
        .setDeliveryGuarantee(guarantee)
        .setTransactionalIdPrefix(arguments.get("name"))
        .setRecordSerializer(toRecord)
        .build();
  }

  private static final class ReadingOfRecord implements KafkaRecordDeserializationSchema<Reading> {
    /** One for all: it is written to the exchange by key before the next record is looked at. */
    private transient Reading reading;

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Reading> out) throws IOException {
      if (reading == null) reading = new Reading();
      GpuKey.read(record.key(), reading);
      ReadingParser.parse(record.value(), reading);
      out.collect(reading);
    }

    @Override
    public TypeInformation<Reading> getProducedType() {
      return FlinkTypes.READING;
    }
  }

  private static final class FeaturesOfGpu extends KeyedProcessFunction<GpuKey, Reading, Tuple2<byte[], byte[]>> {
    private final boolean everyRecord;
    private transient ValueState<Window> windows;
    private transient ValueState<byte[]> rings;
    private transient double[] features;
    private transient Progress.Counter counter;

    FeaturesOfGpu(boolean everyRecord) {
      this.everyRecord = everyRecord;
    }

    @Override
    public void open(OpenContext context) {
      windows = getRuntimeContext().getState(new ValueStateDescriptor<>("window", FlinkTypes.WINDOW));
      rings = getRuntimeContext().getState(new ValueStateDescriptor<>(
          "ring", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
      features = new double[Features.COUNT];
      counter = Progress.counter();
    }

    @Override
    public void processElement(Reading reading, Context context, Collector<Tuple2<byte[], byte[]>> out)
        throws IOException {
      // The heap backend hands out the object itself, or a copy of its own while a checkpoint is being written: what is
      // changed in it is kept, and a second look-up to store it again is spared.
      Window window = windows.value();
      if (window == null) windows.update(window = new Window());
      if (window.accepts(reading)) {
        if (window.closesHour(reading)) roll(window, reading);
        boolean newMinute = window.add(reading);
        Features.compute(window, features);
        if (everyRecord || newMinute)
          out.collect(Tuple2.of(context.getCurrentKey().text(), Features.encode(reading.timeMs, features)));
      }
      counter.count(features);
    }

    private void roll(Window window, Reading reading) throws IOException {
      byte[] ring = rings.value();
      if (ring == null) rings.update(ring = PaneRing.empty());
      PaneRing.put(ring, window);
      window.begin(Window.hourOf(reading.timeMs));
      PaneRing.mergeInto(ring, window.hour, window.closed);
    }
  }

  private FlinkPeer() {}
}
