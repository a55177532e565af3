import { describe, expect, it } from 'vitest';
import { shares, type CpuProfile } from './profile.js';

const node = (id: number, functionName: string, url = '') => ({ id, callFrame: { functionName, url } });

describe('shares of a CPU profile', () => {
  it('adds up time by part, idle time left out', () => {
    const profile: CpuProfile = {
      nodes: [
        node(1, '(idle)'),
        node(2, '(garbage collector)'),
        node(3, 'acceptRows', 'file:///app/dist/operators/window/window-store.js'),
        node(4, 'decode', 'file:///app/dist/operators/decode/wide-json-flat.js'),
        node(5, 'decode', 'file:///app/node_modules/kafkajs/src/protocol/decoder.js'),
      ],
      samples: [1, 3, 3, 4, 5, 2],
      timeDeltas: [500, 20, 20, 30, 20, 10],
    };
    expect(shares([profile])).toEqual({ windows: 0.4, decode: 0.3, kafkajs: 0.2, 'garbage collection': 0.1 });
  });
});
