import net from 'node:net';
import type { RecycledMemory } from '../../schema/recycled-memory.js';

/** Of one read from the kernel: at full speed a broker's answer is there in a few of them. */
const READ_BYTES = 256 * 1024;
/** As kafkajs's own sockets have it. */
const KEEP_ALIVE_DELAY_MS = 60_000;
/** An answer begins with its length, a big-endian int32 that does not count itself. */
const LENGTH_BYTES = 4;
/** Larger than any answer that is asked for: a length above it is not Kafka's protocol. */
const MAX_RESPONSE_BYTES = 256 * 1024 * 1024;

/**
 * Puts a broker's answers together from what single reads brought, each in one piece of memory. Bytes that were read
 * are only valid during the call, so one buffer serves all reads.
 */
export class ResponseAssembler {
  private readonly length = Buffer.alloc(LENGTH_BYTES);
  private lengthBytes = 0;
  private response: Buffer | null = null;
  private filled = 0;

  /** @param deliver is given each whole answer, its length in front */
  constructor(
    private readonly memory: RecycledMemory,
    private readonly deliver: (response: Buffer) => void,
  ) {}

  /** @throws Error where the length of an answer cannot be one */
  add(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.response === null) {
        while (this.lengthBytes < LENGTH_BYTES && at < bytes.length) this.length[this.lengthBytes++] = bytes[at++];
        if (this.lengthBytes < LENGTH_BYTES) return;
        this.begin(this.length.readInt32BE(0));
      }
      const response = this.response!;
      const end = Math.min(bytes.length, at + response.length - this.filled);
      response.set(bytes.subarray(at, end), this.filled);
      this.filled += end - at;
      at = end;
      if (this.filled < response.length) return;
      this.response = null;
      this.lengthBytes = 0;
      this.deliver(response);
    }
  }

  private begin(size: number): void {
    if (size <= 0 || size > MAX_RESPONSE_BYTES) throw new Error(`not an answer of a Kafka broker: ${size} bytes long`);
    this.response = this.memory.take(LENGTH_BYTES + size);
    this.length.copy(this.response);
    this.filled = LENGTH_BYTES;
  }
}

/** What kafkajs asks a socket for. */
interface SocketRequest {
  readonly host: string;
  readonly port: number;
  readonly onConnect: () => void;
}

/**
 * Sockets for kafkajs that hand over whole answers. A plain socket allocates 64 KiB for each read and kafkajs copies
 * all of them into one buffer in the end: twice the memory outside V8's heap, whose pace makes V8 collect garbage, and
 * a pass through Node's streams for each read. Only without TLS.
 *
 * @param memory where answers are put
 */
export const responseSockets =
  (memory: RecycledMemory) =>
  ({ host, port, onConnect }: SocketRequest): net.Socket => {
    const assembler = new ResponseAssembler(memory, (response) => socket.emit('data', response));
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const socket = net.connect(
      {
        host,
        port,
        onread: {
          buffer,
          callback: (size) => {
            try {
              assembler.add(buffer.subarray(0, size));
            } catch (error) {
              socket.destroy(error as Error);
            }
            return true;
          },
        },
      },
      onConnect,
    );
    socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
    return socket;
  };
