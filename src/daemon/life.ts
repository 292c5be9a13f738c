/** The states of a testbed, and what it has in each. */
import { VsbError } from '../base/errors.js';
import type { Running } from '../machine/running.js';
import type { Monitor } from './monitor.js';

/** Where it is in its life, and what it has there. How well it runs is found out by asking its layers. */
export type Life =
  | { readonly state: 'stopped' }
  | Starting
  | Up
  | Broken
  | { readonly state: 'stopping'; readonly about: About | undefined };

export interface Starting {
  readonly state: 'starting';
  phase?: string;
  /** From when the machine runs. */
  running?: Running;
}

export interface Up {
  readonly state: 'running';
  readonly running: Running;
  /** ISO 8601: when the boot was complete. */
  readonly since: string;
  readonly monitor: Monitor;
}

export interface Broken {
  readonly state: 'broken';
  readonly reason: string;
  readonly since: string;
  readonly about: About | undefined;
  /** While the machine lives: then a layer in it has crashed. */
  readonly running: Running | undefined;
}

/** What is still known of a testbed whose machine has ended. */
type About = Pick<Running, 'request' | 'plan'>;

export type TestbedState = Life['state'];

/** What there is while the machine lives and nobody is ending it. */
export function runningOf(life: Life): Running | undefined {
  return 'running' in life ? life.running : undefined;
}

export function aboutOf(life: Life): About | undefined {
  if ('about' in life) return life.about;
  const running = runningOf(life);
  // Not all of it: what belongs to a machine that has ended is to go.
  return running && { request: running.request, plan: running.plan };
}

export function busyError(name: string, state: TestbedState): VsbError {
  return state === 'running' || state === 'broken'
    ? new VsbError('E_INSTANCE_EXISTS', `instance '${name}' is up already`, {
        hint: '`vsbypass down` ends it; `--name` makes another one beside it.',
      })
    : new VsbError('E_BUSY', `instance '${name}' is ${state}, started by another command`, {
        hint: 'Wait for it, or `vsbypass down`.',
      });
}
