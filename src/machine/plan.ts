/**
 * The whole testbed on paper: every command line and domain configuration, without looking at or
 * touching anything. `up` carries it out, `up --dry-run` prints it.
 */
import { l2SystemOf, type Config } from '../config/schema.js';
import type { CpioFile } from '../formats/cpio.js';
import type { AccelDecision } from '../host/accel.js';
import { qemuProgram } from '../host/qemu.js';
import { diskOf } from '../layers/disks.js';
import { l0Arguments } from '../layers/l0.js';
import { bochsConfigPath, bochsFiles } from '../layers/l0-bochs.js';
import { dom0CommandLine, xenCommandLine } from '../layers/l1.js';
import { l2Domain, virtualizedSystem, type VmDefinition } from '../layers/l2.js';
import type { InstancePaths } from '../state/paths.js';
import { l2Uuid, vmUuid } from '../state/record.js';

/** Names of what is booted, relative to the machine's working directory (the instance's boot folder). */
export const bootFiles = {
  xen: 'xen',
  dom0Kernel: 'l1.vmlinux',
  dom0Initrd: 'l1.initrd',
  l2Disk: 'l2.disk',
  l2Overlay: (index: number) => `l2-${index}.overlay`,
} as const;

export interface VmPlan {
  readonly name: string;
  readonly uuid: string;
  readonly definition: VmDefinition;
}

/** How the machine of L0 is started. */
export interface MachinePlan {
  /** For people. */
  readonly make: string;
  readonly program: string;
  readonly arguments: readonly string[];
  readonly workingDirectory: string;
  /** What helps where the program cannot be started. */
  readonly remedy: string;
}

export interface TestbedPlan {
  readonly machine: MachinePlan;
  readonly xenCommandLine: string;
  readonly dom0CommandLine: string;
  /** In the syntax of xl.cfg(5). */
  readonly l2DomainConfig: string;
  /** Files that tell L2 how to boot, where its domain configuration does not. */
  readonly l2BootFiles: readonly CpioFile[];
  readonly vms: readonly VmPlan[];
}

/** What a plan says of the instance itself. */
export type PlannedPaths = Pick<
  InstancePaths,
  'name' | 'bootDir' | 'l1Socket' | 'l2Socket' | 'qmpSocket' | 'linkSocket'
>;

export function planTestbed(
  paths: PlannedPaths,
  config: Config,
  { accel, cpu }: Pick<AccelDecision, 'accel' | 'cpu'>,
): TestbedPlan {
  const xen = xenCommandLine(config, accel);
  const dom0 = dom0CommandLine(accel);
  const domain = l2Domain(l2SystemOf(config));
  const l2 = virtualizedSystem(config.l2.kind);
  const qemu = (): MachinePlan => ({
    make: 'QEMU',
    program: qemuProgram,
    arguments: l0Arguments({
      instance: paths.name,
      accel,
      cpu: cpu.argument,
      config,
      ...bootFiles,
      xenCommandLine: xen,
      dom0CommandLine: dom0,
      l1Socket: paths.l1Socket,
      l2Socket: paths.l2Socket,
      qmpSocket: paths.qmpSocket,
      linkSocket: paths.linkSocket,
    }),
    workingDirectory: paths.bootDir,
    remedy: 'apt-get install qemu-system-x86',
  });
  return {
    machine: accel === 'bochs' ? bochsPlan(paths) : qemu(),
    xenCommandLine: xen,
    dom0CommandLine: dom0,
    l2DomainConfig: domain.domainConfig(config, accel, l2Uuid(paths.name)),
    l2BootFiles: domain.bootFiles(config, accel),
    vms: config.vms.map((vm) => {
      const uuid = vmUuid(paths.name, vm.name);
      return {
        name: vm.name,
        uuid,
        definition: l2.defineVm({ vm, uuid, accel, disk: diskOf(config, vm.name, l2.diskInL2) }),
      };
    }),
  };
}

/** What it boots is in its configuration, which is laid out with the boot files. */
function bochsPlan({ bootDir }: PlannedPaths): MachinePlan {
  return {
    make: 'Bochs',
    program: `${bootDir}/${bochsFiles.program}`,
    arguments: ['-q', '-f', bochsConfigPath(bootDir)],
    workingDirectory: bootDir,
    remedy: '`vsbypass build` builds it.',
  };
}
