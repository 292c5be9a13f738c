/** What a real terminal answers by itself to what a VM prints. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { CliInstance } from '../../rig/cli-instance.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { closeScreens, vsbypass } from '../../rig/screen.js';

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

describe("a terminal's own answers", () => {
  test('do not move the start of the line: ~. at a prompt that asks where the cursor is', async () => {
    const screen = vsbypass(instance, ['console', 'vm1']);
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
    const first = vsbypass(instance, ['console', 'vm1']);
    await first.shows(/secure console of vm1/);
    const waits = vsbypass(instance, ['console', 'vm1']);
    const watches = vsbypass(instance, ['console', 'vm1', '--watch']);
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
    const screen = vsbypass(instance, ['console', 'vm1']);
    await screen.shows(/secure console of vm1/);
    const asking = setInterval(() => rig.vm.print('\x1b[5n'), 100);
    try {
      await screen.shows(/nothing was typed for/);
    } finally {
      clearInterval(asking);
    }
    expect(rig.vm.input.length).toBeGreaterThan(0);
    await screen.ends(124);
  });
});
