/** What is printed of a guest's text: nothing that commands a terminal. */
import { PassThrough } from 'node:stream';

import { expect, test } from 'vitest';

import { annotateRun } from '../../src/cli/annotate.js';
import type { CliContext } from '../../src/cli/context.js';
import { printEvent } from '../../src/cli/events.js';
import { printJson, printLines, statusLines, table } from '../../src/cli/output.js';

const copy = '\x1b]52;c;ZXZpbA==\x07';
// eslint-disable-next-line no-control-regex
const command = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

function contextOf() {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const env = { GITHUB_ACTIONS: 'true' };
  const context = { stdout, stderr, env } as unknown as CliContext;
  const printed = (): string => String(stdout.read() ?? '') + String(stderr.read() ?? '');
  return { context, printed };
}

test('lines: what one leaves open takes nothing of the next', () => {
  const { context, printed } = contextOf();
  printLines(context, [`a${copy}b`, 'c\x1b]0;d\ne', '\x9d0;f\x9c', 'g\th']);
  expect(printed()).toBe('ab\nc\ne\n0;f\ng\th\n');
});

test('tables: neither does a cell, and columns are as wide as what is shown', () => {
  expect(
    table([
      [`vm1${copy}`, 'running\x1b]0;', 'yes'],
      ['v', 'gone', 'no'],
    ]),
  ).toEqual(['vm1  running  yes', 'v    gone     no']);
});

test('the reason why an instance is broken', () => {
  const lines = statusLines(
    {
      ...{ schemaVersion: 1, name: 'default', state: 'broken', processes: {}, vms: [] },
      reason: `L2: Kernel panic - not syncing: ${copy}`,
    },
    undefined,
  );
  expect(lines).toEqual(['instance  default', 'state     broken: L2: Kernel panic - not syncing:']);
});

test('documents and events say the same, and escape it', () => {
  const { context, printed } = contextOf();
  const document = { schemaVersion: 1, name: `a${copy}\x7f\x9b2J\u00ff` };
  printJson(context, document);
  const text = printed();
  expect(JSON.parse(text)).toEqual(document);
  expect(text).not.toMatch(command);
  printEvent(context, { type: 'down', name: document.name, wasUp: true });
  const line = printed();
  expect(JSON.parse(line)).toMatchObject({ name: document.name });
  expect(line).not.toMatch(command);
});

test('annotations', () => {
  const { context, printed } = contextOf();
  annotateRun(context, 'error', 'vsbypass E_SSH', `a${copy}\nb`);
  expect(printed()).toBe('::error title=vsbypass E_SSH::a%0Ab\n');
});
