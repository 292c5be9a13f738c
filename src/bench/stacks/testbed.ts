/** The testbed with the shadow hypervisor, as an instance of its own. */
import { VsbError } from '../../base/errors.js';
import { configSchema, defaultVms, type L2Kind, type VmConfig } from '../../config/schema.js';
import type { InstanceStatus } from '../../contract/status.js';
import { readKey } from '../../formats/keys/key-files.js';
import type { AccelDecision } from '../../host/accel.js';
import { bootInstance } from '../../instance/boot.js';
import { callDaemon } from '../../instance/client.js';
import { stopInstance } from '../../instance/stop.js';
import { defaultAppend } from '../../layers/l3.js';
import { loginLogged } from '../../machine/boot-phases.js';
import { limitsMs } from '../../machine/running.js';
import { warmName } from '../../machine/saved/store.js';
import { accessToL2, managementTargets } from '../../state/management-targets.js';
import { instancePaths, type InstancePaths } from '../../state/paths.js';
import { readPasswords } from '../../state/secrets.js';
import { install } from './install.js';
import { imagesOf, type Stack, type StackInputs } from './stack.js';

export interface TestbedPlan {
  readonly l2: L2Kind;
  /** Shadowed from their first byte on. */
  readonly shadowed: readonly string[];
  /** Left to L2 from their first byte on. */
  readonly leftToL2: readonly string[];
  readonly memoryMiB?: number;
  /** Of L2, where it is not the default. */
  readonly vcpus?: number;
  /** Begins with a saved state, and keeps one. */
  readonly warm?: boolean;
}

export function testbedPaths({ name, roots }: Pick<StackInputs, 'name' | 'roots'>): InstancePaths {
  return instancePaths(name, roots);
}

/**
 * Boots it until all of its user VMs show their login.
 * @throws VsbError exit 4 when it does not come up; the signal's reason, when nothing is left running
 */
export async function bootTestbed(inputs: StackInputs, plan: TestbedPlan): Promise<Stack> {
  const { signal, report, accel, images } = inputs;
  const paths = testbedPaths(inputs);
  // One that a killed benchmark has left; a living one has been looked for.
  await stopInstance(paths);
  const status = await bootInstance(
    {
      paths,
      roots: inputs.roots,
      request: {
        ...{ accel, images: imagesOf(plan.l2, images).testbed, config: configOf(plan, accel) },
        warm: plan.warm === true ? { resume: warmName, keep: true } : {},
      },
    },
    { signal, report: (event) => event.type === 'phase' && report(event) },
  );
  try {
    return await describe(paths, status, plan, inputs);
  } catch (error) {
    await stopInstance(paths);
    throw error;
  }
}

function configOf(
  { l2, shadowed, leftToL2, memoryMiB, vcpus }: TestbedPlan,
  { accel }: AccelDecision,
): object {
  const [common] = defaultVms(1);
  const vm = (name: string, more: Partial<VmConfig>): VmConfig => ({
    ...(common as VmConfig),
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
    ...{ name, ...more },
  });
  // What a kernel tells while it boots would take minutes through a nested console.
  const append = `${defaultAppend(accel)} quiet`;
  const vms = [
    ...shadowed.map((name) => vm(name, {})),
    ...leftToL2.map((name) => vm(name, { autostart: false, append })),
  ];
  return configSchema.parse({ l2: { kind: l2, vcpus }, vms });
}

async function describe(
  paths: InstancePaths,
  { gateway, management, processes }: InstanceStatus,
  { leftToL2 }: TestbedPlan,
  { programs, signal }: StackInputs,
): Promise<Stack> {
  if (gateway === undefined || management === undefined || processes.qemu === undefined) {
    throw new VsbError('E_DAEMON', 'a running instance has a gateway and can be managed');
  }
  const targets = await managementTargets(paths, management);
  const { l1 } = targets;
  const l2 = accessToL2(targets);
  const options = { signal };
  for (const vm of leftToL2) {
    // Before it starts: its driver then finds L2's UART only.
    await callDaemon(paths.controlSocket, 'vm.hook', { vm, on: false }, options);
    await callDaemon(paths.controlSocket, 'vm.start', { vm }, options);
    await loginLogged(l2, vm, signal, limitsMs.login);
  }
  return {
    operator: l2,
    probe: await install(l2, 'probe', programs.probe, signal),
    passwords: await readPasswords(paths),
    processes: { qemu: processes.qemu, daemon: processes.daemon },
    shadow: {
      controlSocket: paths.controlSocket,
      gateway: {
        host: gateway.host,
        port: gateway.port,
        hostKeyFingerprint: gateway.hostKeyFingerprint,
        privateKeyPem: (await readKey(gateway.clientKeyPath)).privatePem,
      },
      l1,
      counters: async (until) =>
        await callDaemon(paths.controlSocket, 'counters', {}, { signal: until }),
      setIrqMode: async (mode, until) => {
        await callDaemon(paths.controlSocket, 'irq.set', { mode }, { signal: until });
      },
      setHltPolicy: async (vm, policy, until) => {
        await callDaemon(paths.controlSocket, 'vm.hlt', { vm, policy }, { signal: until });
      },
    },
    pause: async (paused) => {
      await callDaemon(paths.controlSocket, 'pause', { paused });
    },
    close: async () => {
      await stopInstance(paths);
    },
  };
}
