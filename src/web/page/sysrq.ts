/** Linux's SysRq commands that are of use on a console (Documentation/admin-guide/sysrq.rst). */

export interface SysRq {
  readonly key: string;
  readonly what: string;
  /** It ends programs or the system: asked about first. */
  readonly grave?: true;
}

export const sysRqs: readonly SysRq[] = [
  { key: 'h', what: 'help' },
  { key: 't', what: 'list all tasks' },
  { key: 'w', what: 'list blocked tasks' },
  { key: 'l', what: 'backtraces, all CPUs' },
  { key: 'm', what: 'memory usage' },
  { key: 'p', what: 'registers' },
  { key: '9', what: 'show all messages' },
  { key: 's', what: 'sync file systems' },
  { key: 'u', what: 'remount read-only', grave: true },
  { key: 'f', what: 'kill a memory hog', grave: true },
  { key: 'e', what: 'terminate all but init', grave: true },
  { key: 'i', what: 'kill all but init', grave: true },
  { key: 'b', what: 'reboot at once', grave: true },
  { key: 'o', what: 'power off', grave: true },
  { key: 'c', what: 'crash (kdump)', grave: true },
];
