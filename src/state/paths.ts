/**
 * All file names of an instance, in one place. Two roots, by what they hold:
 *
 * - state (`$XDG_STATE_HOME/vsbypass/instances/<name>`): configuration, keys, passwords, logs; survives `down`
 * - cache (`$XDG_CACHE_HOME/vsbypass`): what `build` made, shared by all instances
 *
 * Sockets are in `run` of the state folder, 0700. `$XDG_RUNTIME_DIR` is another folder for each way to come to a host
 * (login, cron, a unit, su), and goes when its user logs out, while the instance goes on. Only where the state folder
 * cannot have sockets are they below it, and then `run` is a link that says where.
 */
import { lstatSync, readlinkSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { VsbError } from '../base/errors.js';
import { findRoots, type Roots } from './roots.js';

/** The instance meant when none is named. */
export const defaultInstanceName = 'default';

/**
 * `sun_path` of Linux holds 108 bytes including the terminating zero (unix(7)). QEMU and Node both
 * refuse or silently cut longer paths, so the limit is checked before anything is started.
 */
export const maximumSocketPathBytes = 107;

const instanceNamePattern = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

/**
 * Checks the name of an instance: 1 to 32 lower case letters, digits and inner hyphens. It becomes
 * a folder, part of socket paths and part of a process title.
 *
 * @throws VsbError E_INSTANCE_NAME
 */
export function assertInstanceName(name: string): void {
  if (!instanceNamePattern.test(name)) {
    throw new VsbError('E_INSTANCE_NAME', `"${name}" cannot be the name of an instance`, {
      hint: 'Use 1 to 32 lower case letters, digits and hyphens; a hyphen neither first nor last.',
    });
  }
}

/** The file names of one instance. Nothing here is created by looking at it. */
export interface InstancePaths {
  readonly name: string;
  readonly stateDir: string;
  /** Where the sockets are. */
  readonly runtimeDir: string;
  /** That folder itself, or a link to it. */
  readonly runtimeRecord: string;
  readonly cacheDir: string;

  /** What the instance was made with: configuration, accelerator, images, ports. 0600 JSON. */
  readonly record: string;
  /** Process ids of the daemon and of QEMU, with their start times. 0600 JSON. */
  readonly processes: string;
  /** What a new daemon needs to take a living QEMU over. 0600 JSON. */
  readonly resume: string;
  /** Who may use the consoles by `console grant`. 0600 JSON. */
  readonly grants: string;
  /** Held with flock(2) by the daemon for as long as it lives. */
  readonly lock: string;

  readonly keysDir: string;
  readonly clientKey: string;
  readonly consoleHostKey: string;
  readonly managementKey: string;
  readonly l1HostKey: string;
  readonly l2HostKey: string;
  readonly passwords: string;

  /** Working directory of QEMU: its kernel and initrd under short names without spaces. */
  readonly bootDir: string;

  readonly logDir: string;
  readonly daemonLog: string;
  /** Where the machine of the last boot that failed stood. */
  readonly failedBootDir: string;
  /** Who attached when to which console. */
  readonly auditLog: string;
  readonly qemuLog: string;
  /** Xen's console and, through it, that of L1's dom0. */
  readonly l1Log: string;
  readonly l2Log: string;

  readonly controlSocket: string;
  readonly qmpSocket: string;
  readonly linkSocket: string;
  /** Where QEMU gives the console of L1 (Xen and dom0), and that of L2. */
  readonly l1Socket: string;
  readonly l2Socket: string;
  /** Over which a saved state comes from QEMU and goes to it. */
  readonly stateSocket: string;
}

/**
 * @throws VsbError E_INSTANCE_NAME, E_PATH_TOO_LONG (a socket's path has no room in `sun_path`)
 */
export function instancePaths(name: string, roots: Roots = findRoots()): InstancePaths {
  assertInstanceName(name);
  const stateDir = join(roots.instances, name);
  const runtimeRecord = join(stateDir, 'run');
  const runtimeDir = recordedLink(runtimeRecord) ?? newRuntimeDir(runtimeRecord, name, roots);
  const keysDir = join(stateDir, 'keys');
  const logDir = join(stateDir, 'log');
  return {
    name,
    stateDir,
    runtimeDir,
    runtimeRecord,
    cacheDir: roots.cache,
    record: join(stateDir, 'instance.json'),
    processes: join(stateDir, 'processes.json'),
    resume: join(stateDir, 'resume.json'),
    grants: join(stateDir, 'grants.json'),
    lock: join(stateDir, 'lock'),
    keysDir,
    clientKey: join(keysDir, 'client_key'),
    consoleHostKey: join(keysDir, 'console_host_key'),
    managementKey: join(keysDir, 'management_key'),
    l1HostKey: join(keysDir, 'l1_host_key'),
    l2HostKey: join(keysDir, 'l2_host_key'),
    passwords: join(keysDir, 'passwords.json'),
    bootDir: join(stateDir, 'boot'),
    logDir,
    failedBootDir: join(stateDir, 'failed-boot'),
    daemonLog: join(logDir, 'daemon.log'),
    auditLog: join(logDir, 'audit.log'),
    qemuLog: join(logDir, 'qemu.log'),
    l1Log: join(logDir, 'l1.log'),
    l2Log: join(logDir, 'l2.log'),
    controlSocket: socketPath(runtimeDir, 'control.sock'),
    qmpSocket: socketPath(runtimeDir, 'qmp.sock'),
    linkSocket: socketPath(runtimeDir, 'link.sock'),
    l1Socket: socketPath(runtimeDir, 'l1.sock'),
    l2Socket: socketPath(runtimeDir, 'l2.sock'),
    stateSocket: socketPath(runtimeDir, 'state.sock'),
  };
}

/** Where a link leads; undefined when there is none, or its goal is gone. */
export function recordedLink(path: string): string | undefined {
  try {
    const goal = readlinkSync(path);
    return lstatSync(goal).isDirectory() ? goal : undefined;
  } catch {
    return undefined;
  }
}

/** The longest name of a socket, with its slash. */
const longestSocketName = '/control.sock';

function newRuntimeDir(own: string, name: string, roots: Roots): string {
  const fits = Buffer.byteLength(own) + longestSocketName.length <= maximumSocketPathBytes;
  return fits && canHaveSockets(own) ? own : join(roots.runtime, name);
}

/** File systems in which bind(2) of a socket fails: 9p, FUSE, VirtualBox' shared folders, CIFS and SMB (statfs(2)). */
const withoutSockets: ReadonlySet<number> = new Set([
  0x01021997, 0x65735546, 0x786f4256, 0xff534d42, 0xfe534d42,
]);

/** By the file system of the nearest folder that exists. */
function canHaveSockets(path: string): boolean {
  try {
    return !withoutSockets.has(statfsSync(path).type);
  } catch {
    const parent = dirname(path);
    return parent === path || canHaveSockets(parent);
  }
}

/** All sockets of an instance. */
export function socketPathsOf(paths: InstancePaths): string[] {
  return [
    paths.controlSocket,
    paths.qmpSocket,
    paths.linkSocket,
    paths.l1Socket,
    paths.l2Socket,
    paths.stateSocket,
  ];
}

function socketPath(directory: string, file: string): string {
  const path = join(directory, file);
  const bytes = Buffer.byteLength(path);
  if (bytes > maximumSocketPathBytes) {
    throw new VsbError(
      'E_PATH_TOO_LONG',
      `the socket path ${path} is ${bytes} bytes long, ${maximumSocketPathBytes} is the limit of the kernel`,
      {
        hint: 'Choose a shorter --name, or a shorter XDG_STATE_HOME or XDG_RUNTIME_DIR.',
        details: { path, bytes },
      },
    );
  }
  return path;
}
