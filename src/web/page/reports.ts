/**
 * A terminal answers questions that the VM's output asks: where the cursor is, what terminal this is, its
 * colours, its settings. Answers are typed into the VM as if by the user. This terminal gives none: the
 * output may be hostile, and is often old, a history with questions to which nobody waits for an answer.
 */
import type { Terminal } from '@xterm/xterm';

const silent = (): boolean => true;

export function answerNothing(terminal: Terminal): void {
  const { parser } = terminal;
  // xterm control sequences: DSR, DA1 to DA3, XTVERSION, DECRQM (ANSI and DEC), window reports, DECRQSS.
  for (const id of [
    { final: 'n' },
    { prefix: '?', final: 'n' },
    { prefix: '>', final: 'n' },
    { final: 'c' },
    { prefix: '>', final: 'c' },
    { prefix: '=', final: 'c' },
    { prefix: '>', final: 'q' },
    { intermediates: '$', final: 'p' },
    { prefix: '?', intermediates: '$', final: 'p' },
    { final: 't' },
    { prefix: '?', final: 'u' },
    { final: 'x' },
  ]) {
    parser.registerCsiHandler(id, silent);
  }
  parser.registerDcsHandler({ intermediates: '$', final: 'q' }, silent);
  parser.registerDcsHandler({ intermediates: '+', final: 'q' }, silent);
  parser.registerEscHandler({ final: 'Z' }, silent);
  // Titles, colours of the palette (asked or set), links, the clipboard.
  for (const code of [0, 1, 2, 4, 8, 10, 11, 12, 52, 104, 110, 111, 112]) {
    parser.registerOscHandler(code, silent);
  }
}
