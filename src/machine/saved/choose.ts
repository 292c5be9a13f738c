/** Decides whether a boot begins with a saved state. */
import { VsbError, messageOf } from '../../base/errors.js';
import type { InstancePaths } from '../../state/paths.js';
import type { Secrets } from '../../state/secrets.js';
import type { TestbedPlan } from '../plan.js';
import type { UpRequest } from '../running.js';
import { bindingOf, differences } from './binding.js';
import { whyUnsound } from './soundness.js';
import { deleteSnapshot, readSnapshot, warmName, type Access } from './store.js';

export type Choice =
  | { readonly name: string; readonly access: Access }
  /** Boot from cold; `why` is worth telling unless there simply is no state. */
  | { readonly name?: undefined; readonly why?: string; readonly dropped: boolean };

/**
 * A warm state that does not fit is removed. @throws VsbError E_SKIPPED, E_FILE when the request says
 * that nothing but that state will do
 */
export async function chooseState(
  paths: InstancePaths,
  request: UpRequest,
  plan: TestbedPlan,
): Promise<Choice> {
  const { config, accel, images } = request;
  const { resume: name, must } = request.warm;
  if (name === undefined) return { dropped: false };
  const unsound = whyUnsound(config, accel.accel);
  const refuse = (why: string, dropped: boolean): Choice => {
    if (must) throw new VsbError('E_FILE', `snapshot '${name}' cannot be restored: ${why}`);
    return { why, dropped };
  };
  if (unsound !== undefined) return refuse(unsound, false);
  let why: string;
  try {
    const found = await readSnapshot(paths, name);
    if (found === undefined) {
      return must ? refuse('there is none of that name', false) : { dropped: false };
    }
    const now = await bindingOf({ plan, config, accel: accel.accel, images });
    const changed = differences(found.snapshot.binding, now);
    if (changed.length === 0) return { name, access: found.access };
    why = `it was made with another ${changed.join(', ')}`;
  } catch (error) {
    why = messageOf(error);
  }
  if (name === warmName) await deleteSnapshot(paths, name);
  return refuse(why, true);
}

/** The secrets that are good in the layers of a saved state. */
export function secretsOf(access: Access, own: Secrets): Secrets {
  return {
    ...own,
    management: access.management,
    l1Host: Buffer.from(access.l1Host, 'base64'),
    l2Host: Buffer.from(access.l2Host, 'base64'),
    passwords: access.passwords,
  };
}
