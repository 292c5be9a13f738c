/**
 * The traditional system: the image of L2 as the outermost system, on a QEMU of its own, with the same user VM
 * in it. Nothing is nested but what a host of either kind does by itself.
 *
 * It has folders like an instance's, with the benchmark as its daemon, so that a later run, and `down --all`, find
 * what a killed one has left. QEMU itself ends with the benchmark: the kernel sees to it.
 */
import { VsbError } from '../../base/errors.js';
import { identifyProcess } from '../../base/process-identity.js';
import { configSchema, withDefaultVms, type Config, type L2Kind } from '../../config/schema.js';
import { hostMemoryMiB } from '../../config/sizes.js';
import { packCpio } from '../../formats/cpio.js';
import { publicLineOf } from '../../formats/keys/dropbear.js';
import type { Accel, AccelDecision } from '../../host/accel.js';
import { qemuProgram } from '../../host/qemu.js';
import type { SshTarget } from '../../host/ssh.js';
import { machineArguments, networkArguments, optionValue } from '../../layers/l0.js';
import { l2Overlay, virtualizedSystem } from '../../layers/l2.js';
import { l2Address, l2MacAddress, sshPort } from '../../layers/network.js';
import { defineVm } from '../../machine/assemble.js';
import { loginLogged } from '../../machine/boot-phases.js';
import { connectConsole } from '../../machine/connect-consoles.js';
import { describeExit, StartedProcess } from '../../machine/l0/process.js';
import { QemuMachine } from '../../machine/l0/qemu.js';
import { freshLog } from '../../machine/layer-log.js';
import { findLeftovers, removeLeftovers, removeRuntimeFiles } from '../../machine/leftovers.js';
import { runPhases, type Phase } from '../../machine/phases.js';
import { limitsMs, loopback } from '../../machine/running.js';
import { instancePaths, type InstancePaths } from '../../state/paths.js';
import { createInstanceDirectories } from '../../state/private-folders.js';
import { vmUuid, writeProcesses } from '../../state/record.js';
import { ensureSecrets, type Secrets } from '../../state/secrets.js';
import { kvmHost } from './host-kvm.js';
import { xenHost } from './host-xen.js';
import { install } from './install.js';
import { imagesOf, type Stack, type StackInputs } from './stack.js';
import { Waker } from './waker.js';

export const hostVm = 'vm1';

/** What is laid out for a host's QEMU. */
export interface HostFiles {
  /** QEMU's working directory. */
  readonly bootDir: string;
  /** Folder of the virtualized system's image. */
  readonly image: string;
  /** What is added to it: a cpio archive. */
  readonly overlay: Buffer;
  readonly signal: AbortSignal;
}

/** What the two kinds of hosts differ in. */
export interface HostSystem {
  /** How its QEMU boots it. */
  arguments(accel: Accel): string[];
  layOut(files: HostFiles): Promise<void>;
}

const systems: Readonly<Record<L2Kind, HostSystem>> = { kvm: kvmHost, xen: xenHost };

/** Where the folders are of the instance that stands for it. */
function hostPaths(kind: L2Kind, { name, roots }: StackInputs): InstancePaths {
  return instancePaths(`${name}-host-${kind}`, roots);
}

/** The arguments of its QEMU. */
function hostArguments(
  paths: InstancePaths,
  { l2, vms }: Config,
  { accel, cpu }: AccelDecision,
): string[] {
  return [
    ...machineArguments({
      name: `vsbypass-${paths.name}`,
      accel,
      cpu: cpu.argument,
      cpus: 1,
      memoryMiB: hostMemoryMiB(l2.kind, vms),
      qmpSocket: paths.qmpSocket,
    }),
    ...systems[l2.kind].arguments(accel),
    ...['-chardev', `socket,id=l2,path=${optionValue(paths.l2Socket)},server=on,wait=off`],
    ...['-device', 'isa-serial,chardev=l2,iobase=0x3f8,irq=4'],
    ...networkArguments(l2MacAddress, [{ to: { address: l2Address, port: sshPort } }]),
  ];
}

/**
 * Boots it until its user VM shows a login.
 * @throws VsbError E_BUSY when another benchmark has it; exit 4 when it does not come up; the signal's reason
 */
export async function bootHost(kind: L2Kind, inputs: StackInputs): Promise<Stack> {
  const { roots, accel, signal, report } = inputs;
  const paths = hostPaths(kind, inputs);
  const config = withDefaultVms(configSchema.parse({ l2: { kind } }), 1);
  await claim(paths, inputs);
  await createInstanceDirectories(paths, roots);
  const secrets = await ensureSecrets(paths, [hostVm]);
  await layOut(paths, config, secrets, inputs);
  const l0 = freshLog(paths.qemuLog);
  const l2 = freshLog(paths.l2Log);
  const ready = l2.expect((line) => line.includes('vsbypass-l2: ready'));
  const failed = new AbortController();
  let machine: QemuMachine | undefined;
  let waker: Waker | undefined;
  const close = async (): Promise<void> => {
    waker?.close();
    await machine?.end();
    failed.abort(new VsbError('E_TERMINATED', 'the benchmark has ended it'));
    for (const log of [l0, l2]) log.close();
    await removeRuntimeFiles(paths);
  };
  try {
    const child = await StartedProcess.start(
      {
        make: 'QEMU',
        // QEMU gets the signal when this process ends, however it ends (prctl(2), PR_SET_PDEATHSIG).
        program: 'setpriv',
        arguments: ['--pdeathsig', 'KILL', qemuProgram, ...hostArguments(paths, config, accel)],
        workingDirectory: paths.bootDir,
        remedy: 'apt-get install qemu-system-x86',
      },
      l0,
    );
    const { qmpSocket, stateSocket } = paths;
    const about = { accel: accel.accel, qmpSocket, stateSocket, log: () => undefined } as const;
    const qemu = new QemuMachine({ process: child, ...about });
    machine = qemu;
    await claim(paths, inputs, child);
    void child.exited.then((exit) =>
      failed.abort(new VsbError('E_QEMU_EXITED', `QEMU ${describeExit(exit)}`, { layer: 'L0' })),
    );
    let operator: SshTarget | undefined;
    const shown = { hint: `the log is ${paths.l2Log}`, log: l2 } as const;
    const phases: Phase[] = [
      {
        ...{ name: 'qemu', layer: 'L0', awaited: "QEMU's QMP greeting", limitMs: limitsMs.qemu },
        ...shown,
        run: async (limit) => {
          await qemu.open(limit, limitsMs.qemu);
          const options = { signal: limit, until: failed.signal, complain: () => undefined };
          await connectConsole(l2, paths.l2Socket, options);
          await qemu.run(limit);
          operator = {
            layer: 'L2',
            host: loopback,
            port: (await qemu.forwards(limit))(l2Address, sshPort),
            privateKey: secrets.management.privatePem,
            hostKeyLine: publicLineOf(secrets.l2Host),
          };
        },
      },
      {
        ...{ name: 'host', layer: 'L2', awaited: '`vsbypass-l2: ready`', limitMs: limitsMs.l2 },
        ...shown,
        run: async (limit) => {
          await ready(limit);
        },
      },
      {
        ...{
          name: `login:${hostVm}`,
          layer: 'L3',
          awaited: 'its login',
          limitMs: limitsMs.login,
        },
        ...shown,
        run: async (limit) => {
          if (operator !== undefined) await loginLogged(operator, hostVm, limit, limitsMs.login);
        },
      },
    ];
    const now = (): number => performance.now();
    await runPhases(phases, { signal, failed: failed.signal, emit: report, now });
    if (operator === undefined) throw new TypeError('its ports are known by now');
    if (accel.accel === 'tcg') waker = await Waker.connect(operator, signal);
    return {
      operator,
      probe: await install(operator, 'probe', inputs.programs.probe, signal),
      passwords: secrets.passwords,
      processes: { qemu: child.identity.pid },
      pause: async (paused) => {
        waker?.pause(paused);
        await (paused ? qemu.stop(signal) : qemu.continue());
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Notes that this process runs it; what an earlier one has left is cleared away. */
async function claim(
  paths: InstancePaths,
  { roots }: StackInputs,
  qemu?: StartedProcess,
): Promise<void> {
  const self = await identifyProcess(process.pid);
  if (self === undefined) throw new TypeError('a process knows itself');
  if (qemu === undefined) {
    const leftovers = await findLeftovers(paths);
    if (leftovers.daemon !== undefined) {
      const message = `another benchmark runs (pid ${leftovers.daemon.pid})`;
      throw new VsbError('E_BUSY', message, { hint: 'Wait for it, or `vsbypass down --all`.' });
    }
    await removeLeftovers(paths, leftovers);
    await createInstanceDirectories(paths, roots);
  }
  await writeProcesses(paths, {
    daemon: self,
    ...(qemu === undefined ? {} : { qemu: qemu.identity }),
  });
}

async function layOut(
  paths: InstancePaths,
  config: Config,
  secrets: Secrets,
  { accel: { accel }, images, signal }: StackInputs,
): Promise<void> {
  const { kind } = config.l2;
  const system = virtualizedSystem(kind);
  const vms = await Promise.all(
    config.vms.map(async (vm) => {
      const uuid = vmUuid(paths.name, vm.name);
      const definition = system.defineVm({ vm, uuid, accel });
      const plan = { vms: [{ name: vm.name, uuid, definition }] };
      return await defineVm(vm, plan, secrets, signal);
    }),
  );
  const keys = { authorizedKey: secrets.management.publicLine, hostKey: secrets.l2Host };
  const overlay = packCpio(l2Overlay(keys, system.bootFiles(config, accel), vms));
  const image = imagesOf(kind, images).host;
  await systems[kind].layOut({ bootDir: paths.bootDir, image, overlay, signal });
}
