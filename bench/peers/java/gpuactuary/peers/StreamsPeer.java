package gpuactuary.peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Seven-day features of every GPU in Kafka Streams: a processor with two stores in memory, both with a changelog. Stores
 * keep bytes, so a window is read and written for each record; a closed hour is an entry of its own, so that a roll-over
 * puts 80 bytes into the changelog and not a week.
 */
public final class StreamsPeer {
  private static final String WINDOWS = "windows";
  private static final String PANES = "panes";
  /** Holds the windows of 10,000 GPUs, so the changelog gets each of them once a commit and not once a record. */
  private static final long CACHE_BYTES = 100_000_000;
  private static final Duration CLOSING = Duration.ofSeconds(60);

  public static void main(String[] args) throws Exception {
    Arguments arguments = new Arguments(args);
    KafkaStreams streams = new KafkaStreams(topology(arguments), properties(arguments));
    streams.setUncaughtExceptionHandler(failure -> {
      failure.printStackTrace();
      Runtime.getRuntime().halt(1);
      return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
    });
    streams.setGlobalStateRestoreListener(new Restored());
    Progress.start();
    streams.start();
    long records = arguments.number("records");
    while (Progress.records() < records) Thread.sleep(50);
    // Closing commits; an application that runs on would at the end of the interval.
    if (!streams.close(CLOSING)) {
      System.err.println("does not close within " + CLOSING);
      // Its threads are what does not end: an exception here would leave the process to them.
      Runtime.getRuntime().halt(1);
    }
    Progress.finished();
  }

  private static Topology topology(Arguments arguments) {
    boolean everyRecord = arguments.get("emit").equals("record");
    Serde<Window> window = Serdes.serdeFrom((topic, value) -> WindowBytes.encode(value), decoder());
    return new Topology()
        .addSource("readings", new ByteArrayDeserializer(), new ReadingOfValue(), arguments.get("topic"))
        .addProcessor("features", () -> new FeaturesOfGpu(everyRecord), "readings")
        .addStateStore(
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(WINDOWS), Serdes.ByteArray(), window)
                .withCachingEnabled()
                .withLoggingEnabled(Map.of()),
            "features")
        .addStateStore(
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(PANES), Serdes.ByteArray(), Serdes.ByteArray())
                .withLoggingEnabled(Map.of()),
            "features")
        .addSink("output", arguments.get("output"), new ByteArraySerializer(), new ByteArraySerializer(), "features");
  }

  private static Deserializer<Window> decoder() {
    return (topic, bytes) -> bytes == null ? null : WindowBytes.decode(bytes);
  }

  private static Properties properties(Arguments arguments) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments.get("name"));
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.get("brokers"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, arguments.get("directory"));
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, arguments.number("parallelism"));
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    boolean exactlyOnce = arguments.get("guarantee").equals("EXACTLY_ONCE");
    properties.put(
        StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
        exactlyOnce ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, arguments.number("checkpointMs"));
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
    properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5_000);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 131_072);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4_194_304);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 262_144);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
    // A transaction is as long as the commit interval: it must not time out in the middle.
    if (exactlyOnce)
      properties.put(
          StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG),
          Math.max(10_000, 12 * arguments.number("checkpointMs")));
    String sessionTimeoutMs = arguments.maybe("sessionTimeoutMs");
    if (sessionTimeoutMs != null)
      properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), sessionTimeoutMs);
    return properties;
  }

  private static final class Restored implements StateRestoreListener {
    @Override
    public void onRestoreStart(TopicPartition partition, String store, long from, long to) {
      Progress.restoring();
    }

    @Override
    public void onBatchRestored(TopicPartition partition, String store, long end, long records) {
      Progress.restored(records);
    }

    @Override
    public void onRestoreEnd(TopicPartition partition, String store, long total) {
      Progress.restored(0);
    }
  }

  private static final class ReadingOfValue implements Deserializer<Reading> {
    @Override
    public Reading deserialize(String topic, byte[] value) {
      Reading reading = new Reading();
      try {
        ReadingParser.parse(value, reading);
      } catch (IOException failure) {
        throw new UncheckedIOException(failure);
      }
      return reading;
    }
  }

  private static final class FeaturesOfGpu implements Processor<byte[], Reading, byte[], byte[]> {
    /** Removing panes one by one adds up rounding; so often, all are merged anew. */
    private static final int REBUILD_HOURS = 24;

    private final boolean everyRecord;
    private final double[] features = new double[Features.COUNT];
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], Window> windows;
    private KeyValueStore<byte[], byte[]> panes;
    private Progress.Counter counter;

    FeaturesOfGpu(boolean everyRecord) {
      this.everyRecord = everyRecord;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      windows = context.getStateStore(WINDOWS);
      panes = context.getStateStore(PANES);
      counter = Progress.counter();
    }

    @Override
    public void process(Record<byte[], Reading> record) {
      byte[] gpu = record.key();
      Reading reading = record.value();
      Window window = windows.get(gpu);
      if (window == null) window = new Window();
      if (window.accepts(reading)) {
        if (window.closesHour(reading)) roll(gpu, window, Window.hourOf(reading.timeMs));
        boolean newMinute = window.add(reading);
        Features.compute(window, features);
        windows.put(gpu, window);
        if (everyRecord || newMinute) context.forward(record.withValue(Features.encode(reading.timeMs, features)));
      }
      counter.count(features);
    }

    private void roll(byte[] gpu, Window window, int newHour) {
      int oldHour = window.hour;
      ByteBuffer closing = ByteBuffer.allocate(Pane.BYTES);
      Pane.write(window, closing);
      panes.put(paneKey(gpu, oldHour), closing.array());
      Closed closed = window.closed;
      closing.position(Integer.BYTES);
      closed.merge(closing, 0);
      boolean rebuild = newHour % REBUILD_HOURS == 0 || newHour - oldHour >= Window.HOURS;
      for (int hour = oldHour - Window.HOURS + 1; !rebuild && hour <= newHour - Window.HOURS; hour++) {
        ByteBuffer leaving = pane(gpu, hour);
        if (leaving != null) rebuild = closed.remove(leaving, hour - oldHour);
      }
      if (rebuild) rebuild(gpu, closed, newHour);
      else closed.shift(newHour - oldHour);
      window.begin(newHour);
    }

    private void rebuild(byte[] gpu, Closed closed, int openHour) {
      closed.clear();
      for (int hour = openHour - Window.HOURS + 1; hour < openHour; hour++) {
        ByteBuffer pane = pane(gpu, hour);
        if (pane != null) closed.merge(pane, hour - openHour);
      }
    }

    /** @return a closed hour, behind its first field; null where the GPU said nothing in it */
    private ByteBuffer pane(byte[] gpu, int hour) {
      byte[] bytes = panes.get(paneKey(gpu, hour));
      if (bytes == null) return null;
      ByteBuffer pane = ByteBuffer.wrap(bytes);
      return pane.getInt() == hour ? pane : null;
    }

    private static byte[] paneKey(byte[] gpu, int hour) {
      byte[] key = Arrays.copyOf(gpu, gpu.length + 1);
      key[gpu.length] = (byte) Math.floorMod(hour, Window.HOURS);
      return key;
    }
  }

  private StreamsPeer() {}
}
