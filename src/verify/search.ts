/**
 * The job of the search program (images/programs/search) and its answer; and the same search in what the tool itself
 * has collected.
 */
import { VsbError } from '../base/errors.js';
import type { CanaryKind, ChannelEvidence, Hit } from '../contract/evidence.js';
import { needlesOf, placesOf, type Needle } from './canary.js';
import type { Channel } from './channels.js';

/** The program sees needles only so, so that neither it nor what brought them there is a hit. */
const mask = 0xa5;
/** Places told of each hit. */
const shownPlaces = 3;

/** A needle, and which canary it is a form of. Its number is its place in the list. */
export interface Wanted extends Needle {
  readonly canary: CanaryKind;
}

export function wantedOf(canaries: ReadonlyMap<CanaryKind, string>): Wanted[] {
  return [...canaries].flatMap(([canary, text]) =>
    needlesOf(text).map((needle) => ({ ...needle, canary })),
  );
}

/** The standard input of the search program; `directory` is the tool's own, which is left out. */
export function searchJob(
  wanted: readonly Wanted[],
  channels: readonly Channel[],
  directory: string,
): string {
  const lines = wanted.map(({ bytes, step }, id) => {
    return `needle ${id} ${step} ${Buffer.from(bytes.map((byte) => byte ^ mask)).toString('hex')}`;
  });
  lines.push(`skip ${directory}`);
  for (const { name, directives } of channels) {
    if (directives !== undefined) lines.push(`channel ${name}`, ...directives);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * The answer of the search program.
 * @throws VsbError E_VERIFY when a channel is missing in it
 */
export function parseAnswer(
  output: string,
  wanted: readonly Wanted[],
  channels: readonly Channel[],
): ChannelEvidence[] {
  const rows = output.split('\n').map((line) => line.split('\t'));
  return channels
    .filter(({ directives }) => directives !== undefined)
    .map(({ layer, name, method }) => {
      const row = rows.find(([what, channel]) => what === 'channel' && channel === name);
      if (row === undefined) {
        const message = `the search in ${layer} did not get to ${name}`;
        throw new VsbError('E_VERIFY', message, { layer });
      }
      const [, , bytes, unread, milliseconds, ...counts] = row;
      const hits = counts.flatMap((text): Hit[] => {
        const [id = '', count] = text.split('=');
        const needle = wanted[Number(id)];
        if (needle === undefined) return [];
        const where = rows
          .filter(([what, channel, of]) => what === 'hit' && channel === name && of === id)
          .map(([, , , place, offset]) => `${place} at ${offset}`);
        return [{ canary: needle.canary, encoding: needle.encoding, count: Number(count), where }];
      });
      return {
        ...{ layer, channel: name, method },
        bytesSearched: Number(bytes),
        bytesUnread: Number(unread),
        seconds: Number(milliseconds) / 1000,
        hits,
      };
    });
}

/** Looks through byte strings, each under a name. */
export function searchBuffers(
  channel: Channel,
  parts: ReadonlyMap<string, Buffer>,
  wanted: readonly Wanted[],
): ChannelEvidence {
  const start = performance.now();
  const hits = wanted.flatMap((needle): Hit[] => {
    const where = [...parts].flatMap(([name, data]) =>
      placesOf(needle, data).map((place) => `${name} at ${place}`),
    );
    if (where.length === 0) return [];
    const { canary, encoding } = needle;
    return [{ canary, encoding, count: where.length, where: where.slice(0, shownPlaces) }];
  });
  return {
    ...{ layer: channel.layer, channel: channel.name, method: channel.method },
    bytesSearched: [...parts.values()].reduce((sum, data) => sum + data.length, 0),
    bytesUnread: 0,
    seconds: (performance.now() - start) / 1000,
    hits,
  };
}
