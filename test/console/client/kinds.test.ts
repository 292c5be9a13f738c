/**
 * Kinds of faults from public reports of other consoles (docs/console-cases.md), tried with the compiled program on a
 * terminal. One gateway for all: each test leaves it with nobody there.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { CliInstance } from '../../rig/cli-instance.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { closeScreens, vsbypass, type Screen } from '../../rig/screen.js';

let rig: ConsoleRig;
let instance: CliInstance;

beforeAll(async () => {
  rig = await ConsoleRig.start();
  instance = await CliInstance.start(rig);
});

afterEach(async () => {
  closeScreens();
  await sessions(0);
  rig.vm.input = Buffer.alloc(0);
});

afterAll(async () => {
  await instance.stop();
  await rig.stop();
});

async function sessions(count: number): Promise<void> {
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(count));
}

/** @param words by default, what earlier tests have printed is not shown */
async function attach(words: readonly string[] = ['--replay', 'none'], env = {}): Promise<Screen> {
  const screen = vsbypass(instance, ['console', 'vm1', ...words], env);
  await screen.shows(/secure console of vm1/);
  await sessions(1);
  return screen;
}

async function leave(screen: Screen): Promise<void> {
  screen.type('\r~.');
  await screen.ends();
  await sessions(0);
}

test('TERM=dumb gets no control sequence', async () => {
  await rig.print('login: ');
  const screen = await attach([], { TERM: 'dumb' });
  await screen.shows(/login:/);
  await leave(screen);
  expect(screen.raw).not.toContain('\x1b');
  expect(screen.raw).toContain('left the console');
});

test('keys that a terminal driver would take, and all other bytes, reach the VM; a long paste loses nothing', async () => {
  const screen = await attach(['--escape', 'none']);
  const keys = '\x00\x01\x03\x04\x11\x12\x13\x16\x17\x1a\x1c\x7f\x9b\xe9';
  screen.type(keys);
  await rig.vm.inputReached(Buffer.byteLength(keys));
  const pasted = `${'0123456789'.repeat(3000)}\r`;
  screen.paste(pasted);
  const all = Buffer.from(keys + pasted);
  expect((await rig.vm.inputReached(all.length)).equals(all)).toBe(true);
});

test('what is rarely switched on a terminal is undone', async () => {
  const screen = await attach();
  await rig.print(
    '\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[4 q\x1b[>1u\x1b[>4;2m\x1b[4h\x1b[?7l\x1b[?1016h\x1b(0\x0eqq end',
  );
  await eventually(() => expect(screen.raw).toContain('end'));
  await leave(screen);
  const left = screen.raw.slice(screen.raw.lastIndexOf('end'));
  const modes = ['[0 q', '[<1u', '[>4m', '[4l', '[?7h', '[?1016l', '[?1049l', '[?25h', '[?1000l'];
  for (const undo of [...modes, '(B\x0f']) expect(left).toContain(`\x1b${undo}`);
});

test('what ~r draws is undone, and recorded', async () => {
  await rig.print('\x1bc\x1b[?1049h\x1b[Hvi screen');
  const screen = await attach(['--replay', 'none', '--record', 'again.cast']);
  screen.type('~r');
  await screen.shows(/^vi screen$/);
  await leave(screen);
  expect(screen.raw.slice(screen.raw.lastIndexOf('vi screen'))).toContain('\x1b[?1049l');
  const recording = await readFile(join(instance.directory, 'again.cast'), 'utf8');
  expect(recording).toContain('vi screen');
  await rig.print('\x1b[?1049l');
});

test('what was not switched is not undone: terminals print sequences that they do not know', async () => {
  const screen = await attach();
  await leave(screen);
  // eslint-disable-next-line no-control-regex
  expect(screen.raw).not.toMatch(/\x1b\[(?:0 q|<\d*u|=0u|>4m|4l|\?7h|\?1049l)/);
});

test('a terminal that was reset by the VM is asked to mark pastes again', async () => {
  const screen = await attach();
  await eventually(() => expect(screen.marksPastes).toBe(true));
  await rig.print('\x1bcreset');
  await screen.shows(/^reset/);
  await eventually(() => expect(screen.marksPastes).toBe(true));
});

test('LF alone is one line down, and in the same column', async () => {
  const screen = await attach();
  await rig.print('\x1b[2J\x1b[3;10Hab\ncd end');
  await screen.shows(/^ {9}ab\n {11}cd end$/m);
  await leave(screen);
  expect(screen.raw).toContain('ab\ncd end');
});

test('nothing of a paste counts after a soft reset by the VM (DECSTR)', async () => {
  const screen = await attach();
  await eventually(() => expect(screen.marksPastes).toBe(true));
  await rig.print('\x1b[!preset');
  await screen.shows(/reset/);
  await eventually(() => expect(screen.raw).toMatch(/reset[^]*\[\?2004h/));
  await eventually(() => expect(screen.marksPastes).toBe(true));
  screen.paste('one\r~.\r');
  expect(String(await rig.vm.inputReached(7))).toBe('one\r~.\r');
});

test('~^Z where nobody could continue it, as it leads its session, leaves the terminal raw', async () => {
  const screen = await attach();
  screen.type('~\x1a');
  await eventually(() => expect(screen.raw).toMatch(/\[\?2004l[^]*\[\?2004h$/));
  screen.type('\x03\r~.');
  await screen.ends();
  expect(String(rig.vm.input)).toBe('\x03\r');
});

test('a client that is killed, or whose terminal is closed, holds nothing', async () => {
  const first = await attach();
  first.type('a');
  await rig.vm.inputReached(1);
  first.close();
  await sessions(0);
  const second = await attach();
  second.type('b');
  expect(String(await rig.vm.inputReached(2))).toBe('ab');
});

test('a recording keeps characters that come in two reads, and NUL', async () => {
  const screen = await attach(['--replay', 'none', '--record', 'vm1.cast']);
  const text = Buffer.from('a\0äöü€ end');
  for (const byte of text) await rig.print(Buffer.of(byte));
  await screen.shows(/end/);
  await leave(screen);
  const lines = (await readFile(join(instance.directory, 'vm1.cast'), 'utf8')).trim().split('\n');
  const events = lines.slice(1).map((line) => JSON.parse(line) as [number, string, string]);
  expect(events.map(([, , shown]) => shown).join('')).toBe(text.toString());
  const times = events.map(([seconds]) => seconds);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

test('a storm of sizes changes nothing, and a long output comes whole', async () => {
  const screen = await attach();
  for (let columns = 40; columns < 120; columns++) screen.resize(columns, 24);
  screen.resize(80, 24);
  await rig.print(`${'0123456789abcdef'.repeat(64)}\r\n`.repeat(500));
  await rig.print('complete');
  await screen.shows(/complete/);
  expect(screen.raw.match(/0123456789abcdef/g)).toHaveLength(64 * 500);
});

test('a gateway that ends does not leave its clients hanging', async () => {
  const screen = await attach();
  await rig.startGateway();
  await screen.ends(4);
});
