import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { spawn as spawnPty, type IPty } from '@lydell/node-pty';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { connectGateway } from '../../../src/console/client/gateway-client.js';
import { scriptPeer } from '../../../src/console/dialogue/at-console.js';
import type { ScriptPeer } from '../../../src/console/dialogue/conversation.js';
import {
  defaultLoginPrompt,
  defaultPasswordPrompt,
} from '../../../src/console/dialogue/prompts.js';
import { runInShell, type ShellRunOptions } from '../../../src/console/dialogue/shell-run.js';
import { fingerprintOfLine } from '../../../src/formats/keys/key-files.js';
import { ConsoleRig } from '../../rig/console-rig.js';

/** A getty that any shell can be: it asks for a name and a password and starts a shell. */
const getty = `#!/bin/sh
while :; do
  printf 'vm1 login: '; read -r user || exit
  [ -n "$user" ] || continue
  printf '%s' "$(cat asks 2>/dev/null || echo 'Password: ')"; sleep 0.1; stty -echo; read -r password; stty echo; printf '\\n'
  if [ "$user:$password" = "root:se cret" ]; then
    [ ! -e slow ] || sleep 2
    cat motd 2>/dev/null; PS1='# ' sh -i
    [ ! -e off ] || exec sleep 60
    stty sane
  else
    printf 'Login incorrect\\n'
  fi
done
`;

let rig: ConsoleRig;
let directory: string;
let terminal: IPty | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-run-'));
  await writeFile(join(directory, 'getty'), getty);
  await chmod(join(directory, 'getty'), 0o755);
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  terminal?.kill('SIGKILL');
  await rig.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Joins the VM's serial port to a program on a real terminal. */
function boot(program: string, ...words: string[]): void {
  const env = { PATH: process.env['PATH'] ?? '', PS1: '$ ', ENV: '' };
  const size = { cols: 80, rows: 24 };
  const shell = spawnPty(program, words, { ...size, env, cwd: directory, encoding: null });
  shell.onData((text) => rig.vm.print(text));
  rig.vm.onInput = (bytes) => shell.write(bytes as unknown as string);
  terminal = shell;
}

interface RunOptions extends Partial<ShellRunOptions> {
  readonly abort?: AbortSignal;
}

async function runCommand(
  command: string,
  { abort, ...options }: RunOptions = {},
): Promise<{ status: number; output: string }> {
  const connection = await connectGateway({
    ...{ host: '127.0.0.1', port: rig.gateway.port, vm: 'vm1' },
    hostKeyFingerprint: fingerprintOfLine(ConsoleRig.hostKey.publicLine),
    privateKeyPem: ConsoleRig.clientKey.privatePem,
    attach: { as: 'write', replay: 'none', sanitize: false },
    signal: new AbortController().signal,
  });
  const output: Buffer[] = [];
  try {
    const status = await runInShell(scriptPeer(connection), {
      ...{ user: 'root', password: Buffer.from('se cret'), prompt: /[#$] $/, command },
      loginPrompt: new RegExp(defaultLoginPrompt, 'm'),
      passwordPrompt: new RegExp(defaultPasswordPrompt, 'm'),
      timeoutMs: 10_000,
      signal: abort ?? AbortSignal.timeout(15_000),
      onOutput: (bytes) => output.push(bytes),
      ...options,
    });
    return { status, output: Buffer.concat(output).toString('latin1') };
  } finally {
    connection.destroy();
  }
}

/** What the console shows next after a key, at the end of a line. */
async function shows(key: string, pattern: RegExp): Promise<void> {
  const from = rig.hub.vm('vm1')?.history.end ?? 0;
  terminal?.write(key);
  await vi.waitFor(
    () => {
      const seen = rig.hub.vm('vm1')?.history.read(from, 65_536)?.bytes.toString() ?? '';
      expect(seen).toMatch(pattern);
    },
    { timeout: 10_000 },
  );
}

test('runInShell logs in, runs, returns output and status, and logs out', async () => {
  boot(join(directory, 'getty'));
  expect(await runCommand('echo out; echo err >&2; exit 3')).toEqual({
    status: 3,
    output: 'out\nerr\n',
  });
  // Logged out again: it has to log in anew.
  expect(await runCommand("printf 'no line end'")).toEqual({ status: 0, output: 'no line end' });
  await expect(runCommand('id', { password: undefined })).rejects.toMatchObject({
    code: 'E_CONSOLE_AUTH',
    message: 'the VM asks for the password of root',
  });
});

test('runInShell says that a password is wrong, and goes on after a login that was left half done', async () => {
  boot(join(directory, 'getty'));
  await expect(runCommand('id', { password: Buffer.from('wrong') })).rejects.toMatchObject({
    code: 'E_CONSOLE_AUTH',
    exitCode: 7,
  });
  terminal?.write('someone\r');
  expect(await runCommand('echo fine')).toEqual({ status: 0, output: 'fine\n' });
});

const shells: readonly (readonly [string, readonly string[]])[] = [
  ['/bin/sh', ['-i']],
  ['/bin/bash', ['--norc', '--noprofile', '-i']],
  ['/bin/busybox', ['ash', '-i']],
];

test.each(shells.filter(([shell]) => existsSync(shell)))(
  'runInShell uses a %s that is there, and passes any command and output',
  async (shell, words) => {
    boot(shell, ...words);
    terminal?.write('half a line that nobody ran');
    const long = 'x'.repeat(3000);
    const command = `printf '%s|' 'a "b" $c \\ \`d\`' "it's" ${long}; seq 1 20000; false`;
    const { status, output } = await runCommand(command);
    expect(status).toBe(1);
    const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join('');
    expect(output).toBe(`a "b" $c \\ \`d\`|it's|${long}|${numbers}`);
  },
);

test('runInShell ends well where the command shuts the VM down', async () => {
  boot(join(directory, 'getty'));
  expect(await runCommand('touch off; echo down')).toEqual({ status: 0, output: 'down\n' });
});

test.each(['Power down', 'Restarting system'])(
  'runInShell ends when the kernel says %j, which nobody outlives',
  async (words) => {
    boot(join(directory, 'getty'));
    const command = `echo going; printf '[  162.845216] reboot: ${words}'; kill -STOP $$; sleep 60`;
    const { status, output } = await runCommand(command);
    expect(status).toBe(0);
    expect(output).toBe(`going\n[  162.845216] reboot: ${words}`);
  },
);

test('runInShell goes on past an old log that says so', async () => {
  boot(join(directory, 'getty'));
  const old = '[  162.845216] reboot: Power down\n';
  const { status, output } = await runCommand(`printf '${old}'; sleep 0.2; echo on; exit 3`);
  expect({ status, output }).toEqual({ status: 3, output: `${old}on\n` });
});

test('runInShell says that it sees no prompt, and how to tell it what one looks like', async () => {
  vi.useFakeTimers();
  try {
    const silent: ScriptPeer = { onOutput: () => {}, send: () => Promise.resolve() };
    const run = runInShell(silent, {
      ...{ user: 'root', password: undefined, command: 'true', timeoutMs: 1000 },
      ...{ prompt: /[#$] $/, loginPrompt: /login: $/, passwordPrompt: /Password: $/ },
      ...{ signal: new AbortController().signal, onOutput: () => {} },
    });
    const refused = expect(run).rejects.toMatchObject({
      ...{ code: 'E_EXPECT_TIMEOUT', message: 'no login and no shell prompt came within 20 s' },
      hint: expect.stringContaining('--login-prompt') as unknown,
    });
    await vi.advanceTimersByTimeAsync(20_000);
    await refused;
  } finally {
    vi.useRealTimers();
  }
});

describe('runInShell, where no prompt comes but the VM prints', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  /** A VM that prints a line each second for so many seconds, and shows what is given then. */
  function bootingFor(seconds: number, prompt: string): ScriptPeer {
    const listeners: ((bytes: Buffer | undefined) => void)[] = [];
    const print = (text: string): void => {
      for (const listener of listeners) listener(Buffer.from(text));
    };
    for (let second = 1; second <= seconds; second++) {
      setTimeout(() => print(`[    ${second}.000000] of the kernel\r\n`), second * 1000);
    }
    setTimeout(() => print(prompt), seconds * 1000 + 500);
    return {
      onOutput: (listener) => listeners.push(listener),
      send: () => Promise.resolve(),
    };
  }

  const options = {
    ...{ user: 'root', password: undefined, command: 'true', timeoutMs: 1000 },
    ...{ prompt: /[#$] $/, loginPrompt: /login: $/, passwordPrompt: /Password: $/ },
    ...{ signal: new AbortController().signal, onOutput: () => {} },
  };

  test('waits for its login, and says so once', async () => {
    const onBooting = vi.fn();
    const run = runInShell(bootingFor(60, '\r\nvm1 login: '), { ...options, onBooting });
    // It has come further than to the login: this VM does not answer to a name.
    const refused = expect(run).rejects.toMatchObject({
      details: { pattern: expect.stringContaining('Password') as unknown },
      message: expect.stringContaining('within 60 s') as unknown,
    });
    await vi.advanceTimersByTimeAsync(130_000);
    await refused;
    expect(onBooting.mock.calls).toEqual([[180_000]]);
  });

  test('gives up after minutes in which it only prints', async () => {
    const run = runInShell(bootingFor(400, ''), options);
    const refused = expect(run).rejects.toMatchObject({
      message: 'no login and no shell prompt came within 180 s',
    });
    await vi.advanceTimersByTimeAsync(181_000);
    await refused;
  });
});

test('runInShell gives up at the deadline and shows what came last', async () => {
  boot('/bin/sh', '-i');
  await expect(runCommand('echo begun; sleep 60', { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'E_EXPECT_TIMEOUT',
    exitCode: 124,
    details: { lastLines: expect.arrayContaining(['begun']) as unknown },
  });
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
      boot(join(directory, 'getty'));
      await expect(runCommand(command, { timeoutMs: 500, signalMs: 1000 })).rejects.toMatchObject({
        code,
      });
      await shows('\r', /login: $/);
      expect(await runCommand('stty -a | grep -o " echo "; exit 4')).toEqual({
        ...{ status: 4, output: '' },
      });
      await shows('x\r', /x\r\nPassword: $/);
    },
    60_000,
  );

  test('when the command is stopped, which a shell with its job would not be left for', async () => {
    boot(join(directory, 'getty'));
    expect(await runCommand('kill -STOP 0')).toEqual({ status: 147, output: '' });
    await shows('\r', /login: $/);
    expect(await runCommand('ps -t "$(tty)" -o stat= | grep -c T; exit 4')).toEqual({
      ...{ status: 4, output: '0\n' },
    });
  });

  test('when it is interrupted while the login is under way', async () => {
    await writeFile(join(directory, 'slow'), '');
    boot(join(directory, 'getty'));
    const abort = new AbortController();
    const reason = new Error('interrupted');
    const left = vi.fn();
    const running = runCommand('echo never', { abort: abort.signal, onLeftOpen: left });
    const refused = expect(running).rejects.toBe(reason);
    await shows('', /Password: \r\n$/);
    abort.abort(reason);
    await refused;
    await shows('\r', /login: $/);
    expect(left).not.toHaveBeenCalled();
  });

  test('or says that it could not', async () => {
    boot(join(directory, 'getty'));
    const left = vi.fn();
    const abort = new AbortController();
    const reason = new Error('interrupted');
    const running = runCommand('echo begun; sleep 600', {
      ...{ abort: abort.signal, tidyMs: 300, onLeftOpen: left },
      onOutput: () => {
        // From here on the VM hears nothing.
        rig.vm.onInput = () => undefined;
        abort.abort(reason);
      },
    });
    await expect(running).rejects.toBe(reason);
    expect(left).toHaveBeenCalledOnce();
  });

  test('when it is interrupted, in a shell that somebody left logged in', async () => {
    boot('/bin/bash', '--norc', '--noprofile', '-i');
    const abort = new AbortController();
    const reason = new Error('interrupted');
    const onOutput = (): void => abort.abort(reason);
    const running = runCommand('echo begun; sleep 600', { abort: abort.signal, onOutput });
    await expect(running).rejects.toBe(reason);
    await shows(
      'stty size; stty -a | grep -o " echo "\r',
      /24 80\r\n(?:[^]* echo \r\n)[^\r\n]*\$ $/,
    );
    expect(await runCommand('echo again')).toEqual({ status: 0, output: 'again\n' });
    await shows('stty size\r', /24 80\r\n[^\r\n]*\$ $/);
  });
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
    await writeFile(join(directory, 'motd'), `${lines.join('\n')}\n`);
    boot(join(directory, 'getty'));
    expect(await runCommand('echo in')).toEqual({ status: 0, output: 'in\n' });
  });

  test.each(['Passwort: ', 'Mot de passe : ', 'Contraseña: ', 'Пароль: ', '密码：'])(
    'where it is asked for %j',
    async (asks) => {
      await writeFile(join(directory, 'asks'), asks);
      boot(join(directory, 'getty'));
      expect(await runCommand('echo in')).toEqual({ status: 0, output: 'in\n' });
      // The echo is off before the password is typed, however late the VM does that.
      expect(rig.hub.vm('vm1')?.history.snapshot().includes('se cret')).toBe(false);
    },
  );
});

describe('runInShell finds the end', () => {
  test.each(['0;x', 'P', '_', 'X', ']0;', '[3'])('behind an unfinished ESC %s', async (begun) => {
    boot(join(directory, 'getty'));
    const { status, output } = await runCommand(`printf '\\033${begun}'; echo after; exit 3`);
    expect(status).toBe(3);
    expect(output).toBe(`\x1b${begun}after\n`);
  });

  test('when the kernel prints into its mark', async () => {
    boot('/bin/sh', '-i');
    const { onInput } = rig.vm;
    const print = rig.vm.print.bind(rig.vm);
    let split = false;
    rig.vm.print = (data) => {
      const text = data.toString();
      const at = /vsb[0-9a-f]{12}>/.exec(text)?.index;
      if (at === undefined || split) return print(data);
      split = true;
      print(text.slice(0, at + 8));
      print('[   12.345678] usb 1-1: new device\r\n');
      print(text.slice(at + 8));
    };
    rig.vm.onInput = onInput;
    const { status, output } = await runCommand('echo out; exit 5');
    expect(split).toBe(true);
    expect(status).toBe(5);
    expect(output).toMatch(/^out\n/);
  });

  test('of output that is any bytes', async () => {
    boot('/bin/sh', '-i');
    const { output } = await runCommand(`printf '\\374\\r\\n\\r\\000\\t\\033[1mx\\n\\n'`);
    expect(output).toBe('\xfc\r\n\r\x00\t\x1b[1mx\n\n');
  });

  test('of commands in any characters', async () => {
    boot('/bin/sh', '-i');
    const odd = `printf '%s' '=%s\\n\`$x é ü\x03\x04\x15 "'; cat <<'END'\n-n =\nEND\n`;
    expect(Buffer.from((await runCommand(odd)).output, 'latin1').toString()).toBe(
      '=%s\\n`$x é ü\x03\x04\x15 "-n =\n',
    );
  });
});
