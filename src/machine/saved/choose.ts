/** Decides whether a boot begins with a saved state. */
import { VsbError, messageOf } from '../../base/errors.js';
import type { InstancePaths } from '../../state/paths.js';
import type { Secrets } from '../../state/secrets.js';
import type { UpRequest } from '../running.js';
import { bindingOf, differences } from './binding.js';
import { readState, type Access, type SavedState } from './folder.js';
import { deleteShared, markUsed, sharedFolder, sharedKey, whyNone } from './shared.js';
import { whyUnsound } from './soundness.js';
import { snapshotFolder, warmName } from './store.js';

export interface Chosen extends SavedState {
  /** Removes it, where nobody has given it a name. */
  readonly drop: () => Promise<void>;
}

export type Choice =
  | { readonly chosen: Chosen }
  /** Boot from cold; `why` is worth telling unless there simply is no state. */
  | { readonly chosen?: undefined; readonly why?: string; readonly dropped: boolean };

/** @throws VsbError E_FILE when the request says that nothing but that state will do */
export async function chooseState(paths: InstancePaths, request: UpRequest): Promise<Choice> {
  const { resume: name, must } = request.warm;
  if (name === undefined) return { dropped: false };
  const choice =
    name === warmName ? await shared(paths, request) : await named(paths, request, name);
  if (choice.chosen === undefined && must) {
    throw new VsbError(
      'E_FILE',
      `snapshot '${name}' cannot be restored: ${choice.why ?? 'there is none'}`,
    );
  }
  return choice;
}

/** The state of whoever made the same machine before. One that is damaged is removed. */
async function shared({ cacheDir }: InstancePaths, request: UpRequest): Promise<Choice> {
  const unsound = whyUnsound(request.config, request.accel.accel);
  if (unsound !== undefined) return { why: unsound, dropped: false };
  const binding = await bindingOf(request);
  const key = sharedKey(binding);
  const folder = sharedFolder(cacheDir, key);
  const drop = async (): Promise<void> => await deleteShared(cacheDir, key);
  try {
    const found = await readState(folder);
    if (found === undefined) {
      const why = await whyNone(cacheDir, binding);
      return { dropped: false, ...(why === undefined ? {} : { why }) };
    }
    await markUsed(folder);
    return { chosen: { ...found, drop } };
  } catch (error) {
    await drop();
    return { why: messageOf(error), dropped: true };
  }
}

async function named(paths: InstancePaths, request: UpRequest, name: string): Promise<Choice> {
  const unsound = whyUnsound(request.config, request.accel.accel);
  if (unsound !== undefined) return { why: unsound, dropped: false };
  try {
    const found = await readState(snapshotFolder(paths, name));
    if (found === undefined) return { why: 'there is none of that name', dropped: false };
    const changed = differences(found.snapshot.binding, await bindingOf(request));
    if (changed.length === 0) return { chosen: { ...found, drop: () => Promise.resolve() } };
    return { why: `it was made with another ${changed.join(', ')}`, dropped: false };
  } catch (error) {
    return { why: messageOf(error), dropped: false };
  }
}

/** The secrets that are good in the layers of a saved state. */
export function secretsOf(access: Access, own: Secrets): Secrets {
  return {
    ...own,
    management: access.management,
    l1Host: Buffer.from(access.l1Host, 'base64'),
    l2Host: Buffer.from(access.l2Host, 'base64'),
    passwords: new Map(Object.entries(access.passwords)),
  };
}
