/** What the gateway does for those at its consoles, done here where there is none: to look on only, and harmless output. */
import { Duplex } from 'node:stream';

import type { AttachRequest } from '../../contract/gateway.js';
import { InputSequences } from '../input-sequences.js';
import { Sanitizer } from '../sanitize.js';

/**
 * A channel with the restrictions that were asked for. It never fails: a console that breaks says so by itself.
 * @param onNotTyped called whenever somebody, and not the terminal by itself, types where one only looks on
 */
export function restricted(
  channel: Duplex,
  { as, sanitize }: Pick<AttachRequest, 'as' | 'sanitize'>,
  onNotTyped: () => void,
): Duplex {
  const sanitizer = sanitize ? new Sanitizer() : undefined;
  const sequences = new InputSequences();
  const outer = new Duplex({
    read: () => void channel.resume(),
    write: (bytes: Buffer, _encoding, done) => {
      if (as !== 'watch') return void channel.write(bytes, () => done());
      const tokens = sequences.push(bytes);
      if (tokens.some(({ type }) => type === 'key' || type === 'pasted')) onNotTyped();
      done();
    },
    final: (done) => {
      channel.end();
      done();
    },
  });
  channel.on('data', (bytes: Buffer) => {
    const shown = sanitizer?.push(bytes) ?? bytes;
    if (shown.length > 0 && !outer.push(shown)) channel.pause();
  });
  channel.once('end', () => outer.push(null));
  return outer;
}
