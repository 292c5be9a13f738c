/** The compiled program on a real terminal, whose screen is looked at. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { CliInstance } from '../../rig/cli-instance.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { executable } from '../../rig/run-cli.js';
import { closeScreens, Screen, vsbypass } from '../../rig/screen.js';

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

/** A shell that puts its jobs into the background and back. */
function shell(): Screen {
  return new Screen(instance, '/bin/bash', ['--norc', '--noprofile', '-i'], { PS1: '$ ' });
}

describe('vsbypass console on a terminal', () => {
  test('shows the screen, types, explains its keys, tells who is there, and gives the terminal back', async () => {
    await rig.print('\x1b[2J\x1b[5;5Hlogin: ');
    const screen = vsbypass(instance, ['console', 'vm1']);
    await screen.shows(/^ {4}login:$/m);
    rig.vm.echo();
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
    const screen = vsbypass(instance, ['console', 'vm1']);
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
    const screen = vsbypass(instance, ['console', 'vm1']);
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
    const screen = shell();
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
    rig.vm.echo();
    screen.type('typed');
    await screen.shows(/typed/);
    screen.type('\r~.');
    await screen.shows(/left the console of vm1\]\n\$/);
    screen.type('exit\r');
    await screen.ends();
  });

  test('takes the terminal again when others have stopped it, and gives it back exactly as it was', async () => {
    const screen = shell();
    await screen.shows(/^\$/m);
    screen.type('stty -g > before\r');
    const words = `${process.execPath} ${executable} console vm1`;
    screen.type(`sh -c 'echo $$ > pid; exec ${words}'; stty -g > after\r`);
    await screen.shows(/secure console of vm1/);
    const pid = Number(await readFile(join(instance.directory, 'pid'), 'utf8'));
    process.kill(pid, 'SIGSTOP');
    await screen.shows(/Stopped/);
    screen.type('fg; stty -g > after\r');
    await eventually(() => expect(screen.raw).toMatch(/fg; stty[^]*\[\?2004l[^]*\[\?2004h$/));
    screen.type('\x03');
    expect(String(await rig.vm.inputReached(1))).toBe('\x03');
    await rig.print('one\ntwo');
    await eventually(() => expect(screen.raw).toContain('one\ntwo'));
    screen.type('\r~.');
    await screen.shows(/left the console of vm1/);
    screen.type('exit\r');
    await screen.ends();
    const [before, after] = ['before', 'after'].map((name) =>
      readFileSync(join(instance.directory, name), 'utf8'),
    );
    expect(after).toBe(before);
  });

  test('only looks on in the background, its output in a file, and is not stopped', async () => {
    const screen = shell();
    await screen.shows(/^\$/m);
    screen.type(`${process.execPath} ${executable} console vm1 --watch > vm1.log &\r`);
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
    await rig.print('shown');
    const log = join(instance.directory, 'vm1.log');
    await eventually(async () => expect(await readFile(log, 'utf8')).toBe('shown'));
    screen.type('jobs\r');
    await screen.shows(/^\[1\]\+ +Running/m);
    screen.type('kill %1; wait; exit\r');
    await screen.ends();
  });

  test('connects again when the gateway comes back', async () => {
    const screen = vsbypass(instance, ['console', 'vm1', '--reconnect']);
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
    const screen = vsbypass(instance, ['console', 'vm1']);
    await screen.shows(/E_CONSOLE_HOST_KEY/);
    await screen.ends(7);
    expect(screen.marksPastes).toBe(false);
  });

  test('two terminals at one VM: the second looks on, takes over, and the first is told', async () => {
    const first = vsbypass(instance, ['console', 'vm1']);
    await first.shows(/secure console of vm1/);
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
    const second = vsbypass(instance, ['console', 'vm1']);
    await second.shows(/you only see this: alice/);
    second.type('~t');
    await first.shows(/types here now, you only see it/);
    await second.shows(/you type here now/);
    second.type('mine');
    expect(String(await rig.vm.inputReached(4))).toBe('mine');
    const third = vsbypass(instance, ['console', 'vm1', '--take']);
    await second.shows(/types here now, you only see it/);
    for (const screen of [first, second, third]) screen.type('\r~.');
    for (const screen of [first, second, third]) await screen.ends();
  });

  test('records what was shown, and warns before it records what is typed', async () => {
    const screen = vsbypass(instance, ['console', 'vm1', '--record', 'a.cast', '--record-input']);
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
    const screen = vsbypass(instance, ['console', 'vm1', '--sanitize']);
    await screen.shows(/secure console of vm1/);
    rig.vm.print('\x1b]0;evil\x07\x1b[c\x1b]52;c;AAAA\x07\x1b[6nfine');
    await screen.shows(/fine/);
    expect(screen.raw).not.toContain('\x1b]');
    expect(rig.vm.input.length).toBe(0);
    screen.type('\r~.');
    await screen.ends();
  });
});
