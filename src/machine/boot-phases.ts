/** The phases of a boot: what each layer must show, in which time. */
import { VsbError } from '../base/errors.js';
import { needsServer, type ServerMode } from '../config/interrupts.js';
import type { VmConfig } from '../config/schema.js';
import { runRemote, shellQuote, type SshTarget } from '../host/ssh.js';
import { l2VmPaths } from '../layers/l2-paths.js';
import { accessToL2 } from '../state/management-targets.js';
import { connectLink } from './connect-link.js';
import { connectMachine } from './connect-machine.js';
import { consoleRunning, loginShown } from './console-waits.js';
import { setIrqMode } from './interrupts.js';
import { openGateway } from './open-gateway.js';
import { ownSystemPhase } from './own-system-phase.js';
import { longestOf } from './phase-limit.js';
import type { Phase } from './phases.js';
import { startInL2, startedInTurn } from './start-in-l2.js';
import { limitOf, managed, usualDom0Ms, type LimitName, type Running } from './running.js';

/** In the order in which they are gone through. */
export function bootPhases(running: Running): Phase[] {
  const { config } = running.request;
  const limit = (name: LimitName): number => limitOf(config, name);
  const { l0, l1, l2, machine } = running;
  const loginOf =
    (name: string) =>
    async (signal: AbortSignal): Promise<void> =>
      config.console.mode === 'shadow'
        ? await loginShown(running.hub, name, signal)
        : await loginLogged(accessToL2(managed(running)), name, signal, longestOf(limit('login')));
  const firstXenLine = l1.expect((line) => line.includes('Xen'));
  const dom0Ready = l1.expect((line) => line.includes('vsbypass-l1: ready'));
  const l2Ready = l2.expect((line) => line.includes('vsbypass-l2: ready'));
  return [
    {
      name: machine.opening.phase,
      layer: 'L0',
      awaited: machine.opening.awaited,
      limitMs: limit('qemu'),
      hint: '`vsbypass logs qemu` shows what it complained about.',
      log: l0,
      run: async (signal) => await connectMachine(running, signal, limit('qemu')),
    },
    {
      name: 'l1-xen',
      layer: 'L1',
      awaited: "Xen's first line on its console",
      limitMs: limit('l1-xen'),
      hint: 'The image of the hypervisor may be damaged: `vsbypass build`.',
      log: l1,
      run: async (signal) => {
        await firstXenLine(signal);
      },
    },
    {
      name: 'link',
      layer: 'L1',
      awaited: "the shadow hypervisor's HELLO on the link",
      limitMs: limit('link'),
      hint: 'Is the hypervisor built from images/xen? `vsbypass logs xen` shows its messages.',
      log: l1,
      run: async (signal) => {
        await connectLink(running, signal, longestOf(limit('link')));
        await openGateway(running, config.console.port);
      },
    },
    {
      name: 'l1-dom0',
      layer: 'L1',
      awaited: 'dom0 to say `vsbypass-l1: ready` (L2 is created by then)',
      limitMs: limit('l1-dom0'),
      usualMs: usualDom0Ms,
      hint: '`vsbypass logs l1` shows how far dom0 came.',
      log: l1,
      run: async (signal) => {
        await dom0Ready(signal);
      },
    },
    config.l2.disk === undefined
      ? {
          name: 'l2',
          layer: 'L2',
          awaited: 'the virtualized system to say `vsbypass-l2: ready`',
          limitMs: limit('l2'),
          hint: '`vsbypass logs l2` shows how far it came.',
          log: l2,
          run: async (signal) => {
            await l2Ready(signal);
          },
        }
      : ownSystemPhase(running),
    ...(needsServer(config.irq) ? [interruptServerPhase(running, config.irq)] : []),
    ...config.vms
      .filter((vm) => vm.autostart)
      .flatMap((vm) => vmPhases(running, vm, limit, loginOf(vm.name))),
  ];
}

function interruptServerPhase(running: Running, mode: ServerMode): Phase {
  const limitMs = limitOf(running.request.config, 'irq-server');
  return {
    name: 'irq-server',
    layer: 'L2',
    awaited: 'the interrupt server in L2 to say that it is ready',
    limitMs,
    hint: '`vsbypass logs l2` shows whether L2 is well; --irq direct needs no server.',
    log: running.l2,
    run: async (signal) => {
      await setIrqMode(running, mode, signal, longestOf(limitMs));
    },
  };
}

/** Waits for `login:` where the operator sees it: in the log of L2's own serial device. */
export async function loginLogged(
  l2: SshTarget,
  name: string,
  signal: AbortSignal,
  limitMs: number,
): Promise<void> {
  const path = shellQuote(l2VmPaths(name).consoleLog);
  const rounds = Math.ceil(limitMs / 1000);
  // The boot's limit ends it before; the rounds end it if the connection is cut.
  const command = `for i in $(seq ${rounds}); do grep -q 'login:' ${path} && exit; sleep 1; done; exit 1`;
  const result = await runRemote(l2, command, { signal, timeoutMs: limitMs });
  if (result.code === 0) return;
  throw new VsbError('E_VM_GONE', `L2's serial log of ${name} shows no login`, { layer: 'L3' });
}

function vmPhases(
  running: Running,
  vm: VmConfig,
  limit: (name: LimitName) => number,
  loginShown: (signal: AbortSignal) => Promise<void>,
): Phase[] {
  const appeared: Phase = {
    name: `vm:${vm.name}`,
    layer: 'L3',
    awaited: `the first access of ${vm.name} to its serial port`,
    limitMs: limit('vm'),
    hint: '`vsbypass logs l2` shows whether L2 could start it.',
    log: running.l2,
    run: async (signal) => {
      if (startedInTurn(running.request.config).has(vm.name)) {
        // The phase has a limit, which stretches; this one must not end it before.
        await startInL2(running, vm.name, { signal, timeoutMs: longestOf(limit('vm')) });
      }
      await consoleRunning(running.hub, vm.name, signal);
    },
  };
  // Whether another kernel or a disk ends in a login is not for us to know.
  if (vm.kernel !== undefined || vm.disk !== undefined) return [appeared];
  const login: Phase = {
    name: `login:${vm.name}`,
    layer: 'L3',
    awaited: `\`login:\` on the console of ${vm.name}`,
    limitMs: limit('login'),
    hint: `\`vsbypass logs xen\` and \`vsbypass logs l2\` show the layers below it.`,
    log: running.l2,
    run: loginShown,
  };
  return [appeared, login];
}
