import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { nested } from '../../../src/bench/configurations/nested.js';
import type { End, Step, Timing } from '../../../src/bench/ends/end.js';
import { accessCell } from '../../../src/bench/measures/access.js';
import { VoidRun } from '../../../src/bench/measures/cell.js';
import { responseCell } from '../../../src/bench/measures/response.js';
import { sideCostCell } from '../../../src/bench/measures/side-costs.js';
import { line, lineBytes, text, textCommand } from '../../../src/bench/measures/text.js';
import { throughputCell } from '../../../src/bench/measures/throughput.js';
import { seededRandom } from '../../../src/bench/statistics/random.js';

const never = new AbortController().signal;

/** An end at which each step takes 10 ms and an `expect` gets what the test says. */
class FakeEnd implements End {
  readonly kind = 'stream';
  played: readonly Step[] = [];
  readonly #outputOf: (wanted: string, sent: string) => string;
  constructor(outputOf: (wanted: string, sent: string) => string = (wanted) => wanted) {
    this.#outputOf = outputOf;
  }
  play(steps: readonly Step[]): Promise<Timing[]> {
    this.played = steps;
    let sent = '';
    const timings = steps.map((step, index): Timing => {
      if (step.do === 'send') sent = step.bytes.toString('latin1');
      const output =
        step.do === 'expect' ? this.#outputOf(step.bytes.toString('latin1'), sent) : '';
      return { startMs: index * 10, endMs: index * 10 + 10, output: Buffer.from(output, 'latin1') };
    });
    return Promise.resolve(timings);
  }
}

describe('text', () => {
  it('is made in the user VM as it is here', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vsb-text-'));
    try {
      const file = join(directory, 'text');
      execFileSync('sh', ['-c', textCommand(50, file)]);
      expect(readFileSync(file, 'latin1')).toBe(text(50));
    } finally {
      rmSync(directory, { recursive: true });
    }
    expect(line(7)).toHaveLength(lineBytes - 1);
    expect(line(7)).toBe(line(7).trim());
  });
});

describe('responseCell', () => {
  const options = { configuration: nested('kvm'), wanted: 8, keys: 4, random: seededRandom(1) };

  it('measures from each key to its echo, at random moments', async () => {
    const end = new FakeEnd();
    const cell = responseCell({ ...options, end, state: 'idle' });
    // A send and an expect of 10 ms each.
    expect(await cell.turn(never)).toEqual([20, 20, 20, 20]);
    const gaps = end.played.flatMap((step) => (step.do === 'pause' ? [step.ms] : [])).slice(-4);
    expect(new Set(gaps).size).toBe(4);
    expect(gaps.every((ms) => ms >= 50 && ms < 300)).toBe(true);
  });

  it('loads the user VM for as long as it measures', async () => {
    const end = new FakeEnd();
    await responseCell({ ...options, end, state: 'loaded' }).turn(never);
    const typed = end.played.flatMap((step) => (step.do === 'send' ? [step.bytes.toString()] : []));
    expect(typed.join('')).toMatch(/while :; do :; done &.*kill \$!/s);
  });
});

describe('throughputCell', () => {
  const options = { configuration: nested('kvm'), wanted: 3, runs: 1, targetMs: 1000 };
  /** What a user VM prints of the text up to and with a line of it. */
  const upTo = (wanted: string): string => {
    const last = Number(/^(\d{6}) /.exec(wanted)?.[1] ?? NaN);
    if (Number.isNaN(last)) return wanted;
    return last === 0 ? wanted : text(last + 1).slice(lineBytes - 1, -1);
  };

  it('finds its size by first runs, and measures with that', async () => {
    const end = new FakeEnd(upTo);
    const cell = throughputCell({ ...options, end, flow: 'cat' });
    const [rate] = await cell.turn(never);
    // 10 ms from the first line to the last one.
    // The largest, since none is long enough.
    const lines = 16_384;
    expect(rate).toBeCloseTo(((lines - 1) * lineBytes * 1000) / 10, -1);
  });

  it('counts a first run that has taken long enough', async () => {
    const end = new FakeEnd(upTo);
    const [rate] = await throughputCell({ ...options, targetMs: 10, end, flow: 'cat' }).turn(never);
    expect(rate).toBeCloseTo(((16 - 1) * lineBytes * 1000) / 10, -1);
  });

  it.each(['cat', 'printk', 'paste'] as const)(
    'measures several runs of %s in one turn',
    async (flow) => {
      const end: FakeEnd = new FakeEnd((wanted, sent) => {
        if (!sent.includes('sha256sum')) return upTo(wanted);
        const pasted = end.played.find(
          (step) => step.do === 'send' && step.bytes.includes(line(0)),
        );
        const content = pasted?.do === 'send' ? pasted.bytes.subarray(0, -1) : '';
        return `${createHash('sha256').update(content).digest('hex')}  -\n${wanted}`;
      });
      const cell = throughputCell({ ...options, runs: 3, end, flow });
      expect(cell.perTurn).toBe(3);
      expect(await cell.turn(never)).toHaveLength(3);
    },
  );

  it('does not count a run that has lost a byte', async () => {
    const end = new FakeEnd((wanted) => upTo(wanted).replace('000017 the', '000017 he'));
    const cell = throughputCell({ ...options, end, flow: 'cat' });
    await expect(cell.turn(never)).rejects.toThrow(VoidRun);
    await expect(cell.turn(never)).rejects.toThrow(/first difference is at byte 1032$/);
  });

  it("takes the kernel's times away before it compares", async () => {
    const end = new FakeEnd((wanted) =>
      upTo(wanted)
        .replaceAll('\n', '\r\n')
        .replace(/^(?=\d{6} )/gm, '[   12.345678] '),
    );
    expect(await throughputCell({ ...options, end, flow: 'printk' }).turn(never)).toHaveLength(1);
  });

  it('does not count a paste that the user VM has read otherwise', async () => {
    const end = new FakeEnd((wanted, sent) =>
      sent.includes('sha256sum') ? `${'0'.repeat(64)}  -\n${wanted}` : wanted,
    );
    const cell = throughputCell({ ...options, end, flow: 'paste' });
    await expect(cell.turn(never)).rejects.toThrow('what was pasted');
  });
});

describe('accessCell', () => {
  it('brings its program once, and tells what it says in microseconds', async () => {
    const end = new FakeEnd((wanted) =>
      wanted.startsWith('done') ? `~ # x\n57123\n${wanted}` : wanted,
    );
    const cell = accessCell({
      ...{ configuration: nested('kvm'), end, wanted: 2, program: Buffer.alloc(300, 'p') },
    });
    const typed = (): string =>
      end.played.flatMap((step) => (step.do === 'send' ? [step.bytes.toString()] : [])).join('');
    expect(await cell.turn(never)).toEqual([57.123]);
    expect(typed()).toContain(Buffer.alloc(300, 'p').toString('base64').slice(0, 70));
    expect(await cell.turn(never)).toEqual([57.123]);
    expect(typed()).not.toContain('base64');
  });
});

describe('sideCostCell', () => {
  const took = (seconds: number): FakeEnd =>
    new FakeEnd((wanted, sent) =>
      sent.includes('uptime') ? `took 10.00 ${(10 + seconds).toFixed(2)}\n${wanted}` : wanted,
    );
  const options = { configuration: nested('kvm'), work: 'cpu', wanted: 1, targetMs: 1000 } as const;

  it('finds how much work there is to be, and tells the time of one round', async () => {
    const worker = took(0.5);
    const cell = sideCostCell({ ...options, console: new FakeEnd(), worker, disturbance: 'idle' });
    // 5000 rounds in 0.5 s at first; then as many as fit into a second, which take 0.5 s again.
    expect(await cell.turn(never)).toEqual([50]);
    const typed = worker.played.flatMap((step) =>
      step.do === 'send' ? [step.bytes.toString()] : [],
    );
    expect(typed.join('')).toContain('-lt 10000 ]');
  });

  it('leaves the console alone while nobody is to be there, and tidies up where somebody was', async () => {
    const console = new FakeEnd();
    const worker = took(1);
    await sideCostCell({ ...options, console, worker, disturbance: 'idle' }).turn(never);
    expect(console.played).toEqual([]);
    await sideCostCell({ ...options, console, worker, disturbance: 'flooded' }).turn(never);
    expect(console.played.length).toBeGreaterThan(0);
  });

  it('fails where the user VM does not answer with times', async () => {
    const worker = new FakeEnd();
    const cell = sideCostCell({ ...options, console: new FakeEnd(), worker, disturbance: 'idle' });
    await expect(cell.turn(never)).rejects.toMatchObject({ code: 'E_CONSOLE_CLOSED' });
  });
});
