import { afterAll, describe, expect, it } from 'vitest';
import { withNative } from './native.js';

const failing = (message: string, code?: string) => (): Promise<never> =>
  Promise.reject(Object.assign(new Error(message), { code }));

describe('a library that is compiled for the machine', () => {
  const before = process.listeners('unhandledRejection');
  // The process is other tests' too.
  afterAll(() => {
    for (const listener of process.listeners('unhandledRejection'))
      if (!before.includes(listener)) process.off('unhandledRejection', listener);
  });

  it.each([
    [
      'was never compiled',
      'node-rdkafka',
      'Could not locate the bindings file. Tried:\n → /app/node_modules/node-rdkafka/build/node-librdkafka.node',
      undefined,
    ],
    [
      'is for another Node',
      'node-rdkafka',
      "The module '/app/node_modules/node-rdkafka/build/Release/node-librdkafka.node'\nwas compiled against a different Node.js version",
      'ERR_DLOPEN_FAILED',
    ],
    [
      'is not in its package',
      'onnxruntime-node',
      "Cannot find module '../bin/napi-v6/linux/x64/onnxruntime_binding.node'\nRequire stack:\n- /app/node_modules/onnxruntime-node/dist/binding.js",
      'MODULE_NOT_FOUND',
    ],
  ])('that %s is named, with what to do', async (_, name, message, code) => {
    await expect(withNative(failing(message, code))).rejects.toMatchObject({
      code: 'native_missing',
      message: expect.stringContaining(`npm rebuild ${name}`) as string,
    });
  });

  it('leaves other errors alone', async () => {
    for (const load of [failing('a bug'), failing("Cannot find module './nothing.js'", 'MODULE_NOT_FOUND')])
      await expect(withNative(load)).rejects.not.toHaveProperty('name', 'ActuaryError');
    expect(await withNative(() => Promise.resolve(7))).toBe(7);
  });
});
