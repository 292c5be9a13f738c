/**
 * The names of a VM. Its label (SMBIOS UUID) is all that tells which one it is, so a name stands for a label:
 * that of the configuration, else a short one made of the UUID. A VM whose label is not known, doubtful, or
 * another one's too, has none, and is meant by its slot and generation, which no other gets until L1 boots again.
 */

/** Of a VM without a name; of any other beside it. */
export function slotName({
  slot,
  generation,
}: {
  readonly slot: number;
  readonly generation: number;
}): string {
  return `slot-${slot}-${generation}`;
}

/** The same for ever, and in every instance: `vm-` and the first 8 digits of the UUID. */
export function shortName(uuid: string): string {
  return `vm-${uuid.slice(0, 8)}`;
}

/** Where another UUID begins alike: all digits of it. */
export function longName(uuid: string): string {
  return `vm-${uuid.replaceAll('-', '')}`;
}

/** Whether it is the name of a slot, which is another VM's when L1 has booted again. */
export function isSlotName(name: string): boolean {
  return /^slot-\d+-\d+$/.test(name);
}

/** Whether a name is one of those above, which no configuration may give. */
export function isMadeName(name: string): boolean {
  return isSlotName(name) || /^vm-(?:[0-9a-f]{8}|[0-9a-f]{32})$/.test(name);
}

/** Fewer digits are more likely a name with a typing error. */
const PREFIX_DIGITS = 4;
const uuidGroups =
  /^[0-9a-f]{1,8}$|^[0-9a-f]{8}-(?:[0-9a-f]{0,4}|[0-9a-f]{4}-(?:[0-9a-f]{0,4}|[0-9a-f]{4}-(?:[0-9a-f]{0,4}|[0-9a-f]{4}-[0-9a-f]{0,12})))$/;

/** Whether a word may be the beginning of a UUID as printed, or all of it. */
export function isUuidPrefix(word: string): boolean {
  return word.length >= PREFIX_DIGITS && uuidGroups.test(word);
}

/** Something that has a name and, if it is known, a label. */
export interface Named {
  readonly name: string;
  readonly uuid?: string | undefined;
}

/** Those that a word means: by name, else by the UUID or the beginning of it. */
export function meantBy<T extends Named>(word: string, all: readonly T[]): T[] {
  const named = all.filter(({ name }) => name === word);
  if (named.length > 0) return named;
  const digits = word.toLowerCase();
  return isUuidPrefix(digits) ? all.filter(({ uuid }) => uuid?.startsWith(digits) === true) : [];
}
