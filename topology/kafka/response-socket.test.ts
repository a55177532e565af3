import { createServer, type AddressInfo, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { propertyRuns } from '../../test/support/property-runs.js';
import { RecycledMemory } from '../../schema/recycled-memory.js';
import { ResponseAssembler, responseSockets } from './response-socket.js';

const memory = new RecycledMemory(0);
const responseSocket = responseSockets(memory);

function answer(body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

describe('ResponseAssembler', () => {
  it('delivers each answer once and whole, however the reads cut the stream', () => {
    const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 });
    const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(bodies, cuts, (parts, sizes) => {
        const answers = parts.map(answer);
        const stream = Buffer.concat(answers);
        const delivered: Buffer[] = [];
        const assembler = new ResponseAssembler(memory, (response) => delivered.push(response));
        // One buffer for all reads, as the socket has it.
        const reads = Buffer.alloc(50);
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = Math.min(sizes[turn % sizes.length], stream.length - at);
          stream.copy(reads, 0, at, at + size);
          assembler.add(reads.subarray(0, size));
          reads.fill(0xff);
          at += size;
        }
        expect(delivered).toEqual(answers);
      }),
      { numRuns: propertyRuns(200) },
    );
  });

  it.each([0, -1, 0x48545450])('refuses a length of %i', (size) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(size);
    const assembler = new ResponseAssembler(memory, () => expect.unreachable());
    expect(() => assembler.add(length)).toThrow('not an answer of a Kafka broker');
  });
});

describe('responseSocket', () => {
  async function against(serve: (socket: Socket) => void, test: (port: number) => Promise<void>): Promise<void> {
    const server = createServer(serve);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await test((server.address() as AddressInfo).port);
    } finally {
      server.close();
    }
  }

  it('hands over an answer larger than a read, then the end', async () => {
    const sent = answer(Buffer.alloc(1_000_000, 7));
    await against(
      (socket) => socket.end(sent),
      async (port) => {
        const received: Buffer[] = [];
        await new Promise<void>((resolve, reject) => {
          const socket = responseSocket({ host: '127.0.0.1', port, onConnect: () => undefined });
          socket
            .on('data', (data: Buffer) => received.push(data))
            .on('end', resolve)
            .on('error', reject);
        });
        expect(received).toHaveLength(1);
        expect(received[0].equals(sent)).toBe(true);
      },
    );
  });

  it('ends with an error where the other side speaks something else', async () => {
    await against(
      (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n'),
      async (port) => {
        const error = await new Promise<Error>((resolve) => {
          const socket = responseSocket({ host: '127.0.0.1', port, onConnect: () => undefined });
          socket.on('data', () => undefined).on('error', resolve);
        });
        expect(error.message).toContain('not an answer of a Kafka broker');
      },
    );
  });
});
