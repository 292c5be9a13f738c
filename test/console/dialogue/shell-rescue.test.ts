/** A VM that has not booted: `runInShell` where root's password is asked for without a name, and in an initramfs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import {
  defaultLoginPrompt,
  defaultPasswordPrompt,
  defaultPrompt,
  suloginPrompt,
} from '../../../src/console/dialogue/prompts.js';
import { ShellRig } from '../../rig/shell-rig.js';

const asks = 'Give root password for maintenance\n(or press Control-D to continue): ';

test.each([
  asks,
  'Press Enter for maintenance\n(or press Control-D to continue): ',
  'Give root password for maintenance\n(or type Control-D to continue): ',
  'Give root password for system maintenance\n(or type Control-D for normal startup):',
  'Give root password for login: ',
  'Geben Sie das root-Passwort für Wartungszwecke ein\n(oder drücken Sie Strg-D, um fortzufahren): ',
])('suloginPrompt is %j', (text) => {
  expect(text).toMatch(suloginPrompt);
});

test.each(['vm1 login: ', 'Password: ', 'Press Control-D to leave.', '# '])(
  'suloginPrompt is not %j',
  (text) => expect(text).not.toMatch(suloginPrompt),
);

test.each(['root@vm1:~# ', '$ ', '(initramfs) ', 'dracut:/# ', 'switch_root:/# '])(
  'a shell prompts with %j, and no login does',
  (text) => {
    expect(text).toMatch(new RegExp(defaultPrompt));
    expect(text).not.toMatch(new RegExp(`${defaultLoginPrompt}|${defaultPasswordPrompt}`));
  },
);

describe('runInShell', () => {
  let rig: ShellRig;

  beforeEach(async () => {
    rig = await ShellRig.start();
  });

  afterEach(async () => {
    await rig.stop();
  });

  /** One that goes on with the boot when its shell ends, as sulogin(8) does. */
  async function bootSulogin(): Promise<void> {
    const bin = join(rig.directory, 'bin');
    const sulogin = `#!/bin/sh
while :; do
  printf '${asks.replace('\n', '\\n')}'; sleep 0.1; stty -echo; read -r password; stty echo; printf '\\n'
  [ "$password" != 'se cret' ] || break
  printf 'Login incorrect\\n\\n'
done
PS1='# ' sh -i
echo booting; exec sleep 60
`;
    await mkdir(bin);
    await writeFile(join(bin, 'sulogin'), sulogin, { mode: 0o755 });
    rig.boot(join(bin, 'sulogin'));
  }

  test('gives the password of root to sulogin, and has it asked for again, not the boot go on', async () => {
    await bootSulogin();
    expect(await rig.run('echo in; exit 3')).toEqual({ status: 3, output: 'in\n' });
    expect(await rig.run('echo again')).toEqual({ status: 0, output: 'again\n' });
    await rig.shows('\r', /Login incorrect\s+Give root password[^]*continue\): $/);
    const stopped = rig.run('echo begun; sleep 60', { timeoutMs: 500, signalMs: 1000 });
    await expect(stopped).rejects.toMatchObject({ code: 'E_EXPECT_TIMEOUT' });
    await rig.shows('\r', /Login incorrect\s+Give root password[^]*continue\): $/);
    const all = rig.console.hub.vm('vm1')?.history.snapshot().toString();
    expect(all).not.toMatch(/booting|se cret/);
  });

  test('says that the password is wrong there, and gives that of nobody else', async () => {
    await bootSulogin();
    await expect(rig.run('id', { password: Buffer.from('wrong') })).rejects.toMatchObject({
      ...{ code: 'E_CONSOLE_AUTH', message: 'the VM does not let root in' },
    });
    await expect(rig.run('id', { user: 'admin' })).rejects.toMatchObject({
      code: 'E_CONSOLE_AUTH',
      message: expect.stringContaining('admin') as unknown,
    });
  });

  test('uses the shell of an initramfs', async () => {
    rig.boot('/bin/sh', '-c', "PS1='(initramfs) ' exec sh -i");
    const prompt = new RegExp(defaultPrompt, 'm');
    expect(await rig.run('echo in; exit 3', { prompt })).toEqual({ status: 3, output: 'in\n' });
  });
});
