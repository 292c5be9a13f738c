/** What is in the file that `--record` writes. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

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
    const recording = await Recording.start({ path, title: 't', size, input, term: 'xterm' });
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

  test('has what was typed when that was asked for, and never replaces a file', async () => {
    expect((await record(true)).at(-1)).toEqual([expect.any(Number), 'i', 'secret\r']);
    await expect(record(false)).rejects.toMatchObject({ code: 'E_FILE' });
  });
});
