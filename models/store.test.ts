import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';
import { champion, fewTreesModel } from '../test/support/models.js';
import { writeManifest } from './manifest.js';
import { ModelStore, verifySealed } from './store.js';

const NOW_MS = Date.UTC(2026, 0, 1);

describe('a model directory', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gpu-actuary-models-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));
  const at = (name: string): string => join(directory, name);

  it('is usable when all its files are those of its manifest and it computes its golden batch', async () => {
    await champion(at('a'), 'run-1');
    const { manifest } = await verifySealed(at('a'));
    expect(manifest).toMatchObject({ run_id: 'run-1' });
    expect(Object.keys(manifest!.files).sort()).toEqual(['card.json', 'golden.json', 'model.json', 'model.onnx']);
  });

  it.each(['card.json', 'golden.json', 'model.json', 'model.onnx'])(
    'is refused when %s is another file than its manifest names',
    async (name) => {
      await champion(at('a'));
      const bytes = await readFile(join(at('a'), name));
      // The last byte of JSON is a line end: a blank says the same and is not the same.
      bytes[bytes.length - 1] ^= 0x2a;
      await writeFile(join(at('a'), name), bytes);
      await expect(verifySealed(at('a'))).rejects.toMatchObject({
        code: 'model_corrupt',
        message: expect.stringContaining(name) as string,
      });
    },
  );

  it('is refused when a file of its manifest is missing, when it has no manifest, and when the manifest is none', async () => {
    await champion(at('a'));
    await rm(join(at('a'), 'model.json'));
    await expect(verifySealed(at('a'))).rejects.toMatchObject({ code: 'model_missing' });
    await rm(join(at('a'), 'manifest.json'));
    await expect(verifySealed(at('a'))).rejects.toMatchObject({ code: 'model_unsealed' });
    for (const text of ['', '{}', '{"format":1,"model_version":"a","run_id":null,"files":{"../card.json":"00"}}']) {
      await writeFile(join(at('a'), 'manifest.json'), text);
      await expect(verifySealed(at('a'))).rejects.toMatchObject({ code: 'model_corrupt' });
    }
  });

  it('is what the repository holds: the champion is sealed, and its files are those of the manifest', async () => {
    const { card, manifest } = await verifySealed(join(packageRoot(), 'models', 'champion'));
    expect(Object.keys(manifest!.files)).toContain('model.json');
    expect(manifest!.model_version).toBe(card.model_version);
  });

  it('is refused when it computes something else than training did', async () => {
    await champion(at('a'));
    const golden = JSON.parse(await readFile(join(at('a'), 'golden.json'), 'utf8')) as { failure_prob: number[][] };
    golden.failure_prob[7][1] += 2e-5;
    await writeFile(join(at('a'), 'golden.json'), JSON.stringify(golden));
    await writeManifest(at('a'), (await cardOf(at('a'))).model_version, null);
    await expect(verifySealed(at('a'))).rejects.toMatchObject({
      code: 'model_golden',
      message: expect.stringContaining('row 7') as string,
    });
  });

  const cardOf = async (path: string): Promise<{ model_version: string }> =>
    JSON.parse(await readFile(join(path, 'card.json'), 'utf8')) as { model_version: string };

  it('is put in force whole, and the ones before come back in turn', async () => {
    const store = new ModelStore(at('champion'));
    await fewTreesModel(at('one'), 'model-1');
    await fewTreesModel(at('two'), 'model-2');
    await fewTreesModel(at('three'), 'model-3');
    const inForce = async (): Promise<string> => (await verifySealed(at('champion'))).card.model_version;
    for (const name of ['one', 'two', 'three']) await store.promote(at(name), NOW_MS);
    expect(await inForce()).toBe('model-3');
    await store.rollback(NOW_MS);
    expect(await inForce()).toBe('model-2');
    await store.rollback(NOW_MS);
    expect(await inForce()).toBe('model-1');
    await expect(store.rollback(NOW_MS)).rejects.toMatchObject({ code: 'model_missing' });
    await store.promote('model-3', NOW_MS);
    expect(await inForce()).toBe('model-3');
    const names = (await store.list()).map(({ directory: path, files }) => [basename(path), files?.card.model_version]);
    expect(names.map(([, version]) => version)).toEqual(['model-3', 'model-1', 'model-2', 'model-3']);
    expect(names[0][0]).toBe('champion');
  });

  it('stays in force when the one to be promoted is refused', async () => {
    const store = new ModelStore(at('champion'));
    await fewTreesModel(at('one'), 'model-1');
    await store.promote(at('one'), NOW_MS);
    await fewTreesModel(at('two'), 'model-2');
    await writeFile(join(at('two'), 'model.onnx'), 'junk');
    await expect(store.promote(at('two'), NOW_MS)).rejects.toMatchObject({ code: 'model_corrupt' });
    const unknown = store.promote('model-9', NOW_MS);
    await expect(unknown).rejects.toMatchObject({
      code: 'model_missing',
      message: expect.stringContaining('no version or name in') as string,
    });
    expect((await verifySealed(at('champion'))).card.model_version).toBe('model-1');
    expect(await store.list()).toHaveLength(2);
  });

  it('that is damaged where it serves is replaced, and is not what a rollback brings back', async () => {
    const store = new ModelStore(at('champion'));
    await fewTreesModel(at('one'), 'model-1');
    await cp(at('one'), at('champion'), { recursive: true });
    await writeFile(join(at('champion'), 'model.onnx'), 'junk');
    await store.promote(at('one'), NOW_MS);
    expect((await verifySealed(at('champion'))).card.model_version).toBe('model-1');
    await expect(store.rollback(NOW_MS)).rejects.toMatchObject({ code: 'model_missing' });
  });
});
