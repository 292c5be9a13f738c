/** The phases of a boot from a saved state: the machine goes on, then all that must be new is made new. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';

import { VsbError } from '../base/errors.js';
import type { ScriptPeer } from '../console/dialogue/conversation.js';
import { runScript } from '../console/dialogue/script.js';
import { packCpio } from '../formats/cpio.js';
import { hashPassword } from '../host/passwords.js';
import { secretVmFiles } from '../layers/l2.js';
import { l3Overlay } from '../layers/l3.js';
import { GLOBAL_SLOT, Link, type VmRecord } from '../link/index.js';
import { renewSecrets, writeSecrets, type Secrets } from '../state/secrets.js';
import { attachLink } from './connect-link.js';
import { setIrqMode } from './interrupts.js';
import { managementOf, startGuest } from './connect-machine.js';
import { openGateway } from './open-gateway.js';
import { longestOf } from './phase-limit.js';
import type { Phase } from './phases.js';
import type { VmPlan } from './plan.js';
import { limitOf, takeUp, type Running } from './running.js';
import { readState, type SavedState } from './saved/folder.js';
import { uuidsOf } from './saved/keep.js';
import { loginSteps, newSeed, renewManaged, renewalSteps, type NewFile } from './saved/renew.js';
import { accessToL2 } from '../state/management-targets.js';

/** @param state `running.secrets` are those that were good when it was saved */
export function resumePhases(running: Running, state: SavedState): Phase[] {
  const { config } = running.request;
  const { l0, l1, l2, paths, machine } = running;
  const { runs } = state.snapshot;
  takeUp(running, runs);
  const fresh = renewSecrets(paths, running.secrets);
  let link: Link | undefined;
  return [
    {
      name: machine.opening.phase,
      layer: 'L0',
      awaited: machine.opening.awaited,
      limitMs: limitOf(config, 'qemu'),
      hint: '`vsbypass logs qemu` shows what it complained about.',
      log: l0,
      run: async (signal) => await machine.open(signal, limitOf(config, 'qemu')),
    },
    {
      name: 'restore',
      layer: 'L0',
      awaited: `${machine.make} to take the saved state`,
      limitMs: limitOf(config, 'restore'),
      hint: '`vsbypass up --cold` does without.',
      log: l0,
      run: async (signal) => {
        const exchange = { places: state.snapshot.places, uuids: uuidsOf(running) };
        await machine.restore(state.folder.state, signal, exchange);
        await assertSame(state);
        await startGuest(running, signal);
        running.management = await managementOf(running, signal);
      },
    },
    {
      name: 'link',
      layer: 'L1',
      awaited: "the shadow hypervisor's HELLO on the link",
      limitMs: limitOf(config, 'link'),
      hint: '`vsbypass up --cold` does without the saved state.',
      log: l1,
      run: async (signal) => {
        const timeoutMs = longestOf(limitOf(config, 'link'));
        link = await Link.connect(paths.linkSocket, { signal, timeoutMs });
        running.link = link;
      },
    },
    {
      name: 'renew',
      layer: 'L3',
      awaited:
        'every layer to have new keys, random numbers and the time, and each console to answer',
      limitMs: limitOf(config, 'renew'),
      hint: '`vsbypass up --cold` does without the saved state.',
      log: l2,
      run: async (signal) => {
        if (link === undefined) throw new TypeError('the phase before it has connected the link');
        // A link reads from its first listener to data on.
        link.on('data', ignore);
        await renewAll(running, link, fresh, runs.running, signal);
        // Only now: what was typed to renew the VMs is in nobody's history.
        await attachLink(running, link);
        link.off('data', ignore);
        await setIrqMode(running, runs.irq, signal);
        // A new prompt, for whoever comes first.
        const live = link.vms().filter((vm) => vm.state === 'running');
        for (const vm of live) link.write(vm.slot, vm.generation, Buffer.from('\r'));
        await openGateway(running, config.console.port);
      },
    },
  ];
}

/** What was read first, keys and places, must be of the state that was read then: another may have taken its place. */
async function assertSame({ folder, snapshot }: SavedState): Promise<void> {
  const now = await readState(folder).catch(() => undefined);
  if (now?.snapshot.createdAt === snapshot.createdAt) return;
  throw new VsbError('E_FILE', 'it was removed meanwhile');
}

async function renewAll(
  running: Running,
  link: Link,
  fresh: Secrets,
  vms: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { management, paths } = running;
  if (management === undefined) throw new TypeError('the machine is connected');
  const authorizedKey = fresh.management.publicLine;
  const hashes = passwordHashes(running, fresh, signal);
  const l1Keys = { hostKey: fresh.l1Host, authorizedKey };
  const l1 = renewManaged(management.l1, l1Keys, Promise.resolve([]), signal);
  const l2Keys = { hostKey: fresh.l2Host, authorizedKey };
  const files = hashes.then((known) => startFiles(running, known));
  // Nobody asks for them where the connection fails.
  files.catch(() => undefined);
  const l2 = renewManaged(accessToL2(management), l2Keys, files, signal);
  const consoles = renewConsoles(running, link, hashes, vms, signal);
  await Promise.all([l1, l2, consoles]);
  await writeSecrets(paths, fresh);
  running.secrets = fresh;
  running.management = await managementOf(running, signal);
}

/** By user VM. */
type PasswordHashes = ReadonlyMap<string, string>;

async function passwordHashes(
  { plan }: Running,
  { passwords }: Secrets,
  signal: AbortSignal,
): Promise<PasswordHashes> {
  const hashing = plan.vms.map(async ({ name }) => {
    const password = passwords.get(name);
    if (password === undefined) throw new TypeError(`${name} has no password`);
    return [name, await hashPassword(password, { signal })] as const;
  });
  return new Map(await Promise.all(hashing));
}

/** With what each user VM begins anew when it is started again. */
function startFiles({ plan }: Running, hashes: PasswordHashes): NewFile[] {
  return plan.vms.flatMap(({ name, definition }) =>
    secretVmFiles(name, definition, packCpio(l3Overlay(name, hashOf(hashes, name)))),
  );
}

function hashOf(hashes: PasswordHashes, name: string): string {
  const hash = hashes.get(name);
  if (hash === undefined) throw new TypeError(`${name} is unknown`);
  return hash;
}

async function renewConsoles(
  running: Running,
  link: Link,
  hashes: Promise<PasswordHashes>,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await link.setHltPolicy(GLOBAL_SLOT, 0, 'attached');
  const vms = running.plan.vms.filter(({ name }) => names.includes(name));
  await Promise.all(vms.map(async (vm) => await renewConsole(running, link, vm, hashes, signal)));
}

async function renewConsole(
  { secrets, request }: Running,
  link: Link,
  { name, uuid }: VmPlan,
  hashes: Promise<PasswordHashes>,
  signal: AbortSignal,
): Promise<void> {
  const oldPassword = secrets.passwords.get(name);
  if (oldPassword === undefined) throw new TypeError(`${name} had no password`);
  const vm = await vmOf(link, uuid, signal);
  const canary = `canary-${randomBytes(6).toString('hex')}`;
  await link.setAttached(vm.slot, vm.generation, 1);
  const peer = linkPeer(link, vm);
  try {
    const options = { signal, stripAnsi: true };
    // The phase knows whether the machine makes progress.
    const limitMs = longestOf(limitOf(request.config, 'renew'));
    await runScript(peer, loginSteps(canary, oldPassword, limitMs), options);
    const seconds = Math.round(Date.now() / 1000);
    const renewal = { passwordHash: hashOf(await hashes, name), seed: newSeed(), seconds };
    await runScript(peer, renewalSteps(renewal, limitMs), options);
  } catch (error) {
    signal.throwIfAborted();
    // The transcript has the VM's passwords next to it: none of it goes into a log.
    const step = error instanceof VsbError ? error.details?.['step'] : undefined;
    const message = `the console of ${name} did not answer as at a login prompt (step ${String(step)})`;
    throw new VsbError('E_EXPECT_TIMEOUT', message, { layer: 'L3' });
  } finally {
    peer.end();
    await link.setAttached(vm.slot, vm.generation, 0).catch(() => undefined);
  }
}

/** One VM's console, straight on the link. */
function linkPeer(link: Link, vm: VmRecord): ScriptPeer & { end(): void } {
  let listener: ((bytes: Buffer | undefined) => void) | undefined;
  const onData = (slot: number, generation: number, bytes: Buffer): void => {
    if (slot === vm.slot && generation === vm.generation) listener?.(bytes);
  };
  const onClose = (): void => listener?.(undefined);
  link.on('data', onData).on('close', onClose);
  return {
    onOutput: (wanted) => {
      listener = wanted;
    },
    send: (bytes) => {
      link.write(vm.slot, vm.generation, bytes);
      return Promise.resolve();
    },
    end: () => void link.off('data', onData).off('close', onClose),
  };
}

/** The VM with that label, as soon as L1 has told of it. */
async function vmOf(link: Link, uuid: string, signal: AbortSignal): Promise<VmRecord> {
  for (;;) {
    const known = link
      .vms()
      .find((vm) => vm.uuid === uuid && !vm.doubtful && vm.state === 'running');
    if (known !== undefined) return known;
    await once(link, 'vm', { signal });
  }
}

function ignore(): void {
  // For listeners that only have to be there.
}
