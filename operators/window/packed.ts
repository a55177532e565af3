/**
 * Numbers as a string of bytes (Latin-1: a byte a character). Of a GPU that fell silent little is kept, but for long
 * and of many: a string is the smallest thing there is, has no number to manage, and is never looked into by the
 * garbage collector. Every number comes back as it was, whole ones in as few bytes as they need.
 */

const NONE = 0;
const NEVER = 1;
const FLOAT = 2;
/** Whole numbers from 0 on are written as themselves and this much, 7 bits a byte, the lowest first. */
const WHOLE = 3;
const LARGEST_WHOLE = Number.MAX_SAFE_INTEGER - WHOLE;

const float = new Float64Array(1);
const bytesOfFloat = new Uint8Array(float.buffer);

export class PackedWriter {
  private text = '';

  /** NaN and −Infinity take a byte, whole numbers one for each 7 bits, others nine. */
  number(value: number): void {
    if (value !== value) this.text += String.fromCharCode(NONE);
    else if (value === -Infinity) this.text += String.fromCharCode(NEVER);
    else if (Number.isInteger(value) && value <= LARGEST_WHOLE && (value > 0 || Object.is(value, 0)))
      this.whole(value + WHOLE);
    else {
      float[0] = value;
      this.text += String.fromCharCode(FLOAT, ...bytesOfFloat);
    }
  }

  /** What another one wrote. */
  packed(text: string): void {
    this.text += text;
  }

  /** What was written; begins anew. */
  take(): string {
    const { text } = this;
    this.text = '';
    return text;
  }

  private whole(value: number): void {
    while (value >= 128) {
      this.text += String.fromCharCode(128 + (value % 128));
      value = Math.floor(value / 128);
    }
    this.text += String.fromCharCode(value);
  }
}

export class PackedReader {
  private at = 0;

  constructor(private readonly text: string) {}

  /** What has not been read. */
  rest(): string {
    return this.text.slice(this.at);
  }

  number(): number {
    const first = this.text.charCodeAt(this.at++);
    if (first === NONE) return NaN;
    if (first === NEVER) return -Infinity;
    if (first === FLOAT) {
      for (let index = 0; index < bytesOfFloat.length; index++) bytesOfFloat[index] = this.text.charCodeAt(this.at++);
      return float[0];
    }
    let value = first % 128;
    let scale = 128;
    for (let byte = first; byte >= 128; scale *= 128) {
      byte = this.text.charCodeAt(this.at++);
      value += scale * (byte % 128);
    }
    return value - WHOLE;
  }
}
