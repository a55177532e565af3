package gpuactuary.peers;

import java.io.IOException;
import java.util.function.Supplier;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Types that Flink moves and keeps, with serialisers of their own: what it derives by reflection costs several times. */
final class FlinkTypes {
  static final TypeInformation<Reading> READING = new Plain<>(Reading.class, ReadingSerializer::new);
  static final TypeInformation<GpuKey> KEY = new Plain<>(GpuKey.class, KeySerializer::new);
  static final TypeInformation<Window> WINDOW = new Plain<>(Window.class, WindowSerializer::new);

  /** All that the three serialisers have in common; T is written whole and has no versions. */
  abstract static class Whole<T> extends TypeSerializerSingleton<T> {
    @Override
    public boolean isImmutableType() {
      return false;
    }

    @Override
    public T createInstance() {
      return null;
    }

    @Override
    public T copy(T from, T reuse) {
      return copy(from);
    }

    @Override
    public T deserialize(T reuse, DataInputView source) throws IOException {
      return deserialize(source);
    }

    @Override
    public void copy(DataInputView source, DataOutputView target) throws IOException {
      serialize(deserialize(source), target);
    }

    @Override
    public int getLength() {
      return -1;
    }
  }

  public static final class ReadingSerializer extends Whole<Reading> {
    @Override
    public Reading copy(Reading from) {
      Reading to = new Reading();
      to.gpuHigh = from.gpuHigh;
      to.gpuLow = from.gpuLow;
      to.timeMs = from.timeMs;
      to.gpuTemp = from.gpuTemp;
      to.memoryTemp = from.memoryTemp;
      to.powerWatts = from.powerWatts;
      to.smActive = from.smActive;
      to.smOccupancy = from.smOccupancy;
      to.memoryUtil = from.memoryUtil;
      to.throttleReasons = from.throttleReasons;
      to.eccSbe = from.eccSbe;
      to.eccDbe = from.eccDbe;
      return to;
    }

    @Override
    public void serialize(Reading from, DataOutputView to) throws IOException {
      to.writeLong(from.gpuHigh);
      to.writeLong(from.gpuLow);
      to.writeLong(from.timeMs);
      to.writeFloat(from.gpuTemp);
      to.writeFloat(from.memoryTemp);
      to.writeFloat(from.powerWatts);
      to.writeFloat(from.smActive);
      to.writeFloat(from.smOccupancy);
      to.writeFloat(from.memoryUtil);
      to.writeInt(from.throttleReasons);
      to.writeInt(from.eccSbe);
      to.writeInt(from.eccDbe);
    }

    @Override
    public Reading deserialize(DataInputView from) throws IOException {
      Reading to = new Reading();
      to.gpuHigh = from.readLong();
      to.gpuLow = from.readLong();
      to.timeMs = from.readLong();
      to.gpuTemp = from.readFloat();
      to.memoryTemp = from.readFloat();
      to.powerWatts = from.readFloat();
      to.smActive = from.readFloat();
      to.smOccupancy = from.readFloat();
      to.memoryUtil = from.readFloat();
      to.throttleReasons = from.readInt();
      to.eccSbe = from.readInt();
      to.eccDbe = from.readInt();
      return to;
    }

    @Override
    public TypeSerializerSnapshot<Reading> snapshotConfiguration() {
      return new ReadingSnapshot();
    }
  }

  public static final class KeySerializer extends Whole<GpuKey> {
    @Override
    public boolean isImmutableType() {
      return true;
    }

    @Override
    public GpuKey copy(GpuKey from) {
      return from;
    }

    @Override
    public void serialize(GpuKey from, DataOutputView to) throws IOException {
      to.writeLong(from.high);
      to.writeLong(from.low);
    }

    @Override
    public GpuKey deserialize(DataInputView from) throws IOException {
      return new GpuKey(from.readLong(), from.readLong());
    }

    @Override
    public TypeSerializerSnapshot<GpuKey> snapshotConfiguration() {
      return new KeySnapshot();
    }
  }

  public static final class WindowSerializer extends Whole<Window> {
    @Override
    public Window copy(Window from) {
      return WindowBytes.copy(from);
    }

    @Override
    public void serialize(Window from, DataOutputView to) throws IOException {
      to.write(WindowBytes.encode(from));
    }

    @Override
    public Window deserialize(DataInputView from) throws IOException {
      byte[] bytes = new byte[WindowBytes.SIZE];
      from.readFully(bytes);
      return WindowBytes.decode(bytes);
    }

    @Override
    public TypeSerializerSnapshot<Window> snapshotConfiguration() {
      return new WindowSnapshot();
    }
  }

  public static final class ReadingSnapshot extends SimpleTypeSerializerSnapshot<Reading> {
    public ReadingSnapshot() {
      super(ReadingSerializer::new);
    }
  }

  public static final class KeySnapshot extends SimpleTypeSerializerSnapshot<GpuKey> {
    public KeySnapshot() {
      super(KeySerializer::new);
    }
  }

  public static final class WindowSnapshot extends SimpleTypeSerializerSnapshot<Window> {
    public WindowSnapshot() {
      super(WindowSerializer::new);
    }
  }

  /** A type that is one thing to Flink, with no fields to look into. */
  private static final class Plain<T> extends TypeInformation<T> {
    private interface Make<T> extends Supplier<TypeSerializer<T>>, java.io.Serializable {}

    private final Class<T> type;
    private final Make<T> serializer;

    Plain(Class<T> type, Make<T> serializer) {
      this.type = type;
      this.serializer = serializer;
    }

    @Override
    public boolean isBasicType() {
      return false;
    }

    @Override
    public boolean isTupleType() {
      return false;
    }

    @Override
    public int getArity() {
      return 1;
    }

    @Override
    public int getTotalFields() {
      return 1;
    }

    @Override
    public Class<T> getTypeClass() {
      return type;
    }

    @Override
    public boolean isKeyType() {
      return true;
    }

    @Override
    public TypeSerializer<T> createSerializer(SerializerConfig config) {
      return serializer.get();
    }

    @Override
    public String toString() {
      return type.getSimpleName();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Plain<?> plain && plain.type == type;
    }

    @Override
    public int hashCode() {
      return type.hashCode();
    }

    @Override
    public boolean canEqual(Object other) {
      return other instanceof Plain;
    }
  }

  private FlinkTypes() {}
}
