/** What a command leaves behind where it was not to end by itself: nothing, or `runInShell` says so. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { ShellRig } from '../../rig/shell-rig.js';

let rig: ShellRig;

beforeEach(async () => {
  rig = await ShellRig.start();
});

afterEach(async () => {
  await rig.stop();
});

describe('runInShell leaves the console as it was found', () => {
  test.each([
    ['at its deadline', 'sleep 600', 'E_EXPECT_TIMEOUT'],
    ['when the command ignores SIGINT', "trap '' INT; sleep 600", 'E_EXPECT_TIMEOUT'],
    [
      'when it ignores SIGQUIT, too',
      "trap '' INT QUIT; while :; do sleep 1; done",
      'E_EXPECT_TIMEOUT',
    ],
    ['in the middle of endless output', 'yes', 'E_EXPECT_TIMEOUT'],
  ])(
    '%s',
    async (_, command, code) => {
      rig.bootGetty();
      await expect(rig.run(command, { timeoutMs: 500, signalMs: 1000 })).rejects.toMatchObject({
        code,
      });
      await rig.shows('\r', /login: $/);
      expect(await rig.run('stty -a | grep -o " echo "; exit 4')).toEqual({
        ...{ status: 4, output: '' },
      });
      await rig.shows('x\r', /x\r\nPassword: $/);
    },
    60_000,
  );

  test('when the command is stopped, which a shell with its job would not be left for', async () => {
    rig.bootGetty();
    expect(await rig.run('kill -STOP 0')).toEqual({ status: 147, output: '' });
    await rig.shows('\r', /login: $/);
    expect(await rig.run('ps -t "$(tty)" -o stat= | grep -c T; exit 4')).toEqual({
      ...{ status: 4, output: '0\n' },
    });
  });

  test('when a serial port has sent all that the shell wrote, and not before', async () => {
    // What a serial port has not sent when its session ends is dropped; a pseudo terminal drops nothing.
    const bin = join(rig.directory, 'bin');
    await mkdir(bin);
    const told = '[ "$*" != sane ] || echo "stty for $(ps -o args= $PPID)" >&2';
    const stty = `#!/bin/sh\n${told}\nexec /bin/stty "$@"\n`;
    await writeFile(join(bin, 'stty'), stty, { mode: 0o755 });
    rig.bootGetty();
    await rig.run('echo all');
    expect(rig.console.hub.vm('vm1')?.history.read(0, 65_536)?.bytes.toString()).toMatch(
      /all\r\n\r\nvsb\w+>0\.\r\nvsb\w+>0\.\r\nstty for sh -i\r\n/,
    );
  });

  test('when it is interrupted while the login is under way', async () => {
    await writeFile(join(rig.directory, 'slow'), '');
    rig.bootGetty();
    const abort = new AbortController();
    const reason = new Error('interrupted');
    const left = vi.fn();
    const running = rig.run('echo never', { abort: abort.signal, onLeftOpen: left });
    const refused = expect(running).rejects.toBe(reason);
    await rig.shows('', /Password: \r\n$/);
    abort.abort(reason);
    await refused;
    await rig.shows('\r', /login: $/);
    expect(left).not.toHaveBeenCalled();
  });

  test('or says that it could not', async () => {
    rig.bootGetty();
    const left = vi.fn();
    const abort = new AbortController();
    const reason = new Error('interrupted');
    const running = rig.run('echo begun; sleep 600', {
      ...{ abort: abort.signal, tidyMs: 300, onLeftOpen: left },
      onOutput: () => {
        // From here on the VM hears nothing.
        rig.console.vm.onInput = () => undefined;
        abort.abort(reason);
      },
    });
    await expect(running).rejects.toBe(reason);
    expect(left).toHaveBeenCalledOnce();
  });

  test('when it is interrupted, in a shell that somebody left logged in', async () => {
    rig.boot('/bin/bash', '--norc', '--noprofile', '-i');
    const abort = new AbortController();
    const reason = new Error('interrupted');
    const onOutput = (): void => abort.abort(reason);
    const running = rig.run('echo begun; sleep 600', { abort: abort.signal, onOutput });
    await expect(running).rejects.toBe(reason);
    await rig.shows(
      'stty size; stty -a | grep -o " echo "\r',
      /24 80\r\n(?:[^]* echo \r\n)[^\r\n]*\$ $/,
    );
    expect(await rig.run('echo again')).toEqual({ status: 0, output: 'again\n' });
    await rig.shows('stty size\r', /24 80\r\n[^\r\n]*\$ $/);
  });
});
