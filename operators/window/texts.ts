/**
 * Texts that many GPUs share (model, host), by a number that fits in a typed array. Counted by use, because hosts come
 * and go as GPUs do: a text that nobody uses makes room for another.
 */
export class Texts {
  private readonly texts: (string | undefined)[] = [];
  private readonly ids = new Map<string, number>();
  private readonly uses: number[] = [];
  private readonly free: number[] = [];
  /** By number: what was used after it last, for hosts come in nearly the same order with every batch. */
  private readonly next: number[] = [0];
  private last = 0;

  get size(): number {
    return this.ids.size;
  }

  /** Number of a text, which counts as used once more; NaN for none. */
  use(text: string | undefined): number {
    if (text === undefined) return NaN;
    const likely = this.next[this.last];
    if (this.texts[likely] === text) {
      this.uses[likely]++;
      return (this.last = likely);
    }
    let id = this.ids.get(text);
    if (id === undefined) {
      id = this.free.pop() ?? this.texts.length;
      this.texts[id] = text;
      this.uses[id] = 0;
      this.next[id] = 0;
      this.ids.set(text, id);
    }
    this.uses[id]++;
    this.next[this.last] = id;
    return (this.last = id);
  }

  /** A number, NaN included, is used once more. */
  useAgain(id: number): void {
    if (id === id) this.uses[id]++;
  }

  /** A number, NaN included, is used once less. */
  release(id: number): void {
    if (id !== id || --this.uses[id] > 0) return;
    this.ids.delete(this.texts[id]!);
    this.texts[id] = undefined;
    this.free.push(id);
  }

  /** Text of a number in use; undefined for NaN. */
  of(id: number): string | undefined {
    return id === id ? this.texts[id] : undefined;
  }
}
