import { describe, expect, it } from 'vitest';

import { WatchLog } from '../../../src/console/hub/watch-log.js';
import { sentenceOf } from '../../../src/contract/watched.js';

const at = (second: number): Date => new Date(Date.UTC(2026, 1, 3, 14, 3, second));

describe('WatchLog', () => {
  it('says what begins, once, and what ends', () => {
    const log = new WatchLog();
    expect(log.update([], at(0))).toEqual([]);
    expect(log.update(['stepped'], at(7))).toMatchObject([{ kind: 'stepped' }]);
    expect(log.update(['stepped'], at(8))).toEqual([]);
    expect(log.update(['stepped', 'rewritten'], at(9)).map(({ kind }) => kind)).toEqual([
      'rewritten',
    ]);
    expect(log.update(['rewritten'], at(20))).toEqual([
      { kind: 'stepped', since: at(7).toISOString(), until: at(20).toISOString() },
    ]);
    expect(log.list().map(({ kind, until }) => [kind, until !== undefined])).toEqual([
      ['stepped', true],
      ['rewritten', false],
    ]);
  });

  it('has one that comes again as another entry', () => {
    const log = new WatchLog();
    log.update(['breakpoints'], at(1));
    log.update([], at(12));
    log.update(['breakpoints'], at(30));
    expect(log.list()).toHaveLength(2);
  });

  it('keeps the latest hundred', () => {
    const log = new WatchLog();
    for (let second = 0; second < 300; second++) {
      log.update(second % 2 === 0 ? ['stepped'] : [], at(second));
    }
    expect(log.list()).toHaveLength(100);
    expect(log.list().at(-1)?.until).toBe(at(299).toISOString());
  });
});

describe('sentenceOf', () => {
  it('says what was seen and when', () => {
    const since = at(7).toISOString();
    expect(sentenceOf({ kind: 'stepped', since })).toBe(
      'L2 is watching this VM: single steps seen since 14:03:07 UTC',
    );
    expect(sentenceOf({ kind: 'rewritten', since, until: at(20).toISOString() })).toBe(
      'L2 has watched this VM: written registers seen 14:03:07 to 14:03:20 UTC',
    );
  });
});
