package gpuactuary.peers;

import java.util.HashMap;
import java.util.Map;

/** Arguments of a peer: name=value. */
final class Arguments {
  private final Map<String, String> values = new HashMap<>();

  Arguments(String[] pairs) {
    for (String pair : pairs) {
      int equals = pair.indexOf('=');
      if (equals < 0) throw new IllegalArgumentException("not name=value: " + pair);
      values.put(pair.substring(0, equals), pair.substring(equals + 1));
    }
  }

  /** @throws IllegalArgumentException where it is not given */
  String get(String name) {
    String value = values.get(name);
    if (value == null) throw new IllegalArgumentException(name + " is not given");
    return value;
  }

  /** @return null where it is not given */
  String maybe(String name) {
    return values.get(name);
  }

  int number(String name) {
    return Integer.parseInt(get(name));
  }
}
