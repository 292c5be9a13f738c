/** What `status` tells of a testbed, as data. */
import type { L2Ssh } from '../config/schema.js';
import type { ConsoleHub } from '../console/hub/hub.js';
import type { VmConsole } from '../console/hub/vm-console.js';
import type { InstanceState, InstanceStatus, VmStatus } from '../contract/status.js';
import { fingerprintOfLine } from '../formats/keys/key-files.js';
import type { Link, VmRecord } from '../link/index.js';
import { describeInterrupts } from '../machine/interrupts.js';
import { loopback, namedVms, type NamedVm, type Running } from '../machine/running.js';
import type { Monitor } from './monitor.js';

/** What a testbed knows of itself. */
export interface Known {
  readonly name: string;
  readonly daemonPid: number;
  readonly state: InstanceState;
  /** While its machine lives. */
  readonly running: Running | undefined;
  /** Of the machine that lives, or of the last one. */
  readonly about: Pick<Running, 'request' | 'plan'> | undefined;
  /** The phase of a boot under way. */
  readonly phase?: string | undefined;
  /** When the boot was complete. */
  readonly since?: string;
  /** While it is up. */
  readonly monitor?: Monitor;
  /** Why it is broken. */
  readonly reason?: string;
}

export function describeTestbed(known: Known): InstanceStatus {
  const { running, about, monitor } = known;
  const { state, reason } = monitor?.verdict ?? known;
  const layers = monitor?.layers ?? [];
  const jump = monitor?.clockJump;
  return {
    schemaVersion: 1,
    name: known.name,
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(layers.length === 0 ? {} : { layers: [...layers] }),
    ...(jump === undefined ? {} : { clockJump: jump }),
    ...(known.phase === undefined ? {} : { phase: known.phase }),
    ...(known.since === undefined ? {} : { since: known.since }),
    ...(about === undefined ? {} : { accel: about.request.accel }),
    processes: {
      daemon: known.daemonPid,
      ...(running === undefined ? {} : { qemu: running.machine.process.identity.pid }),
    },
    ...(running === undefined ? {} : describeRunning(running)),
    vms: about === undefined ? [] : describeVms(namedVms(about), running?.hub),
  };
}

/** The parts of a status that come from a machine that runs. */
function describeRunning(
  running: Running,
): Pick<InstanceStatus, 'gateway' | 'management' | 'shadowHypervisor' | 'irq'> {
  const { gateway, management, link, interrupts, paths, secrets } = running;
  const { ssh } = running.request.config.l2;
  return {
    ...(interrupts === undefined ? {} : { irq: describeInterrupts(interrupts) }),
    ...(gateway === undefined
      ? {}
      : {
          gateway: {
            host: loopback,
            port: gateway.port,
            hostKeyLine: secrets.consoleHost.publicLine,
            hostKeyFingerprint: fingerprintOfLine(secrets.consoleHost.publicLine),
            clientKeyPath: paths.clientKey,
          },
        }),
    ...(management === undefined
      ? {}
      : {
          management: {
            l1: { host: management.l1.host, port: management.l1.port },
            ...(management.l2 === undefined
              ? {}
              : {
                  l2: {
                    ...{ host: management.l2.host, port: management.l2.port },
                    ...(ssh === undefined ? {} : { own: ownAccess(ssh) }),
                  },
                }),
            keyPath: paths.managementKey,
          },
        }),
    ...(link === undefined ? {} : { shadowHypervisor: describeLink(link) }),
  };
}

function ownAccess({ user, key, hostKey }: L2Ssh): { user: string; key: string; hostKey?: string } {
  return { user, key, ...(hostKey === undefined ? {} : { hostKey }) };
}

function describeLink(link: Link): NonNullable<InstanceStatus['shadowHypervisor']> {
  const { xenVersion, slots } = link.hello;
  const { badCrc, oversize, badEscape, unknown } = link.stats();
  return { version: xenVersion, slots, badFrames: badCrc + oversize + badEscape + unknown };
}

/** All that have a configured name, and then what else the shadow hypervisor knows. */
export function describeVms(named: readonly NamedVm[], hub: ConsoleHub | undefined): VmStatus[] {
  const planned = named.map((vm): VmStatus => {
    const console = hub?.vm(vm.name);
    return console === undefined
      ? { name: vm.name, uuid: vm.uuid, state: 'absent', sessions: 0, bytesOut: 0, bytesIn: 0 }
      : describeConsole(console);
  });
  const known = new Set(planned.map((vm) => vm.name));
  const others = (hub?.list() ?? []).filter((console) => !known.has(console.name));
  return [...planned, ...others.map(describeConsole)];
}

function describeConsole(console: VmConsole): VmStatus {
  const { name, state, vm, sessions, bytesOut, bytesIn } = console.info();
  return {
    name,
    state,
    ...(vm === undefined ? {} : { slot: vm.slot, hooked: vm.hooked, ...labelOf(vm, console) }),
    ...(console.watched.length === 0 ? {} : { watched: [...console.watched] }),
    sessions: sessions.length,
    bytesOut,
    bytesIn,
  };
}

function labelOf(
  { uuid, doubtful }: VmRecord,
  { rivals }: VmConsole,
): Pick<VmStatus, 'uuid' | 'label' | 'claims' | 'sharedWith'> {
  if (doubtful) return { label: 'doubtful', ...(uuid === undefined ? {} : { claims: uuid }) };
  return {
    ...(uuid === undefined ? {} : { uuid }),
    ...(rivals.length === 0 ? {} : { label: 'shared' as const, sharedWith: [...rivals] }),
  };
}
