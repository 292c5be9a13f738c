/** The two ways to play a script, at a socket played by the test: the same steps, the same findings. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { spawn } from '@lydell/node-pty';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { ChannelEnd } from '../../../src/bench/ends/channel-end.js';
import { expect as await_, pause, send, type Step } from '../../../src/bench/ends/end.js';
import { checkClock, probeScript, readProbe } from '../../../src/bench/ends/probe-end.js';
import { Tape } from '../../../src/bench/ends/tape.js';
import { benchPrograms } from '../../../src/images/programs.js';
import { execa } from 'execa';

const never = new AbortController().signal;
let directory: string;
let path: string;
let server: Server;
let received: Buffer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-ends-'));
  path = join(directory, 'socket');
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});
/** Answers `ping` with `pong`, and echoes all else. */
beforeEach(async () => {
  received = Buffer.alloc(0);
  server = createServer((socket) => {
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      socket.write(bytes.toString('latin1').replace('ping', 'po\xffng'), 'latin1');
    });
    socket.on('error', () => undefined);
  });
  server.listen(path);
  await once(server, 'listening');
});
afterEach(async () => {
  server.close();
  await once(server, 'close');
  await rm(path, { force: true });
});

const channelEnd = new ChannelEnd('ssh', async () => {
  const channel = createConnection(path);
  await once(channel, 'connect');
  return {
    channel,
    close: async () => {
      channel.end();
      await once(channel, 'close');
    },
  };
});

const steps: Step[] = [
  send('abc'),
  await_('b', 5000),
  pause(30),
  send(`ping${'x'.repeat(100_000)}`),
  await_('po\xffng', 5000),
  await_('xxx', 5000),
];

/** The answer is there, however busy the machine is, before the wait for what never comes. */
const lateSteps: Step[] = [send('abc'), await_('a', 5000), await_('nothing', 30)];

describe('ChannelEnd', () => {
  it('plays steps, and says when and what', async () => {
    const timings = await channelEnd.play(steps, never);
    expect(timings.map(({ output }) => output.toString('latin1'))).toEqual([
      '',
      'ab',
      '',
      '',
      'cpo\xffng',
      'xxx',
    ]);
    expect((timings[2]?.endMs ?? 0) - (timings[2]?.startMs ?? 0)).toBeGreaterThanOrEqual(28);
    for (const { startMs, endMs } of timings.slice(0, 4))
      expect(endMs).toBeGreaterThanOrEqual(startMs);
  });

  it('ends at a step that is late, with what came instead', async () => {
    const late = channelEnd.play(lateSteps, never);
    await expect(late).rejects.toMatchObject({
      code: 'E_EXPECT_TIMEOUT',
      details: { tail: 'bc' },
    });
  });

  it('ends when it is interrupted', async () => {
    const abort = new AbortController();
    const playing = channelEnd.play([send('a'), await_('nothing', 60_000)], abort.signal);
    const failed = expect(playing).rejects.toThrow('enough');
    abort.abort(new Error('enough'));
    await failed;
  });
});

describe('the probe', () => {
  let program: string;
  beforeAll(async () => {
    const { probe } = await benchPrograms(directory, never);
    program = join(directory, 'probe');
    await writeFile(program, probe, { mode: 0o700 });
  }, 120_000);

  const play = async (script: readonly Step[]) =>
    await execa(program, [path], {
      ...{ input: probeScript(script), encoding: 'buffer', reject: false, timeout: 20_000 },
    });

  it('plays the same steps with the same findings', async () => {
    const { stdout, exitCode } = await play(steps);
    expect(exitCode).toBe(0);
    const timings = readProbe(Buffer.from(stdout), steps);
    expect(timings.map(({ output }) => output.toString('latin1'))).toEqual([
      '',
      'ab',
      '',
      '',
      'cpo\xffng',
      'xxx',
    ]);
    expect((timings[2]?.endMs ?? 0) - (timings[2]?.startMs ?? 0)).toBeGreaterThanOrEqual(29);
    expect(received).toHaveLength(3 + 4 + 100_000);
  });

  it('ends at a step that is late', async () => {
    const script = [...lateSteps, send('never')];
    const { stdout, exitCode } = await play(script);
    expect(exitCode).toBe(1);
    expect(received.toString()).toBe('abc');
    expect(() => readProbe(Buffer.from(stdout), script)).toThrow(
      expect.objectContaining({ code: 'E_EXPECT_TIMEOUT', details: { tail: 'bc' } }),
    );
  });

  it('plays them at a pty, whose bytes it leaves alone', async () => {
    // Declared to give strings, whatever the encoding.
    const pty = spawn('sh', ['-c', 'stty echo onlcr; tty; exec sleep 60'], { encoding: null });
    try {
      const told = await new Promise<string>((resolve) =>
        pty.onData((bytes: unknown) => resolve(String(bytes))),
      );
      let typed = '';
      pty.onData((bytes: unknown) => {
        typed += String(bytes);
        if (typed === 'a\n') pty.write('b\rc');
      });
      const script = [send('a\n'), await_('c', 5000)];
      const { stdout, exitCode } = await execa(program, [told.trim()], {
        ...{ input: probeScript(script), encoding: 'buffer', reject: false, timeout: 20_000 },
      });
      expect(exitCode).toBe(0);
      expect(readProbe(Buffer.from(stdout), script)[1]?.output.toString()).toBe('b\rc');
      expect(typed).toBe('a\n');
    } finally {
      pty.kill();
    }
  });

  it('refuses what is no script', async () => {
    const { exitCode } = await execa(program, [path], {
      ...{ input: 'send zz\n', reject: false },
    });
    expect(exitCode).toBe(2);
  });
});

describe('readProbe', () => {
  it('does not believe an answer that is cut', () => {
    expect(() => readProbe(Buffer.from('step 1 2 0\n'), [pause(1)])).toThrow('cut');
    expect(() => readProbe(Buffer.from('output 0\n'), [pause(1)])).toThrow('cut');
  });
});

describe('checkClock', () => {
  const timings = [
    { startMs: 1000, endMs: 1100, output: Buffer.alloc(0) },
    { startMs: 1100, endMs: 16_000, output: Buffer.alloc(0) },
  ];

  it('takes a clock of L2 that goes as ours, less the way to L2', () => {
    expect(() => checkClock(timings, 17_500)).not.toThrow();
    expect(() => checkClock([], 4000)).not.toThrow();
  });

  it('does not count a run in which it lagged', () => {
    expect(() => checkClock(timings, 40_000)).toThrow('the clock of L2 counted 15.0 s of 40.0 s');
  });
});

describe('Tape', () => {
  it('finds what lies across pieces, each part of it once, with the time of its end', () => {
    const tape = new Tape();
    tape.push(Buffer.from('one tw'), 1);
    expect(tape.find(Buffer.from('two'))).toBeUndefined();
    tape.push(Buffer.from('o two'), 2);
    expect(tape.find(Buffer.from('two'))).toEqual({ output: Buffer.from('one two'), ms: 2 });
    expect(tape.find(Buffer.from('two'))).toEqual({ output: Buffer.from(' two'), ms: 2 });
    expect(tape.find(Buffer.from('two'))).toBeUndefined();
  });

  it('grows', () => {
    const tape = new Tape();
    for (let piece = 0; piece < 100; piece++) tape.push(Buffer.alloc(5000, 'a'), piece);
    tape.push(Buffer.from('b'), 100);
    expect(tape.find(Buffer.from('b'))?.output).toHaveLength(500_001);
  });
});
