import unicode11Addon from '@xterm/addon-unicode11';
import headless from '@xterm/headless';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import type { VsbError } from '../../../src/base/errors.js';
import { ScreenRenderer } from '../../../src/console/gateway/screen.js';
import { History } from '../../../src/console/hub/history.js';
import { collect, ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { uuid1 } from '../../rig/hub-rig.js';

/** What a terminal of that size shows after this output. */
async function shown(
  output: string | Buffer,
  columns = 80,
  rows = 24,
): Promise<{ lines: string[]; cursor: [number, number]; alternate: boolean }> {
  const terminal = new headless.Terminal({ cols: columns, rows, allowProposedApi: true });
  terminal.loadAddon(new unicode11Addon.Unicode11Addon());
  terminal.unicode.activeVersion = '11';
  await new Promise<void>((resolve) => terminal.write(output, resolve));
  const { active } = terminal.buffer;
  const lines = Array.from(
    { length: rows },
    (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '',
  );
  const cursor: [number, number] = [active.cursorX, active.cursorY];
  terminal.dispose();
  return { lines, cursor, alternate: active.type === 'alternate' };
}

describe('ScreenRenderer', () => {
  let renderer: ScreenRenderer;

  beforeAll(() => {
    renderer = new ScreenRenderer();
  });

  afterAll(() => {
    renderer.close();
  });

  const size = { columns: 80, rows: 24 };

  /** Of a console by default that asks for nothing else. */
  const draw = async (output: string | Buffer, console = {}): Promise<string> =>
    String(await renderer.render(console, () => Buffer.from(output), size));

  test.each([
    ['a prompt', 'boot\r\nlogin: '],
    ['more lines than fit', 'line\r\n'.repeat(100) + '# '],
    ['a menu drawn by address', '\x1b[2J\x1b[5;10HGRUB\x1b[7;3H*Debian\x1b[12;1H'],
    ['a full-screen program', 'before\r\n\x1b[?1049h\x1b[H\x1b[2Jvi\x1b[24;1H:wq\x1b[3;4H'],
    ['one that has ended', 'before\r\n\x1b[?1049h\x1b[Hvi\x1b[?1049lafter'],
    ['emoji', '\x1b[1;1H😀\x1b[1;3HX\x1b[2;1H✅\x1b[2;3HX\x1b[3;1H日本\x1b[3;5HX'],
    ['colours', '\x1b[31mred\x1b[0m plain \x1b[1;44mbold\x1b[0m'],
  ])('gives a late terminal the same screen: %s', async (_, output) => {
    const late = await draw(output);
    expect(await shown(late)).toEqual(await shown(output));
  });

  const menu = '\x1b[2J\x1b[1;1Htop\x1b[24;1Hbottom\x1b[5;10r';
  const inRegion = '\x1b[5;1Hone\x1b[10;1H\r\ntwo\x1b[1;1Hhome\x1b[7;3H';
  const wide = 'w'.repeat(100);

  // In each: what was printed before it is drawn, and after it.
  test.each([
    [
      'a progress bar of apt',
      `one\r\ntwo\r\n\x1b7\x1b[1;23r\x1b8\x1b7\x1b[24;1H50%\x1b8`,
      inRegion,
    ],
    ['a scroll region', `${menu}\x1b[5;1Hmid`, inRegion],
    ['origin mode', `${menu}\x1b[?6h\x1b[3;4Hmid`, `!${inRegion}`],
    ['origin mode, left again', `${menu}\x1b[?6h\x1b[?6l\x1b[7;1H`, inRegion],
    ['line drawing', 'login: qqq\x1b(0', 'qqq\x1b(Bqqq\x0eqqq'],
    ['line drawing in G1, as vt220 has it', '\x1b(B\x1b)0\x0eqqq\x0fqqq', 'qqq\x0eqqq\x0fqqq'],
    ['line drawing in G1, in use', '\x1b)0qqq\x0eqqq', 'qqq\x0fqqq'],
    ['insert mode', 'hello\r\n\x1b[4h', '\x1b[1;1Hoh '],
    ['no autowrap', `${wide}\x1b[?7l\r\n`, wide],
    ['a cursor at the top', `${'line\r\n'.repeat(30)}\x1b[1;1H\x1b[K`, 'top'],
    ['a full-screen program', 'before\r\n\x1b[?1049h\x1b[H\x1b[2Jvi\x1b[5;10r', '\x1b[?1049lafter'],
    ['one with a region that has ended', 'a\r\n\x1b[?1049h\x1b[5;10rvi\x1b[?1049l', inRegion],
    ['one after it', '\x1b[?1049h\x1b[5;10r\x1b[?1049l\x1b[?1049h\x1b[Hvi', inRegion],
    ['a region that is none', `${menu}\x1b[10;5r\x1b[7;1H`, inRegion],
  ])(
    'what comes after it lands where it should, on the same terminal too: %s',
    async (_, before, after) => {
      const drawn = await draw(before);
      const expected = await shown(before + after);
      expect(await shown(drawn + after)).toEqual(expected);
      expect(await shown(before + drawn + after)).toEqual(expected);
    },
  );

  test.each([
    ['a scroll region', `${menu}\x1b[10;1H`],
    ['origin mode', `${menu}\x1b[?6h`],
    ['line drawing', '\x1b(0\x1b)0\x0e'],
    ['insert mode', '\x1b[4h'],
    ['no autowrap', '\x1b[?7l'],
    ['a full-screen program', '\x1b[?1049h\x1b[Hvi\x1b[5;10r'],
    ['a screen that is full, with the cursor at its top', `${'full\r\n'.repeat(30)}\x1b[H`],
  ])('is drawn whatever the terminal was left in: %s', async (_, left) => {
    const before = `q${wide}\r\nlogin: `;
    const drawn = await draw(before);
    expect(await shown(`${left}${drawn}q${wide}`)).toEqual(await shown(`${before}q${wide}`));
  });

  test('what the terminal showed is scrolled away, not erased', async () => {
    const terminal = new headless.Terminal({ cols: 80, rows: 24, allowProposedApi: true });
    const drawn = await draw('VM');
    const left = `${Array.from({ length: 24 }, (_, row) => `row ${row}`).join('\r\n')}\x1b[3;1H`;
    await new Promise<void>((resolve) => terminal.write(left + drawn, resolve));
    const { normal } = terminal.buffer;
    const lines = [0, 23, 24].map((row) => normal.getLine(row)?.translateToString(true));
    expect(lines).toEqual(['row 0', 'row 23', 'VM']);
    terminal.dispose();
  });

  test('a hidden cursor stays hidden', async () => {
    const hidden = await draw('\x1b[?25l');
    expect(hidden).toMatch(/\x1b\[\?25l$/); // eslint-disable-line no-control-regex
  });

  test('leaves out questions, titles and clipboard writes of the past', async () => {
    const attack = '\x1b]52;c;AAAA\x07\x1b]0;title\x07\x1b[c\x1b[6n\x1b[21t\x05ok';
    const late = await draw(attack);
    expect(late).toBe(await draw('ok'));
  });

  test('output that would keep a terminal busy for ever is given up, and the next screen is drawn', async () => {
    // A thread takes a twentieth of it to start, where nothing else runs.
    renderer.close();
    renderer = new ScreenRenderer(2000);
    const busy = Buffer.from('\x1b[2147483647S\x1b[2147483647T'.repeat(100));
    await expect(draw(busy)).rejects.toMatchObject({ code: 'E_DEADLINE' });
    const huge = Buffer.from('x\x1b[2147483647b');
    await expect(draw(huge)).rejects.toThrow(/screen/);
    expect(await draw('fine')).toContain('fine');
  });

  test('a console that cannot be drawn holds up the others once, and is not tried again soon', async () => {
    const impatient = new ScreenRenderer(4000);
    const busy = {};
    let tries = 0;
    const hang = async (): Promise<void> => {
      const takeHistory = (): Buffer => {
        tries++;
        return Buffer.from('\x1b[2147483647S'.repeat(1000));
      };
      await impatient.render(busy, takeHistory, size);
    };
    const order: string[] = [];
    const failing = [hang(), hang(), hang()].map((drawn) =>
      drawn.catch((error: unknown) => order.push((error as VsbError).code)),
    );
    const innocent = impatient.render({}, () => Buffer.from('innocent'), size);
    await innocent.then(() => order.push('drawn'));
    await Promise.all(failing);
    await expect(hang()).rejects.toMatchObject({ code: 'E_DEADLINE' });
    expect(order).toEqual(['E_DEADLINE', 'drawn', 'E_DEADLINE', 'E_DEADLINE']);
    expect(tries).toBe(1);
    impatient.close();
  });

  test('draws a history of 1 MB', async () => {
    const history = Buffer.from('[   12.345678] kernel: a line of a boot log\r\n'.repeat(25_000));
    expect((await shown(await draw(history))).lines[0]).toContain('boot log');
  });
});

test('History begins at a whole line once it has moved on', () => {
  const history = new History(32);
  history.append(Buffer.from('first line\nsecond\n'));
  expect(String(history.snapshot())).toBe('first line\nsecond\n');
  history.append(Buffer.from('third is long enough\n'));
  expect(String(history.snapshot())).toBe('second\nthird is long enough\n');
  history.append(Buffer.alloc(40, 'x'));
  expect(history.snapshot().length).toBe(32);
});

describe('a session', () => {
  let rig: ConsoleRig;

  beforeEach(async () => {
    rig = await ConsoleRig.start();
  });

  afterEach(async () => {
    await rig.stop();
  });

  const pty = { cols: 80, rows: 24, term: 'xterm' };

  test('on a terminal sees the screen first, then what comes, without a byte lost or doubled', async () => {
    const before = '\x1b[?1049h\x1b[2J\x1b[10;10Hfull screen';
    await rig.print(before);
    const channel = await rig.exec(await rig.login(), 'attach', { pty });
    const seen = collect(channel);
    rig.vm.print('\x1b[11;10Hmore');
    await eventually(() => expect(seen.text).toContain('more'));
    expect(await shown(seen.text)).toEqual(await shown(`${before}\x1b[11;10Hmore`));
    expect((await shown(seen.text)).alternate).toBe(true);
  });

  test('has its screen drawn again without a byte lost or doubled, also within a sequence', async () => {
    const boot = '[   12.345678] kernel: a line of a boot log\r\n'.repeat(4000);
    await rig.print(boot);
    const client = await rig.login();
    const seen = collect(await rig.exec(client, 'attach none', { pty }));
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
    const keys = 'abcdefghijklmnopqrstuvwxyz'.repeat(2);
    const redrawn = rig.exec(client, 'redraw').then((channel) => rig.ending(channel));
    for (const key of keys) {
      rig.vm.print(key);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await redrawn).toMatchObject({ status: 0, output: '' });
    await rig.print('\r\n\x1b[3');
    expect((await rig.ending(await rig.exec(client, 'redraw'))).status).toBe(0);
    await rig.print(Buffer.concat([Buffer.from('1mred\x1b[0m '), Buffer.from('€').subarray(0, 2)]));
    expect((await rig.ending(await rig.exec(client, 'redraw'))).status).toBe(0);
    await rig.print(Buffer.concat([Buffer.from('€').subarray(2), Buffer.from(' end')]));
    await eventually(() => expect(seen.text).toMatch(/ end$/));
    const output = Buffer.from(`${boot}${keys}\r\n\x1b[31mred\x1b[0m € end`);
    expect(await shown(Buffer.from(seen.text, 'latin1'))).toEqual(await shown(output));
  });

  test('loses nothing when its screen cannot be drawn again', async () => {
    await rig.print('\x1b[2147483647S'.repeat(1000));
    const client = await rig.login();
    const seen = collect(await rig.exec(client, 'attach none', { pty }));
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
    const redrawn = rig.exec(client, 'redraw').then((channel) => rig.ending(channel));
    await rig.print('meanwhile');
    expect(await redrawn).toMatchObject({ notices: expect.stringMatching(/E_DEADLINE/) as string });
    await eventually(() => expect(seen.text).toBe('meanwhile'));
    expect(await rig.ask('redraw')).toMatchObject({ status: 2 });
  });

  test('can have all lines, or nothing of what was', async () => {
    await rig.print('one\r\ntwo\r\n');
    const lines = collect(await rig.exec(await rig.login(), 'attach lines', { pty }));
    const none = collect(await rig.exec(await rig.login(), 'attach none', { pty }));
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(2));
    rig.vm.print('three');
    await eventually(() => expect(none.text).toBe('three'));
    await eventually(() => expect(lines.text).toBe('one\r\ntwo\r\nthree'));
  });

  test('is shown what comes although the screen of before cannot be drawn', async () => {
    await rig.print('\x1b[2147483647S'.repeat(1000));
    const seen = collect(await rig.exec(await rig.login(), 'attach', { pty }));
    await eventually(() => expect(seen.notices).toContain('no screen from before'));
    rig.vm.print('after');
    await eventually(() => expect(seen.text).toBe('after'));
  });

  test('of a VM that started again out of a full-screen program shows what it prints, with no modes left', async () => {
    await rig.print('before\r\n# vi');
    const terminal = collect(await rig.exec(await rig.login(), 'attach none', { pty }));
    const pipe = collect(await rig.exec(await rig.login(), 'watch none'));
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(2));
    const left = '\x1b[?1049h\x1b[2J\x1b[?25l\x1b[?1000h\x1b[5;10r\x1b[?6h\x1b)0\x0evi\x1b]0;ti';
    await rig.print(left);
    await eventually(() => expect(terminal.text + pipe.text).toBe(left + left));
    rig.l1.reboot(9n);
    const boot = 'boot qqq\r\n'.repeat(60) + 'login: ';
    rig.l1.addVm({ uuid: uuid1, generation: 7 }).print(boot);
    await eventually(() => expect(terminal.text).toMatch(/login: $/));
    await eventually(() => expect(pipe.text).toBe(left + boot));
    const whole = await shown(`before\r\n# vi${boot}`);
    expect(await shown(`before\r\n# vi${terminal.text}`)).toEqual(whole);
    expect(terminal.text.slice(left.length)).toMatch(/\[\?25h[^]*\[\?1000l/);
    const { output } = await rig.ask('history screen');
    expect(await shown(output)).toEqual(whole);
    expect(output).not.toMatch(/\[\?(25l|1049h|1000h)/);
    expect(output).toContain('before');
  });

  test('one connection that asks for many screens leaves turns to the others at its console', async () => {
    await rig.print('a line of a boot log\r\n'.repeat(8000));
    const [greedy, modest] = [await rig.login(), await rig.login()];
    let answered = 0;
    const many = Array.from({ length: 10 }, async () => {
      await rig.ending(await rig.exec(greedy, 'history screen'));
      answered++;
    });
    await rig.ending(await rig.exec(modest, 'history screen'));
    expect(answered).toBeLessThan(5);
    await Promise.all(many);
  });

  test('history is given as lines or as a screen, and ends', async () => {
    await rig.print('a\r\nb\x1b[1A\rc');
    expect(await rig.ask('history')).toMatchObject({ status: 0, output: 'a\r\nb\x1b[1A\rc' });
    const { output } = await rig.ask('history screen');
    expect((await shown(output)).lines.slice(0, 2)).toEqual(['c', 'b']);
  });
});
