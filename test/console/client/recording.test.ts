/** What is in the file that `--record` writes. */
import { WriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import type { VsbError } from '../../../src/base/errors.js';
import { connectGateway } from '../../../src/console/client/gateway-client.js';
import { interact } from '../../../src/console/client/interactive.js';
import { Recording } from '../../../src/console/client/recording.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { FakeTerminal, Sink } from '../../rig/fake-terminal.js';

describe('a recording', () => {
  let rig: ConsoleRig;
  let directory: string;

  beforeEach(async () => {
    rig = await ConsoleRig.start();
    directory = await mkdtemp(join(tmpdir(), 'vsb-cast-'));
  });

  afterEach(async () => {
    await rig.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function record(input: boolean): Promise<unknown[]> {
    const path = join(directory, 'a.cast');
    const size = { columns: 100, rows: 30 };
    const recording = await Recording.start({
      ...{ path, title: 't', size, input, term: 'xterm' },
      onFailure: (error) => expect.unreachable(error.message),
    });
    const stdin = new FakeTerminal();
    const stdout = new Sink();
    const done = interact(await connectGateway(rig.target()), {
      ...{ vm: 'vm1', stdin, stdout, stderr: new Sink(), escape: '~', recording },
      signal: new AbortController().signal,
    });
    rig.vm.print(Buffer.from('caf\xc3', 'latin1'));
    await eventually(() => expect(stdout.text).toHaveLength(4));
    rig.vm.print(Buffer.from('\xa9 "quoted"\r\n', 'latin1'));
    await eventually(() => expect(stdout.text).toHaveLength(16));
    stdin.write('secret\r~.');
    await done;
    await recording.close();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as unknown);
  }

  test('is an asciicast of the output, whole characters, and nothing that was typed', async () => {
    const [header, ...events] = await record(false);
    expect(header).toMatchObject({ version: 2, width: 100, height: 30, title: 't' });
    const time = expect.any(Number) as number;
    expect(events).toEqual([
      [time, 'o', 'caf'],
      [time, 'o', 'é "quoted"\r\n'],
    ]);
  });

  test('that fails says so at once and once, records no more, and says so again in the end', async () => {
    const path = join(directory, 'full.cast');
    const size = { columns: 80, rows: 24 };
    const said: VsbError[] = [];
    const onFailure = (error: VsbError): void => void said.push(error);
    const start = { path, title: 't', size, input: false, term: 'xterm', onFailure };
    const recording = await Recording.start(start);
    recording.output(Buffer.from('kept'));
    await eventually(async () => expect(await readFile(path, 'utf8')).toContain('kept'));
    const full = vi.spyOn(WriteStream.prototype, '_write').mockImplementation((_, __, done) => {
      done(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }));
    });
    try {
      recording.output(Buffer.from('lost'));
      await eventually(() => expect(said).toHaveLength(1));
      recording.output(Buffer.from('lost, too'));
    } finally {
      full.mockRestore();
    }
    const failure = { code: 'E_NO_SPACE', message: expect.stringContaining(path) as string };
    await expect(recording.close()).rejects.toMatchObject(failure);
    expect(said).toEqual([expect.objectContaining(failure)]);
    expect(await readFile(path, 'utf8')).not.toContain('lost');
  });

  test('has what was typed when that was asked for, and never replaces a file', async () => {
    expect((await record(true)).at(-1)).toEqual([expect.any(Number), 'i', 'secret\r']);
    await expect(record(false)).rejects.toMatchObject({ code: 'E_FILE' });
  });
});
