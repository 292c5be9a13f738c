/** Throws mutated nested guests at L1, goes on behind each that ends the system which tries them, and says what was seen. */
import type { HostileSystem } from './system.js';

/** What an error of the hypervisor itself looks like in its log. */
const faults =
  /Assertion|\bBUG\b|Xen BUG|WARN|Xen call trace|FATAL|panic|UBSAN|double fault|NMI watchdog|Bad.*mfn|bad page/i;
/** Beside them: which of Xen's checks has ended the domain. */
const reasons = /domain_crash called from (\S+)|(Triple fault)|(SVM instruction not intercepted)/;

export interface CampaignOptions {
  readonly seed: number;
  readonly cases: number;
  /** Another CPU changes what is given to VMRUN meanwhile; such a case cannot be run again. */
  readonly flip: boolean;
  /** Nothing new is begun after so long, milliseconds. */
  readonly limitMs: number;
  readonly progress: (line: string) => void;
}

/** A case that ended the system. */
export interface EndedBy {
  readonly case: number;
  /** Why, as Xen says; otherwise `hang`, or `by itself`. */
  readonly reason: string;
}

export interface CampaignReport {
  readonly cases: number;
  readonly seconds: number;
  readonly ends: readonly EndedBy[];
  /** How many for which reason. */
  readonly reasons: ReadonlyMap<string, number>;
  /** Lines of Xen's log that must not be there, and what the system has found itself. */
  readonly faults: readonly string[];
}

/** How many cases go by between two that are told. */
const told = 100;
/** For a run of all cases; what hangs is known by then. */
const runSeconds = 40;

export async function campaign(
  system: HostileSystem,
  { seed, cases, flip, limitMs, progress }: CampaignOptions,
): Promise<CampaignReport> {
  const started = performance.now();
  const ends: EndedBy[] = [];
  const found: string[] = [];
  let first = 0;
  while (first < cases && performance.now() - started < limitMs) {
    const words = `seed=${seed} first=${first} cases=${cases - first} flip=${flip ? 1 : 0}`;
    const left = Math.ceil((limitMs - (performance.now() - started)) / 1000);
    const run = await system.run(`${words} told=${told}`, Math.min(runSeconds, left));
    found.push(
      ...run.log.filter((line) => faults.test(line)),
      ...lines(run.output, /not ok|# .*own state|# CR0 /),
    );
    const last = lastCase(run.output) ?? first;
    const reason = reasonIn(run.log);
    if (run.end === 'well') {
      first = cases;
    } else if (run.end === 'limit' && last > first) {
      // It was at work.
      first = last;
    } else if (run.output === '' && reason === undefined) {
      throw new Error('the system that tries has said nothing');
    } else {
      const why = reason ?? (run.end === 'limit' ? 'hang' : 'by itself');
      ends.push({ case: last, reason: why });
      progress(`${words}: ended behind case ${last}, ${why}`);
      first = last + told;
    }
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  const reasons = new Map<string, number>();
  for (const { reason } of ends) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  return { cases: Math.min(first, cases), seconds, ends, reasons, faults: found };
}

function lastCase(output: string): number | undefined {
  const all = [...output.matchAll(/^case (\d+)\r?$/gm)];
  return all.length === 0 ? undefined : Number(all.at(-1)?.[1]);
}

function reasonIn(log: readonly string[]): string | undefined {
  for (const line of log) {
    const match = reasons.exec(line);
    if (match !== null) return match[1] ?? match[2] ?? match[3];
  }
  return undefined;
}

function lines(text: string, pattern: RegExp): string[] {
  return text.split(/\r?\n/).filter((line) => pattern.test(line));
}
