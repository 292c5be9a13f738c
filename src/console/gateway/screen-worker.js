// @ts-check
/**
 * A thread of its own for the headless terminal of screen.ts: what a VM prints may keep it busy for ever or
 * eat its memory, and then it is ended from outside. JavaScript, because a worker's file is loaded by Node
 * itself, also where the rest is run from its TypeScript.
 */
import { parentPort } from 'node:worker_threads';

import serializeAddon from '@xterm/addon-serialize';
import unicode11Addon from '@xterm/addon-unicode11';
import headless from '@xterm/headless';

/**
 * @typedef {{ id: number, bytes: Uint8Array, columns: number, rows: number, scrollback: number }} Job
 * @typedef {{ top: number, bottom: number }} Region
 */

const CURSOR_VISIBILITY = 25;
/**
 * Draws a q, which is a line in the set for line drawing, in the set in use, in G0 and in G1: two in the first line,
 * one in the second, which every terminal has.
 */
const PROBE = '\x1b[?6l\x1b[r\x1b[Hq\x0fq\x1b[2H\x0eq';

/** @param {Job} job */
function render({ id, bytes, columns, rows, scrollback }) {
  const terminal = new headless.Terminal({
    cols: columns,
    rows,
    scrollback,
    allowProposedApi: true,
  });
  const addon = new serializeAddon.SerializeAddon();
  terminal.loadAddon(addon);
  // By itself it takes an emoji for one column (Unicode 6); terminals of today give it two.
  terminal.loadAddon(new unicode11Addon.Unicode11Addon());
  terminal.unicode.activeVersion = '11';
  const rest = watchWhatIsNotSerialized(terminal);
  terminal.write(bytes, () => {
    // Origin mode moves the cursor: it comes with its place, at the end.
    const text = addon.serialize({ scrollback }).replace('\x1b[?6h', '') + rest();
    terminal.write(PROBE, () => {
      parentPort?.postMessage({ id, text: text + characterSets(terminal) });
      terminal.dispose();
    });
  });
}

/**
 * The cursor's visibility, the scroll region and the cursor's place in it are part of a screen, too.
 *
 * @param {import('@xterm/headless').Terminal} terminal
 * @returns {() => string} what sets them, for the end of the screen's text
 */
function watchWhatIsNotSerialized(terminal) {
  let hidden = false;
  /** @type {Map<string, Region>} */
  const regions = new Map();
  const reset = () => {
    hidden = false;
    regions.clear();
    return false;
  };
  for (const final of ['h', 'l']) {
    terminal.parser.registerCsiHandler({ prefix: '?', final }, (parameters) => {
      if (parameters.includes(CURSOR_VISIBILITY)) hidden = final === 'l';
      return false;
    });
  }
  terminal.parser.registerCsiHandler({ final: 'r' }, (parameters) => {
    const top = Number(parameters[0]) || 1;
    const bottom = Math.min(Number(parameters[1]) || terminal.rows, terminal.rows);
    // Another one is no region, and changes nothing.
    if (top < bottom) regions.set(terminal.buffer.active.type, { top, bottom });
    return false;
  });
  // A program's region ends with its screen.
  terminal.buffer.onBufferChange(({ type }) => type === 'normal' && regions.delete('alternate'));
  terminal.parser.registerEscHandler({ final: 'c' }, reset);
  terminal.parser.registerCsiHandler({ intermediates: '!', final: 'p' }, reset);
  return () => {
    const { type, cursorX, cursorY } = terminal.buffer.active;
    const { top, bottom } = regions.get(type) ?? { top: 1, bottom: terminal.rows };
    const whole = top === 1 && bottom === terminal.rows;
    // Setting the region moves the cursor, so that it is kept meanwhile.
    const scroll = whole ? '' : `\x1b7\x1b[${top};${bottom}r\x1b8`;
    // With origin mode lines are counted from the region's first.
    const place = `${Math.max(1, cursorY - top + 2)};${Math.min(cursorX + 1, terminal.cols)}`;
    const origin = terminal.modes.originMode ? `\x1b[?6h\x1b[${place}H` : '';
    return scroll + origin + (hidden ? '\x1b[?25l' : '');
  };
}

/**
 * Which character sets were line drawing. No interface tells it, so what the probe has drawn is looked at.
 *
 * @param {import('@xterm/headless').Terminal} terminal
 */
function characterSets({ buffer: { active } }) {
  /** @param {number} row @param {number} column */
  const isLine = (row, column) =>
    active
      .getLine(active.baseY + row)
      ?.getCell(column)
      ?.getChars() !== 'q';
  const [now, g0, g1] = [isLine(0, 0), isLine(0, 1), isLine(1, 0)];
  return `${g0 ? '\x1b(0' : ''}${g1 ? '\x1b)0' : ''}${now === g0 ? '' : '\x0e'}`;
}

parentPort?.on('message', render);
