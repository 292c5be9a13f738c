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
  const extra = watchWhatIsNotSerialized(terminal);
  terminal.write(bytes, () => {
    parentPort?.postMessage({ id, text: addon.serialize({ scrollback }) + extra() });
    terminal.dispose();
  });
}

/**
 * The cursor's visibility and the scroll region are part of a screen, too.
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
  terminal.parser.registerCsiHandler({ final: 'r' }, ([top, bottom]) => {
    const region = { top: Number(top) || 1, bottom: Number(bottom) || terminal.rows };
    regions.set(terminal.buffer.active.type, region);
    return false;
  });
  terminal.parser.registerEscHandler({ final: 'c' }, reset);
  terminal.parser.registerCsiHandler({ intermediates: '!', final: 'p' }, reset);
  return () => {
    const region = regions.get(terminal.buffer.active.type);
    const whole = region === undefined || (region.top <= 1 && region.bottom >= terminal.rows);
    // Setting the region moves the cursor, so that it is kept meanwhile.
    const scroll = whole ? '' : `\x1b7\x1b[${region.top};${region.bottom}r\x1b8`;
    return scroll + (hidden ? '\x1b[?25l' : '');
  };
}

parentPort?.on('message', render);
