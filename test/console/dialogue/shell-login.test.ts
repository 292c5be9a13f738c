/** How a command comes into a shell: `runInShell` at a login. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ShellRig } from '../../rig/shell-rig.js';

let rig: ShellRig;

beforeEach(async () => {
  rig = await ShellRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('runInShell logs in, runs, returns output and status, and logs out', async () => {
  rig.bootGetty();
  expect(await rig.run('echo out; echo err >&2; exit 3')).toEqual({
    status: 3,
    output: 'out\nerr\n',
  });
  // Logged out again: it has to log in anew.
  expect(await rig.run("printf 'no line end'")).toEqual({ status: 0, output: 'no line end' });
  await expect(rig.run('id', { password: undefined })).rejects.toMatchObject({
    code: 'E_CONSOLE_AUTH',
    message: 'the VM asks for the password of root',
  });
});

test('runInShell says that a password is wrong, and goes on after a login that was left half done', async () => {
  rig.bootGetty();
  await expect(rig.run('id', { password: Buffer.from('wrong') })).rejects.toMatchObject({
    code: 'E_CONSOLE_AUTH',
    exitCode: 7,
  });
  rig.type('someone\r');
  expect(await rig.run('echo fine')).toEqual({ status: 0, output: 'fine\n' });
});

test('runInShell ends its lines by LF where the terminal passes CR on, as after a name that a script ended by LF', async () => {
  rig.boot('sh', '-c', 'stty -icrnl; exec ./getty');
  await rig.shows('\n', /login: $/);
  expect(await rig.run('echo heard')).toEqual({ status: 0, output: 'heard\n' });
});

describe('runInShell logs in', () => {
  test('past a message of the day that sounds like a refusal, or like a prompt', async () => {
    const lines = [
      'Unauthorised access is denied and prosecuted.',
      'Last login: today',
      '#  ',
      '# Hi',
      '# ',
    ];
    await writeFile(join(rig.directory, 'motd'), `${lines.join('\n')}\n`);
    rig.bootGetty();
    expect(await rig.run('echo in')).toEqual({ status: 0, output: 'in\n' });
  });

  test.each(['Passwort: ', 'Mot de passe : ', 'Contraseña: ', 'Пароль: ', '密码：'])(
    'where it is asked for %j',
    async (asks) => {
      await writeFile(join(rig.directory, 'asks'), asks);
      rig.bootGetty();
      expect(await rig.run('echo in')).toEqual({ status: 0, output: 'in\n' });
      // The echo is off before the password is typed, however late the VM does that.
      expect(rig.console.hub.vm('vm1')?.history.snapshot().includes('se cret')).toBe(false);
    },
  );
});
