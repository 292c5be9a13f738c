/** Linux's trace file system in L2, as a shell there enters it. */

const tracing = '/sys/kernel/tracing';

/**
 * Words of a shell that go there, mounting it if nobody has; then the file `marker` says so, for `leaveTracefs`.
 */
export function enterTracefs(marker: string): string {
  // Entered once more: a folder that was entered before something was mounted on it is the old one.
  return `cd ${tracing} && { [ -e trace ] || { mount -t tracefs tracefs . && touch ${marker}; }; } && cd ${tracing}`;
}

/** Undoes the mounting. */
export function leaveTracefs(marker: string): string {
  return `[ ! -e ${marker} ] || umount ${tracing}`;
}

export const kvmEvents = `${tracing}/events/kvm`;
