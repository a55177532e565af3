package gpuactuary.peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;

/** Flat wide JSON to a reading, by Jackson's streaming parser: fields that no feature needs are not even converted. */
public final class ReadingParser {
  private static final JsonFactory JSON =
      JsonFactory.builder().enable(StreamReadFeature.USE_FAST_DOUBLE_PARSER).build();

  /** Fills all fields of a reading but its GPU. */
  public static void parse(byte[] json, Reading into) throws IOException {
    try (JsonParser parser = JSON.createParser(json)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) throw new IOException("not a JSON object");
      for (String field; (field = parser.nextFieldName()) != null; ) {
        parser.nextToken();
        switch (field) {
          case "timestamp" -> into.timeMs = parser.getLongValue();
          case "gpu_temp" -> into.gpuTemp = parser.getFloatValue();
          case "memory_temp" -> into.memoryTemp = parser.getFloatValue();
          case "power_usage" -> into.powerWatts = parser.getFloatValue();
          case "sm_active" -> into.smActive = parser.getFloatValue();
          case "sm_occupancy" -> into.smOccupancy = parser.getFloatValue();
          case "memory_utilization" -> into.memoryUtil = parser.getFloatValue();
          case "throttle_reasons" -> into.throttleReasons = parser.getIntValue();
          case "ecc_sbe" -> into.eccSbe = parser.getIntValue();
          case "ecc_dbe" -> into.eccDbe = parser.getIntValue();
          default -> { }
        }
      }
    }
  }

  private ReadingParser() {}
}
