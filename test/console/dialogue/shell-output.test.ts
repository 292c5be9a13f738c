/** What a command prints, all of it, and where it ends: `runInShell` with any command, in any shell. */
import { existsSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ShellRig } from '../../rig/shell-rig.js';

let rig: ShellRig;

beforeEach(async () => {
  rig = await ShellRig.start();
});

afterEach(async () => {
  await rig.stop();
});

const shells: readonly (readonly [string, readonly string[]])[] = [
  ['/bin/sh', ['-i']],
  ['/bin/bash', ['--norc', '--noprofile', '-i']],
  ['/bin/busybox', ['ash', '-i']],
];

test.each(shells.filter(([shell]) => existsSync(shell)))(
  'runInShell uses a %s that is there, and passes any command and output',
  async (shell, words) => {
    rig.boot(shell, ...words);
    rig.type('half a line that nobody ran');
    const long = 'x'.repeat(3000);
    const command = `printf '%s|' 'a "b" $c \\ \`d\`' "it's" ${long}; seq 1 20000; false`;
    const { status, output } = await rig.run(command);
    expect(status).toBe(1);
    const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join('');
    expect(output).toBe(`a "b" $c \\ \`d\`|it's|${long}|${numbers}`);
  },
);

test.each(shells.filter(([shell]) => existsSync(shell)))(
  'runInShell is not disturbed by what is set in a %s, and leaves it set',
  async (shell, words) => {
    rig.boot(shell, ...words);
    rig.type('set -efuvxC; IFS=,\r');
    expect(await rig.run('false')).toEqual({ status: 1, output: '' });
    expect(await rig.run(`echo '${'x'.repeat(300)}'; exit 3`)).toEqual({
      ...{ status: 3, output: `${'x'.repeat(300)}\n` },
    });
    const stopped = rig.run('echo begun; sleep 60', { timeoutMs: 1000, signalMs: 1000 });
    await expect(stopped).rejects.toMatchObject({ code: 'E_EXPECT_TIMEOUT' });
    for (const option of ['e', 'f', 'u', 'v', 'x', 'C']) {
      await rig.shows('echo "[$-]"\r', new RegExp(`^\\[\\w*${option}\\w*\\]\r$`, 'm'));
    }
  },
);

test('runInShell ends well where the command shuts the VM down', async () => {
  rig.bootGetty();
  expect(await rig.run('touch off; echo down')).toEqual({ status: 0, output: 'down\n' });
});

test.each(['Power down', 'Restarting system'])(
  'runInShell ends when the kernel says %j, which nobody outlives',
  async (words) => {
    rig.bootGetty();
    const command = `echo going; printf '[  162.845216] reboot: ${words}'; kill -STOP $$; sleep 60`;
    const { status, output } = await rig.run(command);
    expect(status).toBe(0);
    expect(output).toBe(`going\n[  162.845216] reboot: ${words}`);
  },
);

test('runInShell ends well where init ends the command that has it shut the VM down', async () => {
  rig.boot('/bin/sh', '-i');
  const later = `(sleep 0.5; printf '\\n[  162.845216] reboot: Power down' >/dev/tty) &`;
  const { status } = await rig.run(`${later} sh -c 'kill -TERM $$'`);
  expect(status).toBe(0);
});

test('runInShell passes on that a signal has ended the command, of a VM that goes on', async () => {
  rig.bootGetty();
  expect(await rig.run(`sh -c 'kill -TERM $$'`)).toMatchObject({ status: 143 });
  expect(await rig.run('echo on')).toEqual({ status: 0, output: 'on\n' });
});

test('runInShell goes on past an old log that says so', async () => {
  rig.bootGetty();
  const old = '[  162.845216] reboot: Power down\n';
  const { status, output } = await rig.run(`printf '${old}'; sleep 0.2; echo on; exit 3`);
  expect({ status, output }).toEqual({ status: 3, output: `${old}on\n` });
});

test('runInShell gives up at the deadline and shows what came last', async () => {
  rig.boot('/bin/sh', '-i');
  await expect(rig.run('echo begun; sleep 60', { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'E_EXPECT_TIMEOUT',
    exitCode: 124,
    details: { lastLines: expect.arrayContaining(['begun']) as unknown },
  });
});

describe('runInShell finds the end', () => {
  test.each(['0;x', 'P', '_', 'X', ']0;', '[3'])('behind an unfinished ESC %s', async (begun) => {
    rig.bootGetty();
    const { status, output } = await rig.run(`printf '\\033${begun}'; echo after; exit 3`);
    expect(status).toBe(3);
    expect(output).toBe(`\x1b${begun}after\n`);
  });

  test('when the kernel prints into its mark', async () => {
    rig.boot('/bin/sh', '-i');
    const { onInput } = rig.console.vm;
    const print = rig.console.vm.print.bind(rig.console.vm);
    let split = false;
    rig.console.vm.print = (data) => {
      const text = data.toString();
      const at = /vsb[0-9a-f]{12}>/.exec(text)?.index;
      if (at === undefined || split) return print(data);
      split = true;
      print(text.slice(0, at + 8));
      print('[   12.345678] usb 1-1: new device\r\n');
      print(text.slice(at + 8));
    };
    rig.console.vm.onInput = onInput;
    const { status, output } = await rig.run('echo out; exit 5');
    expect(split).toBe(true);
    expect(status).toBe(5);
    expect(output).toMatch(/^out\n/);
  });

  test('of output that is any bytes', async () => {
    rig.boot('/bin/sh', '-i');
    const { output } = await rig.run(`printf '\\374\\r\\n\\r\\000\\t\\033[1mx\\n\\n'`);
    expect(output).toBe('\xfc\r\n\r\x00\t\x1b[1mx\n\n');
  });

  test('of commands in any characters', async () => {
    rig.boot('/bin/sh', '-i');
    const odd = `printf '%s' '=%s\\n\`$x é ü\x03\x04\x15 "'; cat <<'END'\n-n =\nEND\n`;
    expect(Buffer.from((await rig.run(odd)).output, 'latin1').toString()).toBe(
      '=%s\\n`$x é ü\x03\x04\x15 "-n =\n',
    );
  });
});
