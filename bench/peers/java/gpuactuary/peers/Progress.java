package gpuactuary.peers;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Tells whoever started this process how far it is: a line of JSON on standard output ten times a second. CPU and memory
 * are looked at from outside.
 */
public final class Progress {
  private static final long EVERY_MS = 100;
  private static final List<Counter> COUNTERS = new CopyOnWriteArrayList<>();
  private static final AtomicLong RESTORED = new AtomicLong();
  private static final AtomicLong RESTORING_SINCE_NS = new AtomicLong();
  private static volatile long restoringMs;
  private static volatile boolean finished;

  /** Records of one thread. Padded, so that two threads do not pull one cache line to and fro. */
  public static final class Counter extends AtomicLong {
    private long pad0, pad1, pad2, pad3, pad4, pad5, pad6;
    private long own;
    /** Depends on every feature vector, so that none can be left out by the compiler. */
    private double sum;

    public void count(double[] features) {
      sum += features[1] + features[8];
      lazySet(++own);
    }
  }

  public static Counter counter() {
    Counter counter = new Counter();
    COUNTERS.add(counter);
    return counter;
  }

  /** Records of all threads. */
  public static long records() {
    long records = 0;
    for (Counter counter : COUNTERS) records += counter.get();
    return records;
  }

  /** State is being brought back. */
  public static void restoring() {
    RESTORING_SINCE_NS.compareAndSet(0, System.nanoTime());
  }

  /** So many entries of it are back. */
  public static void restored(long entries) {
    RESTORED.addAndGet(entries);
    restoringMs = (System.nanoTime() - RESTORING_SINCE_NS.get()) / 1_000_000;
  }

  public static void start() {
    Thread thread = new Thread(() -> {
      try {
        for (;;) {
          print();
          Thread.sleep(EVERY_MS);
        }
      } catch (InterruptedException stopped) {
        Thread.currentThread().interrupt();
      }
    }, "progress");
    thread.setDaemon(true);
    thread.start();
  }

  /** All is read, written and committed; the process stays until it is told to go, so that it can be looked at. */
  public static void finished() throws InterruptedException {
    // Said from here on, again and again: a line that is told once may be passed over for the one after it.
    finished = true;
    print();
    Thread.currentThread().join();
  }

  private static synchronized void print() {
    double sum = 0;
    for (Counter counter : COUNTERS) sum += counter.sum;
    System.out.println(
        "{\"records\":" + records()
            + ",\"restored\":" + RESTORED.get()
            + ",\"restoringMs\":" + restoringMs
            + ",\"finished\":" + finished
            + ",\"sum\":" + (long) sum
            + "}");
    System.out.flush();
  }

  private Progress() {}
}
