/** Bytes that {@link KnownTexts.copy} may write beyond a text's own. */
export const COPY_SLACK = 3;

const INITIAL_TEXTS = 512;
const INITIAL_BYTES = 32 * 1024;

/**
 * Texts that are written again and again, mostly in the same order, as the GPUs of a fleet: their bytes are copied,
 * which is cheaper than to make them of characters each time.
 */
export class KnownTexts {
  private ids = new Map<string, number>();
  private texts: string[] = [];
  /** By id: what came after it last. */
  private next = new Int32Array(INITIAL_TEXTS);
  /** By id: where its bytes begin, a multiple of four; and how many there are. */
  private starts = new Uint32Array(INITIAL_TEXTS);
  private lengths = new Uint32Array(INITIAL_TEXTS);
  private bytes = new Uint8Array(INITIAL_BYTES);
  private view = new DataView(this.bytes.buffer);
  private end = 0;
  private last = 0;

  /**
   * @param most texts that are remembered; beyond it all are forgotten and learned anew
   * @param encode the bytes that a text is written as
   */
  constructor(
    private readonly most: number,
    private readonly encode: (text: string) => Uint8Array,
  ) {}

  /** Number of a text, good until the next one is asked for. */
  idOf(text: string): number {
    const likely = this.next[this.last];
    if (this.texts.length > 0 && this.texts[likely] === text) return (this.last = likely);
    let id = this.ids.get(text);
    if (id === undefined) id = this.add(text);
    else this.next[this.last] = id;
    return (this.last = id);
  }

  /** Bytes of a text by its number. */
  lengthOf(id: number): number {
    return this.lengths[id];
  }

  /** Writes the bytes of a text; up to {@link COPY_SLACK} more are overwritten. */
  copy(id: number, into: DataView, at: number): void {
    const { view } = this;
    const start = this.starts[id];
    for (let byte = 0; byte < this.lengths[id]; byte += 4)
      into.setInt32(at + byte, view.getInt32(start + byte, true), true);
  }

  private add(text: string): number {
    if (this.texts.length >= this.most) this.forget();
    const bytes = this.encode(text);
    const id = this.texts.push(text) - 1;
    this.ids.set(text, id);
    if (id === this.starts.length) this.makeRoom();
    if (this.end + bytes.length + COPY_SLACK > this.bytes.length) {
      const larger = new Uint8Array(2 * (this.end + bytes.length + COPY_SLACK));
      larger.set(this.bytes);
      this.bytes = larger;
      this.view = new DataView(larger.buffer);
    }
    this.bytes.set(bytes, this.end);
    this.starts[id] = this.end;
    this.lengths[id] = bytes.length;
    this.end = Math.ceil((this.end + bytes.length) / 4) * 4;
    this.next[this.last] = id;
    return id;
  }

  private makeRoom(): void {
    const larger = <T extends Int32Array | Uint32Array>(array: T, copy: T): T => {
      copy.set(array);
      return copy;
    };
    const texts = 2 * this.starts.length;
    this.next = larger(this.next, new Int32Array(texts));
    this.starts = larger(this.starts, new Uint32Array(texts));
    this.lengths = larger(this.lengths, new Uint32Array(texts));
  }

  private forget(): void {
    this.ids = new Map();
    this.texts = [];
    this.next.fill(0);
    this.last = 0;
    this.end = 0;
  }
}
