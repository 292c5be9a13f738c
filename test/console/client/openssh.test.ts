/** Stock OpenSSH, by the file that `ssh-config` writes, on a real terminal, whose screen is looked at. */
import { existsSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { CliInstance } from '../../rig/cli-instance.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
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
    rig.vm.echo();
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
