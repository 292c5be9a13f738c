/** The compiled program and stock OpenSSH on a real terminal, whose screen is looked at. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { spawn } from '@lydell/node-pty';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { runSchema, whoSchema } from '../../../src/contract/documents/console.js';
import { CliInstance } from '../../rig/cli-instance.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { executable } from '../../rig/run-cli.js';
import { closeScreens, Screen } from '../../rig/screen.js';

let rig: ConsoleRig;
let instance: CliInstance;

beforeEach(async () => {
  rig = await ConsoleRig.start();
  instance = await CliInstance.start(rig);
});

afterEach(async () => {
  closeScreens();
  await instance.stop();
  await rig.stop();
});

function vsbypass(...words: string[]): Screen {
  return new Screen(instance, process.execPath, [executable, ...words]);
}

/** Plays a program that answers with what was typed. */
function echo(): void {
  rig.vm.onInput = (bytes) =>
    rig.vm.print(Buffer.from(bytes.toString('latin1').replace(/\r/g, '\r\n')));
}

describe('vsbypass console on a terminal', () => {
  test('shows the screen, types, explains its keys, tells who is there, and gives the terminal back', async () => {
    await rig.print('\x1b[2J\x1b[5;5Hlogin: ');
    const screen = vsbypass('console', 'vm1');
    await screen.shows(/^ {4}login:$/m);
    echo();
    screen.type('root\r');
    await screen.shows(/login: root/);
    screen.type('~?');
    await screen.shows(/~\^Z {2}suspend/);
    screen.type('~w');
    await screen.shows(/types {4}alice 127/);
    screen.type('~s');
    await screen.shows(/path: secure: shadow UART of slot 0/);
    screen.type('~B');
    await rig.vm.requested('break');
    expect(screen.marksPastes).toBe(true);
    screen.type('~.');
    await screen.ends();
    await screen.shows(/left the console of vm1/);
    expect(screen.marksPastes).toBe(false);
  });

  test('takes nothing that is pasted for a command, and marks it for a VM that wants it', async () => {
    const screen = vsbypass('console', 'vm1');
    await screen.shows(/secure console of vm1/);
    await eventually(() => expect(screen.marksPastes).toBe(true));
    screen.paste('one\r~.\r~B');
    expect(String(await rig.vm.inputReached(9))).toBe('one\r~.\r~B');
    rig.vm.print('\x1b[?2004h# ');
    await screen.shows(/#/);
    screen.paste('two');
    expect(String(await rig.vm.inputReached(24)).slice(9)).toBe('\x1b[200~two\x1b[201~');
    rig.vm.print('\x1b[?2004loff');
    await screen.shows(/off/);
    await eventually(() => expect(screen.marksPastes).toBe(true));
    screen.paste('three');
    expect(String(await rig.vm.inputReached(29)).slice(24)).toBe('three');
    screen.type('\r~.');
    await screen.ends();
  });

  test('draws the screen again at its new size, and types that size only when asked to', async () => {
    const screen = vsbypass('console', 'vm1');
    await screen.shows(/secure console of vm1/);
    screen.resize(100, 30);
    await rig.print('\x1b[2J\x1b[30;90Hcorner');
    screen.type('~z');
    expect(String(await rig.vm.inputReached(22))).toBe('stty rows 30 cols 100\r');
    screen.type('~r');
    await screen.shows(/^ {89}corner$/m);
    screen.type('~.');
    await screen.ends();
  });

  test('suspends and comes back, with the terminal as each needs it', async () => {
    const screen = new Screen(instance, '/bin/bash', ['--norc', '--noprofile', '-i'], {
      PS1: '$ ',
    });
    await screen.shows(/^\$/m);
    screen.type(`${process.execPath} ${executable} console vm1\r`);
    await screen.shows(/secure console of vm1/);
    await rig.print('before');
    await screen.shows(/before/);
    screen.type('~\x1a');
    await screen.shows(/Stopped/);
    screen.type('stty -a | grep -o " -\\?icanon"; echo do""ne\r');
    await screen.shows(/^ icanon\ndone$/m);
    rig.vm.print(' meanwhile');
    screen.type('fg\r');
    await screen.shows(/meanwhile/);
    echo();
    screen.type('typed');
    await screen.shows(/typed/);
    screen.type('\r~.');
    await screen.shows(/left the console of vm1\]\n\$/);
    screen.type('exit\r');
    await screen.ends();
  });

  test('connects again when the gateway comes back', async () => {
    const screen = vsbypass('console', 'vm1', '--reconnect');
    await screen.shows(/secure console of vm1/);
    await rig.print('before');
    await rig.startGateway();
    await screen.shows(/connected again/);
    rig.vm.print(' after');
    await screen.shows(/before after/);
    screen.type('x\r~.');
    await screen.ends();
  });

  test('fails closed on a changed host key: exit code 7, and the terminal is not touched', async () => {
    await rig.startGateway({ hostKeyPem: ConsoleRig.strangerKey.privatePem });
    const screen = vsbypass('console', 'vm1');
    await screen.shows(/E_CONSOLE_HOST_KEY/);
    await screen.ends(7);
    expect(screen.marksPastes).toBe(false);
  });

  test('two terminals at one VM: the second looks on, takes over, and the first is told', async () => {
    const first = vsbypass('console', 'vm1');
    await first.shows(/secure console of vm1/);
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
    const second = vsbypass('console', 'vm1');
    await second.shows(/you only see this: alice/);
    second.type('~t');
    await first.shows(/types here now, you only see it/);
    await second.shows(/you type here now/);
    second.type('mine');
    expect(String(await rig.vm.inputReached(4))).toBe('mine');
    const third = vsbypass('console', 'vm1', '--take');
    await second.shows(/types here now, you only see it/);
    for (const screen of [first, second, third]) screen.type('\r~.');
    for (const screen of [first, second, third]) await screen.ends();
  });

  test('records what was shown, and warns before it records what is typed', async () => {
    const screen = vsbypass('console', 'vm1', '--record', 'a.cast', '--record-input');
    await screen.shows(/a\.cast gets all that you type, passwords too/);
    await rig.print('shown');
    await screen.shows(/shown/);
    screen.type('typed');
    await rig.vm.inputReached(5);
    screen.type('\r~.');
    await screen.ends();
    const [header, ...events] = (await readFile(join(instance.directory, 'a.cast'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown[]);
    expect(header).toMatchObject({ version: 2, width: 80, height: 24 });
    const joined = (type: string) =>
      events.flatMap(([, kind, text]) => (kind === type ? [text] : [])).join('');
    expect(joined('o')).toContain('shown');
    expect(joined('i')).toBe('typed\r');
  });

  test('leaves out what attacks the terminal', async () => {
    const screen = vsbypass('console', 'vm1', '--sanitize');
    await screen.shows(/secure console of vm1/);
    rig.vm.print('\x1b]0;evil\x07\x1b[c\x1b]52;c;AAAA\x07\x1b[6nfine');
    await screen.shows(/fine/);
    expect(screen.raw).not.toContain('\x1b]');
    expect(rig.vm.input.length).toBe(0);
    screen.type('\r~.');
    await screen.ends();
  });
});

describe("a terminal's own answers", () => {
  test('do not move the start of the line: ~. at a prompt that asks where the cursor is', async () => {
    const screen = vsbypass('console', 'vm1');
    await screen.shows(/secure console of vm1/);
    rig.vm.onInput = (bytes) => {
      if (bytes.includes('\r')) rig.vm.print('\r\n# \x1b[6n\x1b[5n\x1b[c');
    };
    screen.type('\r');
    await eventually(() => expect(String(rig.vm.input)).toMatch(/R[^]*n[^]*c$/));
    screen.type('~.');
    await screen.ends();
  });

  test('are no typing: nobody is told, nobody becomes the one that types, and only one terminal is heard', async () => {
    const first = vsbypass('console', 'vm1');
    await first.shows(/secure console of vm1/);
    const waits = vsbypass('console', 'vm1');
    const watches = vsbypass('console', 'vm1', '--watch');
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(3));
    await rig.print('\x1b[5nasked');
    for (const screen of [first, waits, watches]) await screen.shows(/asked/);
    expect(String(await rig.vm.inputReached(4))).toBe('\x1b[0n');
    first.type('\r~.');
    await first.ends();
    await waits.shows(/nobody types here now/);
    await rig.print('\x1b[5nagain');
    await watches.shows(/again/);
    watches.type('x');
    await watches.shows(/not typed/);
    expect(watches.text.match(/not typed/g)).toHaveLength(1);
    expect(watches.text).toMatch(/again[^]*not typed/);
    const { stdout } = await instance.run(['console', 'who', 'vm1']);
    expect(stdout).not.toMatch(/types/);
    expect(String(rig.vm.input)).toBe('\x1b[0n\r');
    waits.type('typed');
    expect(String(await rig.vm.inputReached(10)).slice(5)).toBe('typed');
  });

  test('keep no session alive that nobody types at', async () => {
    await rig.startGateway({ limits: { idleMs: 2500 } });
    const screen = vsbypass('console', 'vm1');
    await screen.shows(/secure console of vm1/);
    const asking = setInterval(() => rig.vm.print('\x1b[5n'), 100);
    try {
      await screen.shows(/nothing was typed for/);
    } finally {
      clearInterval(asking);
    }
    expect(rig.vm.input.length).toBeGreaterThan(0);
    await screen.ends(4);
  });
});

describe.skipIf(!existsSync('/usr/bin/ssh'))('stock OpenSSH on a terminal', () => {
  let config: string;

  beforeEach(async () => {
    const { stdout } = await instance.run(['ssh-config']);
    config = stdout.trim();
  });

  function ssh(...words: string[]): Screen {
    return new Screen(instance, '/usr/bin/ssh', ['-F', config, ...words]);
  }

  test('sees the screen, types, sends a BREAK by ~B, and leaves by ~.', async () => {
    await rig.print('\x1b[2J\x1b[5;5Hlogin: ');
    const screen = ssh('vm1');
    await screen.shows(/^ {4}login:$/m);
    echo();
    screen.type('root\r');
    await screen.shows(/login: root/);
    screen.type('~B');
    await rig.vm.requested('break');
    screen.type('~.');
    await screen.ends(255);
  });

  test('asks who is there and how the VM is, watches, takes over, types the size', async () => {
    const first = ssh('vm1');
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
    const who = ssh('vm1', 'who');
    await who.shows(/types {4}alice/);
    await who.ends();
    const status = ssh('vm1', 'status');
    await status.shows(/VM vm1: running\npath: secure/);
    await status.ends();
    const watcher = ssh('vm1', 'watch');
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(2));
    watcher.type('no');
    await watcher.shows(/not typed: this session only watches/);
    const taker = ssh('vm1', 'take');
    await first.shows(/types here now, you only see it/);
    taker.type('mine');
    expect(String(await rig.vm.inputReached(4))).toBe('mine');
    await ssh('vm1', 'size').ends(2);
    await ssh('vm1', 'size', 'take').ends();
    expect(String(await rig.vm.inputReached(25)).slice(4)).toBe('stty rows 24 cols 80\r');
    await ssh('vm1', 'break', 'take', 'h').ends();
    await rig.vm.requested('break');
    for (const screen of [first, watcher, taker]) screen.type('\r~.');
  });

  test('is refused what is no verb, and what the key may not', async () => {
    const refused = ssh('vm1', 'rm', '-rf', '/');
    await refused.shows(/request failed/);
    const unknown = ssh('-o', 'User=vm7', 'vm1');
    await unknown.shows(/no VM is known as 'vm7';.* there are: vm1/);
    await unknown.ends(2);
  });
});

describe('vsbypass console without a terminal', () => {
  test('who and break answer, and what is refused ends with its exit code', async () => {
    expect(await instance.run(['console', 'who', 'vm1'])).toEqual({
      ...{ code: 0, stderr: '', stdout: 'nobody is at the console of vm1\n' },
    });
    const json = await instance.run(['console', 'who', 'vm1', '--json']);
    expect(whoSchema.parse(JSON.parse(json.stdout))).toMatchObject({ vm: 'vm1', sessions: [] });
    expect(await instance.run(['console', 'break', 'vm1', '--sysrq', 't'])).toMatchObject({
      ...{ code: 0, stdout: "BREAK and 't' sent\n" },
    });
    expect(String(await rig.vm.inputReached(1))).toBe('t');
    await rig.shell(await rig.login());
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
    expect(await instance.run(['console', 'break', 'vm1'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/alice \S+ types .* \[E_CONSOLE_REFUSED\]/) as string,
    });
    expect(await instance.run(['console', 'vm1', '--send', 'x'])).toMatchObject({ code: 2 });
    expect(await instance.run(['console', 'vm1', '--watch', '--take'])).toMatchObject({ code: 2 });
  });

  test('run gives the output and the exit code, and the document that tells them apart', async () => {
    const shell = spawn('/bin/sh', ['-i'], {
      cols: 80,
      rows: 24,
      env: { ...instance.env, PS1: '$ ' },
    });
    shell.onData((text) => rig.vm.print(text));
    rig.vm.onInput = (bytes) => shell.write(bytes.toString('latin1'));
    try {
      const run = (...words: string[]) => instance.run(['console', 'run', 'vm1', ...words]);
      expect(await run('--', 'echo "a  b"; exit 3')).toEqual({
        ...{ code: 3, stdout: 'a  b\n', stderr: '' },
      });
      expect(await run('--', 'printf', '%s|', 'a  b', '$HOME')).toMatchObject({
        ...{ code: 0, stdout: 'a  b|$HOME|' },
      });
      const { code, stdout } = await run('--json', '--', 'echo out; exit 7');
      expect(code).toBe(0);
      expect(runSchema.parse(JSON.parse(stdout))).toEqual({
        ...{ schemaVersion: 1, vm: 'vm1', exitCode: 7, output: 'out\n' },
      });
      expect(await run('--timeout', '1', '--', 'sleep 30')).toMatchObject({
        code: 124,
        stderr: expect.stringContaining('E_EXPECT_TIMEOUT') as string,
      });
      expect(await run('--password-env', 'NONE', '--', 'id')).toMatchObject({ code: 2 });
    } finally {
      shell.kill('SIGKILL');
    }
  });

  test('a key with a passphrase is for the agent, and says so', async () => {
    await writeFile(join(instance.directory, 'not a key'), 'x');
    expect(await instance.run(['console', 'who', 'vm1', '--identity', 'not a key'])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('E_CONSOLE_KEY') as string,
    });
  });
});
