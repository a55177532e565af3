import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../schema/package-root.js';
import { PartialFile } from './partial-file.js';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'partial-file-'));
  path = join(directory, 'out');
});
afterEach(() => rmSync(directory, { recursive: true }));

async function write(file: PartialFile, text: string): Promise<void> {
  file.stream.end(text);
  await once(file.stream, 'finish');
}

describe('a file that comes to its place when it is whole', () => {
  it('leaves what was there until then, and its rights for ever', async () => {
    writeFileSync(path, 'before');
    chmodSync(path, 0o600);
    const file = await PartialFile.open(path);
    await write(file, 'after');
    expect(readFileSync(path, 'utf8')).toBe('before');
    await file.keep();
    file.discard();
    expect(readFileSync(path, 'utf8')).toBe('after');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['out']);
  });

  it('leaves nothing where it is not kept', async () => {
    const file = await PartialFile.open(path);
    file.stream.write('half');
    file.discard();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('comes to where a link points', async () => {
    const linked = join(directory, 'link');
    writeFileSync(path, '');
    symlinkSync(path, linked);
    const file = await PartialFile.open(linked);
    await write(file, 'text');
    await file.keep();
    expect(readFileSync(path, 'utf8')).toBe('text');
  });

  it('writes to a device directly', async () => {
    const file = await PartialFile.open('/dev/null');
    await write(file, 'text');
    await file.keep();
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  it.each(['replay', 'simulate'])('is not there after a %s that was interrupted, which says so', async (command) => {
    writeFileSync(join(directory, 'telemetry.jsonl'), 'before');
    const args = {
      replay: ['--input', '-', '--output', join(directory, 'telemetry.jsonl')],
      simulate: ['--gpus', '64', '--days', '365', '--output', directory],
    }[command]!;
    const main = join(packageRoot(), 'topology', 'commands', 'main.ts');
    const program = `import { main } from ${JSON.stringify(main)}; await main(${JSON.stringify([command, ...args])}, {});`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      cwd: packageRoot(),
    });
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
    const isUnderWay = (): boolean => readdirSync(directory).some((name) => name.endsWith('.partial'));
    await expect.poll(isUnderWay, { timeout: 50_000 }).toBe(true);
    child.kill('SIGINT');
    const [status] = (await once(child, 'exit')) as [number | null];
    expect(status).toBe(130);
    expect(told).toMatch(new RegExp(`^${command}: interrupted: nothing is kept`));
    expect(readdirSync(directory)).toEqual(['telemetry.jsonl']);
    expect(readFileSync(join(directory, 'telemetry.jsonl'), 'utf8')).toBe('before');
  });
});
