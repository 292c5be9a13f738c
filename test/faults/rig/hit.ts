/** kill -9 at a random moment of a command. */
import { pause } from '../../../scripts/console.mjs';
import { sendTo, type RunningCommand } from '../../e2e/command-line.js';
import { victims, type Kill, type Victim } from './moments.js';
import type { Survival } from './survival.js';
import type { Testbed } from './testbed.js';
import { told } from './told.js';

/**
 * Starts the command, and kills the victim as soon as its share of the usual time has passed.
 *
 * @param usualMs how long the command takes otherwise
 */
export async function hit(
  survival: Survival,
  testbed: Testbed,
  words: readonly string[],
  usualMs: number,
  { victim: wanted, share }: Kill,
): Promise<void> {
  const moment = Math.floor(share * usualMs);
  const command = testbed.start(words);
  await Promise.race([pause(moment), command.finished]);
  const victim = await kill(testbed, wanted, command);
  const when = `${(moment / 1000).toFixed(1)} s into ${words[0]} (${Math.round(share * 100)} %)`;
  survival.injected = `kill -9 of ${victim ?? 'nothing, all had ended'}, ${when}`;
  const result = await command.finished;
  if (victim === 'cli') survival.sees('the command is gone');
  else if (result.code === 0) {
    const how = /saved state (?!kept|resumed)[^\n]*/.exec(result.stderr)?.[0];
    survival.sees(`${words[0]}: exit 0${how === undefined ? '' : ` (${how})`}`);
  } else survival.fails(result);
  await pause(1000);
  const status = await survival.leavesWhatStatusKnows();
  survival.says(`status ${told(status)}`, /^status (?:absent|stopped|running|\w+: .{10})/);
}

/** The victim, or, where it is not there yet or no more, another of the three; which it was. */
async function kill(
  testbed: Testbed,
  wanted: Victim,
  { child }: RunningCommand,
): Promise<Victim | undefined> {
  const running = await testbed.processes();
  const pidOf = (victim: Victim): number | undefined =>
    victim === 'cli'
      ? child.exitCode === null
        ? child.pid
        : undefined
      : running.find(({ kind }) => kind === victim)?.pid;
  const victim = [wanted, ...victims.toReversed()].find((one) => pidOf(one) !== undefined);
  if (victim !== undefined) sendTo(pidOf(victim), 'SIGKILL');
  return victim;
}
