import headless from '@xterm/headless';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Sanitizer } from '../../../src/console/gateway/sanitize.js';
import { collect, ConsoleRig } from '../../rig/console-rig.js';

const ESC = '\x1b';
const ST = `${ESC}\\`;
const BEL = '\x07';

/**
 * What is known to have been used against terminals and their users: each must vanish without a trace, between
 * two letters that stay.
 */
const attacks: readonly (readonly [string, string])[] = [
  ['OSC 52 clipboard write', `${ESC}]52;c;cm0gLXJmIC8K${BEL}`],
  ['OSC 52 clipboard write, ended by ST', `${ESC}]52;p;cm0gLXJmIC8K${ST}`],
  ['OSC 52 clipboard read', `${ESC}]52;c;?${BEL}`],
  ['OSC 0 title and icon', `${ESC}]0;root@host${BEL}`],
  ['OSC 2 title', `${ESC}]2;\`id\`${ST}`],
  ['screen title', `${ESC}kevil${ST}`],
  ['CSI 21 t: the title as if typed (CVE-2003-0063)', `${ESC}]2;id\r${BEL}${ESC}[21t`],
  ['CSI 20 t: the icon label as if typed', `${ESC}[20t`],
  ['window operations: iconify, move, resize', `${ESC}[2t${ESC}[3;0;0t${ESC}[8;1;1t`],
  ['push and pop of the title', `${ESC}[22;0t${ESC}[23;0t`],
  ['primary device attributes', `${ESC}[c${ESC}[0c`],
  ['secondary device attributes', `${ESC}[>c`],
  ['tertiary device attributes', `${ESC}[=c`],
  ['DECID', `${ESC}Z`],
  ['device status, cursor position', `${ESC}[5n${ESC}[6n${ESC}[?6n`],
  ['DECREQTPARM', `${ESC}[x${ESC}[1x`],
  ['DECRQM mode reports', `${ESC}[?2004$p${ESC}[4$p`],
  ['DECRQCRA: the screen as if typed, sum by sum', `${ESC}[1;1;1;1;1;1*y`],
  ['ENQ answerback', '\x05'],
  ['DECRQSS', `${ESC}P$q"p${ST}`],
  ['DECRQSS with what it echoes (CVE-2008-2383)', `${ESC}P$q\nid\n${ST}`],
  ['XTGETTCAP', `${ESC}P+q544e${ST}`],
  ['XTVERSION', `${ESC}[>q`],
  ['DECUDK: keys that type commands', `${ESC}P0;1|17/726d202d7266${ST}`],
  ['DECDLD: a font', `${ESC}P1;1;1{@AAAA${ST}`],
  ['Sixel', `${ESC}Pq#0;2;0;0;0#0~~@@${ST}`],
  ['ReGIS', `${ESC}PpS(E)${ST}`],
  ['passthrough of tmux', `${ESC}Ptmux;${ESC}${ESC}]52;c;AAAA${BEL}${ST}`],
  ['APC, Kitty graphics from a file', `${ESC}_Gf=24,t=f;L2V0Yy9wYXNzd2Q=${ST}`],
  ['PM and SOS', `${ESC}^x${ST}${ESC}Xx${ST}`],
  ['OSC 8 hyperlink around text', `${ESC}]8;;file:///etc/passwd${ST}${ESC}]8;;${ST}`],
  ['OSC 4 and 10 to 12: colours asked for', `${ESC}]4;0;?${BEL}${ESC}]10;?${BEL}${ESC}]11;?${BEL}`],
  ['OSC 50 font, asked for (CVE-2022-45063)', `${ESC}]50;?;${BEL}`],
  ['OSC 7 and OSC 1337 files', `${ESC}]7;file:///${BEL}${ESC}]1337;File=inline=1:AAAA${BEL}`],
  ['OSC 9 and 777 notifications', `${ESC}]9;hi${BEL}${ESC}]777;notify;a;b${BEL}`],
  ['OSC 133 and 633 shell marks', `${ESC}]133;A${BEL}${ESC}]633;E;id${BEL}`],
  ['mouse reports', `${ESC}[?1000h${ESC}[?1002h${ESC}[?1003h${ESC}[?1006h${ESC}[?9h`],
  ['focus reports', `${ESC}[?1004h`],
  ['one bad mode among good ones', `${ESC}[?25;1003h`],
  ['modifyOtherKeys and Kitty keys', `${ESC}[>4;2m${ESC}[>1u${ESC}[?u`],
  ['printer on: output goes to a printer', `${ESC}[5i${ESC}[?5i`],
  ['keyboard locked', `${ESC}[2h`],
  ['132 columns', `${ESC}[?3h`],
  ['character set switched away from UTF-8', `${ESC}%@`],
  ['shift out', '\x0e'],
  ['scrolled lines erased', `${ESC}[3J`],
  ['a repeat without end', `${ESC}[2147483647b`],
  ['scrolling without end', `${ESC}[99999999S`],
  ['soft reset', `${ESC}[!p`],
  ['Linux console: palette', `${ESC}]P0000000${ST}`],
  ['a sequence that was cancelled', `${ESC}[5\x18`],
  ['an escape within a string', `${ESC}]0;a${ESC}[c`],
  ['a string that another escape cuts short', `${ESC}]0;a${ESC}]52;c;AAAA${BEL}`],
  ['C1 CSI, raw', '\x9b'],
  ['C1 OSC, raw', '\x9d'],
  ['C1 CSI as UTF-8', '\xc2\x9b'],
  ['C1 OSC as UTF-8', '\xc2\x9d'],
  ['C1 CSI as overlong UTF-8', '\xe0\x82\x9b'],
  ['NUL and DEL', '\x00\x7f'],
  ['a sequence of too many numbers', `${ESC}[${'1;'.repeat(40)}m`],
];

function clean(text: string): string {
  return new Sanitizer().push(Buffer.from(text, 'latin1')).toString('latin1');
}

describe('Sanitizer', () => {
  test.each(attacks)('takes out: %s', (_, attack) => {
    expect(clean(`A${attack}`)).toBe('A');
    // What follows is shown again: at once, or after the end of a string that swallows it in a terminal, too.
    expect(clean(`A${attack}${BEL}B`).replace(BEL, '')).toMatch(/^A.*B$/);
  });

  test.each([
    ['text', 'plain text\r\n\ttab\bback'],
    ['UTF-8', Buffer.from('äöü €uro 日本 🙂 \u00a0').toString('latin1')],
    ['colours', `${ESC}[1;31mred${ESC}[38;2;1;2;3m${ESC}[38:5:200m${ESC}[0m`],
    ['cursor and erase', `${ESC}[H${ESC}[2J${ESC}[10;20H${ESC}[K${ESC}[?25l${ESC}[?25h`],
    ['alternate screen', `${ESC}[?1049h${ESC}[?1049l${ESC}7${ESC}8`],
    ['scroll region', `${ESC}[5;20r${ESC}[2L${ESC}[3M${ESC}M${ESC}D`],
    ['line drawing', `${ESC}(0lqqk${ESC}(B`],
    ['pastes that are marked', `${ESC}[?2004h`],
    ['shape of the cursor', `${ESC}[2 q`],
  ])('passes: %s', (_, text) => {
    expect(clean(text)).toBe(text);
  });

  test('is the same however the output is cut', () => {
    const pieces = fc.constantFrom(...attacks.map(([, attack]) => attack), 'text\r\n', `${ESC}[1m`);
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), fc.array(fc.nat(60)), (parts, cuts) => {
        const bytes = Buffer.from(parts.join(''), 'latin1');
        const sanitizer = new Sanitizer();
        const out: Buffer[] = [];
        let from = 0;
        for (const cut of [...cuts, bytes.length]) {
          out.push(sanitizer.push(bytes.subarray(from, from + cut)));
          from += cut;
        }
        const whole = new Sanitizer().push(bytes);
        expect(Buffer.concat(out).equals(whole)).toBe(true);
      }),
    );
  });

  test('nothing that passes makes a terminal answer or set its title, whatever the bytes', async () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const escapes = fc
      .array(
        fc.constantFrom(ESC, '[', ']', 'P', '?', '>', '5', ';', '52', 'c', 'n', 't', 'q', BEL, ST),
      )
      .map((parts) => Buffer.from(parts.join(''), 'latin1'));
    await fc.assert(
      fc.asyncProperty(fc.oneof(bytes, escapes), async (input) => {
        const terminal = new headless.Terminal({ cols: 80, rows: 24, allowProposedApi: true });
        let said = '';
        terminal.onData((data) => (said += data));
        terminal.onBinary((data) => (said += data));
        terminal.onTitleChange((title) => (said += title));
        const shown = new Sanitizer().push(input);
        await new Promise<void>((resolve) => terminal.write(shown, resolve));
        terminal.dispose();
        expect(said).toBe('');
      }),
      { numRuns: 300 },
    );
  });

  test('a string without an end hides output for a while only', () => {
    const sanitizer = new Sanitizer();
    sanitizer.push(Buffer.from(`${ESC}]0;`));
    sanitizer.push(Buffer.alloc(64 * 1024, 'x'));
    expect(String(sanitizer.push(Buffer.from('x\r\nlogin: ')))).toContain('login: ');
    expect(sanitizer.dropped).toBe(1);
  });
});

test('a session that wants it is given sanitized output, screen and history too', async () => {
  const rig = await ConsoleRig.start();
  try {
    const attack = attacks.map(([, text]) => text).join('');
    await rig.print(Buffer.from(`${attack}${BEL}before `, 'latin1'));
    const seen = collect(await rig.exec(await rig.login(), 'attach lines sanitize'));
    rig.vm.print(Buffer.from(`${ESC}]52;c;AAAA${BEL}after`, 'latin1'));
    await expect.poll(() => seen.text).toMatch(/before after$/);
    expect(seen.text).not.toMatch(/\x1b\]|\x1b\[\d*[cnt]/); // eslint-disable-line no-control-regex
    const { output } = await rig.ask('history sanitize');
    expect(output).toMatch(/before after$/);
    expect(output).not.toContain(`${ESC}]`);
  } finally {
    await rig.stop();
  }
});
