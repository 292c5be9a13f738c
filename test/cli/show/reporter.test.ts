import { PassThrough } from 'node:stream';

import { describe, expect, it } from 'vitest';

import { wantsColor } from '../../../src/base/color.js';
import { VsbError } from '../../../src/base/errors.js';
import { describeError, errorDocument } from '../../../src/cli/show/error.js';
import { createReporter, describeEvent } from '../../../src/cli/show/reporter.js';
import type { UpEvent } from '../../../src/contract/events.js';

const phase = {
  type: 'phase',
  phase: 'l2',
  layer: 'L2',
  awaited: 'L2 to be ready',
  limitMs: 240_000,
} as const;
const events: UpEvent[] = [
  { type: 'accel', accel: 'tcg', why: 'no SVM' },
  { type: 'build', reason: 'started' },
  { type: 'build', reason: 'progress', line: 'Get:1 a package' },
  { type: 'build', reason: 'progress', line: 'images: l3: building' },
  { type: 'build', reason: 'passed', elapsedMs: 1500 },
  { ...phase, reason: 'started' },
  { ...phase, reason: 'passed', elapsedMs: 5800, totalMs: 15_600 },
];

async function lines(options: { quiet?: boolean; verbose?: boolean }): Promise<string[]> {
  const stream = new PassThrough();
  const reporter = await createReporter({
    stream,
    env: {},
    quiet: options.quiet ?? false,
    verbose: options.verbose ?? false,
  });
  for (const event of events) reporter.report(event);
  reporter.stop();
  stream.end();
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text.split('\n').slice(0, -1);
}

describe('createReporter without a terminal', () => {
  it('prints plain lines', async () => {
    expect(await lines({})).toEqual([
      'accelerator tcg: no SVM',
      'images: looking for what must be built',
      'images: l3: building',
      'images: ready (1.5 s)',
      'l2: ready after 5.8 s (15.6 s in all)',
    ]);
  });

  it('prints what is waited for and every line of a build with -v', async () => {
    const found = await lines({ verbose: true });
    expect(found).toContain('l2: waiting for L2 to be ready, at most 240.0 s');
    expect(found).toContain('images: Get:1 a package');
  });

  it('prints nothing with -q', async () => {
    expect(await lines({ quiet: true })).toEqual([]);
  });
});

describe('createReporter on a terminal', () => {
  it('prints plain lines where the terminal has no size', async () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 0 });
    const reporter = await createReporter({ stream, env: {}, quiet: false, verbose: false });
    reporter.report({ type: 'build', reason: 'started' });
    reporter.stop();
    expect(String(stream.read())).toBe('images: looking for what must be built\n');
  });
});

describe('describeEvent', () => {
  it('makes harmless what a layer has said', () => {
    const why = 'L2 could not be renewed: \x1b]52;c;ZXZpbA==\x07no';
    expect(describeEvent({ type: 'warm', reason: 'not-used', why }, false)).toBe(
      'saved state not used: L2 could not be renewed: no',
    );
  });
});

describe('wantsColor', () => {
  it('obeys NO_COLOR and colours terminals only', () => {
    expect(wantsColor({ isTTY: true }, {})).toBe(true);
    expect(wantsColor({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
    expect(wantsColor({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColor({}, {})).toBe(false);
  });
});

describe('describeError', () => {
  const error = new VsbError('E_LAYER_TIMEOUT', 'L2 failed', {
    layer: 'L2',
    hint: 'look',
    details: { lastLines: ['fine', 'evil \x1b]0;title\x07\x1b[2J'], log: '/l2.log' },
  });

  it('shows message, code, last lines made harmless, log and hint', () => {
    expect(describeError(error, false).split('\n')).toEqual([
      'vsbypass: L2 failed [E_LAYER_TIMEOUT]',
      '  last lines:',
      '  | fine',
      '  | evil ',
      '  log: /l2.log',
      '  hint: look',
    ]);
  });

  it('makes all that a guest may have said harmless, part by part', () => {
    const copy = '\x1b]52;c;ZXZpbA==\x07';
    const open = new VsbError('E_VM_STOP', `L2 cannot stop vm1: ${copy}no\x1b]0;`, {
      hint: `Its QEMU in L2 said: \x9b2J${copy}`,
      cause: new Error(copy),
      details: { log: `/l2${copy}.log`, evidence: `/there${copy}` },
    });
    expect(describeError(open, true).split('\n')).toEqual([
      'vsbypass: L2 cannot stop vm1: no [E_VM_STOP]',
      '  log: /l2.log',
      '  where it stood: /there',
      '  hint: Its QEMU in L2 said: 2J',
      '  cause: ',
    ]);
    expect(describeError(new TypeError(copy), false)).toMatch(/a bug: TypeError: $/m);
  });

  it('calls anything else a bug', () => {
    expect(describeError(new TypeError('oops'), false)).toContain('this is a bug: TypeError: oops');
  });
});

describe('errorDocument', () => {
  it('has a schema version and the exit code', () => {
    expect(errorDocument(new VsbError('E_CONFIG', 'm'))).toEqual({
      schemaVersion: 1,
      error: { code: 'E_CONFIG', exitCode: 2, message: 'm' },
    });
  });
});
