/**
 * Our lines in a user's own OpenSSH configuration: one block for each instance, at the top, because an
 * `Include` below a `Host` line would belong to it (ssh_config(5)). What else the file has is not looked at.
 */
import { VsbError } from '../../base/errors.js';

const begin = (instance: string): string => `# vsbypass ${instance}: begin`;
const end = (instance: string): string => `# vsbypass ${instance}: end`;

/**
 * The text with the block, once, as it is wanted now.
 * @param text in any encoding that leaves ASCII alone; latin1 keeps every byte
 * @throws VsbError E_FILE when a block was changed by hand so that its end is not known; E_USAGE for a
 *   path that an `Include` line cannot name
 */
export function withInclude(text: string, instance: string, path: string): string {
  // Include takes a pattern (glob(7)), and quotes end at a quote.
  if (/["*?[\]\\%~\r\n]/.test(path)) {
    throw new VsbError('E_USAGE', `an Include line cannot name ${path}`, {
      hint: 'Set XDG_STATE_HOME to a folder without special characters in its name.',
    });
  }
  const block = [
    begin(instance),
    '# (`vsbypass ssh-config --uninstall` takes these lines out.)',
    `Include "${path}"`,
    end(instance),
    '',
  ].join('\n');
  return block + withoutInclude(text, instance);
}

/**
 * The text without the block; the same text if there is none.
 * @throws VsbError E_FILE when the end of the block is not there
 */
export function withoutInclude(text: string, instance: string): string {
  const lines = text.split('\n');
  const from = lines.indexOf(begin(instance));
  if (from < 0) return text;
  const to = lines.indexOf(end(instance), from);
  // The block has four lines; more than that, and somebody's own lines have come in between.
  if (to !== from + 3) {
    throw new VsbError('E_FILE', `the lines of vsbypass for '${instance}' were changed by hand`, {
      hint: `Remove the lines from "${begin(instance)}" on by hand; nothing was changed.`,
    });
  }
  lines.splice(from, to - from + 1);
  return lines.join('\n');
}
