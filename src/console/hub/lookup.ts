/** Which console is meant by a word that is no name: a UUID, or the beginning of one. */
import { VsbError } from '../../base/errors.js';
import { meantBy, slotName } from '../../config/vm-names.js';
import { hasOwnName } from './naming.js';
import type { VmConsole } from './vm-console.js';

/** @throws VsbError E_VM_AMBIGUOUS where it is the beginning of several */
export function byUuid(word: string, consoles: readonly VmConsole[]): VmConsole | undefined {
  const meant = allMeantBy(word, consoles);
  if (meant.length <= 1) return meant[0];
  const names = meant.map(({ name }) => name);
  throw ambiguous(`'${word}' is the beginning of several UUIDs`, names);
}

export function uniqueByUuid(word: string, consoles: readonly VmConsole[]): VmConsole | undefined {
  const [one, ...others] = allMeantBy(word, consoles);
  return others.length === 0 ? one : undefined;
}

/** @throws VsbError E_VM_AMBIGUOUS where other VMs run with its UUID, and the word is not its slot's name */
export function assertUnrivalled({ name, vm, rivals }: VmConsole, word: string): void {
  const own = vm === undefined ? name : slotName(vm);
  if (rivals.length === 0 || word === own) return;
  const many = `${rivals.length + 1} VMs run with the UUID of '${name}'`;
  throw ambiguous(`${many}, and one of them only is it`, [own, ...rivals]);
}

/** Those with a name of their own: what a doubtful VM says of itself leads nowhere. */
function allMeantBy(word: string, consoles: readonly VmConsole[]): VmConsole[] {
  const all = consoles.flatMap((console) =>
    hasOwnName(console) ? [{ console, name: console.name, uuid: console.vm?.uuid }] : [],
  );
  return meantBy(word, all).map(({ console }) => console);
}

function ambiguous(why: string, names: readonly string[]): VsbError {
  // In the message, which is all that SSH shows.
  const message = `${why}: say which, of ${names.join(', ')}`;
  return new VsbError('E_VM_AMBIGUOUS', message, { layer: 'console' });
}
