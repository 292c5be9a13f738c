/** A script of what to wait for and what to type, at the console of a VM. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { describeError } from '../../../src/cli/show/error.js';
import { connectGateway, type ConsoleTarget } from '../../../src/console/client/gateway-client.js';
import { interactByScript, type ScriptOptions } from '../../../src/console/dialogue/at-console.js';
import {
  parseExpectPattern,
  parseSendText,
  type ScriptStep,
} from '../../../src/console/dialogue/script.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { Sink } from '../../rig/fake-terminal.js';

let rig: ConsoleRig;

beforeEach(async () => {
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  await rig.stop();
});

async function script(
  options: Omit<ScriptOptions, 'signal'>,
  change: Partial<ConsoleTarget> = {},
): Promise<number> {
  const to = rig.target(change);
  return await interactByScript(await connectGateway(to), { ...options, signal: to.signal });
}

/** A login, as a VM's getty plays it. */
function playLogin(): void {
  let line = '';
  let stage = 0;
  rig.vm.onInput = (bytes) => {
    line += bytes.toString();
    if (!line.endsWith('\r')) return;
    stage++;
    if (stage === 1) rig.vm.print(`${line}\nPassword: `);
    else
      rig.vm.print(
        line === 'se\\cret\r' ? '\r\n\x1b[1m# \x1b[0m' : '\r\nLogin incorrect\r\nlogin: ',
      );
    line = '';
  };
  rig.vm.print('boot messages\r\nlogin: ');
}

const wait = (source: string, timeoutMs = 5000): ScriptStep => ({
  type: 'expect',
  pattern: parseExpectPattern(source),
  timeoutMs,
});
const send = (text: string): ScriptStep => ({ type: 'send', bytes: parseSendText(text) });

test('interactByScript logs in and leaves the output on stdout', async () => {
  playLogin();
  const stdout = new Sink();
  const stderr = new Sink();
  const steps = [
    wait('login: $'),
    send('root\\r'),
    wait('Password: $'),
    send('se\\\\cret\\r'),
    wait('^# $'),
    send('last'),
  ];
  expect(await script({ stdout, stderr, steps, stripAnsi: true })).toBe(0);
  expect(stdout.text).toContain('boot messages\r\nlogin: root\r\nPassword: \r\n\x1b[1m# ');
  expect(stderr.text).toBe('');
  expect(String(await rig.vm.inputReached(17))).toBe('root\rse\\cret\rlast');
});

test('interactByScript lets nothing on a terminal that would make it answer into the shell', async () => {
  const output = '\x1b]0;title\x07# \x1b[6n';
  for (const isTTY of [true, false]) {
    const stdout = Object.assign(new Sink(), { isTTY });
    rig.vm.print(output);
    const steps = [wait('# \\x1b\\[6n')];
    await script({ stdout, stderr: new Sink(), steps, stripAnsi: false });
    expect(stdout.text).not.toBe('');
    expect(stdout.text.includes('\x1b[6n')).toBe(!isTTY);
  }
});

test('interactByScript reports the last lines when it does not get what it waits for', async () => {
  playLogin();
  const stdout = new Sink();
  const stderr = new Sink();
  const steps = [
    wait('login: $'),
    send('root\\r'),
    wait('Password'),
    send('wrong\\r'),
    wait('^# $', 300),
  ];
  const failed = script({ stdout, stderr, steps, stripAnsi: true });
  await expect(failed).rejects.toMatchObject({
    code: 'E_EXPECT_TIMEOUT',
    exitCode: 124,
    details: {
      step: 5,
      lastLines: expect.arrayContaining(['Login incorrect', 'login: ']) as unknown,
    },
  });
});

test('interactByScript shows no secret of the script that was echoed, nor in what it waited for', async () => {
  rig.vm.echo();
  const secret = (text: string): ScriptStep => ({
    ...{ type: 'send', bytes: Buffer.from(text), secret: true },
  });
  const steps = [
    ...[secret('hunter2'), send('\\r'), wait('hunter2'), secret('other3'), send('\\r')],
    wait('not hunter2', 300),
  ];
  const sinks = { stdout: new Sink(), stderr: new Sink() };
  const failure: unknown = await script({ ...sinks, steps, stripAnsi: false }).catch(
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ code: 'E_EXPECT_TIMEOUT', details: { step: 6 } });
  const shown = JSON.stringify(failure) + describeError(failure, true) + sinks.stderr.text;
  expect(shown).toContain('********');
  expect(shown).not.toMatch(/hunter2|other3/);
});

test('interactByScript of an unknown VM says so', async () => {
  const stdout = new Sink();
  const stderr = new Sink();
  const run = script({ stdout, stderr, steps: [wait('x')], stripAnsi: false }, { vm: 'vm9' });
  await expect(run).rejects.toMatchObject({ code: 'E_VM_UNKNOWN', exitCode: 2 });
});
