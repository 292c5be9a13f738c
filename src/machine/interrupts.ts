/** The interrupt path of a running testbed: which it is, and what of L1 and L2 it acts on. */
import { VsbError } from '../base/errors.js';
import { assertIrqMode, hltPolicyOf, needsServer, serverlessMode } from '../config/interrupts.js';
import type { IrqMode } from '../config/schema.js';
import type { IrqStatus } from '../contract/status.js';
import { openRemote, runRemote, type SshTarget } from '../host/ssh.js';
import { interruptServerProgram } from '../images/programs.js';
import { GLOBAL_SLOT } from '../link/index.js';
import { accessToL2 } from '../state/management-targets.js';
import { InterruptPath } from './interrupt-path.js';
import { longestOf } from './phase-limit.js';
import { limitOf, managed, type Running } from './running.js';

/** Where the server is in L2. */
const programInL2 = '/run/vsbypass-irq-server';

export function interruptPathOf(running: Running): InterruptPath {
  const { config } = running.request;
  return new InterruptPath({
    serverless: serverlessMode(config.irq),
    log: running.log,
    limitMs: limitOf(config, 'irq-server'),
    setMode: async (mode) => {
      const { link } = running;
      if (link === undefined) throw noLink();
      await link.setIrqMode(mode);
      await link.setHltPolicy(GLOBAL_SLOT, 0, hltPolicyOf(config, mode));
    },
    bring: async (signal) => {
      const program = await interruptServerProgram(running.paths.cacheDir, signal);
      const fresh = `${programInL2}.new`;
      const there = await runRemote(
        l2Of(running),
        `cat >${fresh} && chmod 700 ${fresh} && mv ${fresh} ${programInL2}`,
        // Whoever calls has a limit, shorter than this one.
        { signal, stdin: program, timeoutMs: longestOf(limitOf(config, 'irq-server')) },
      );
      if (there.code !== 0) {
        throw new VsbError('E_IRQ_SERVER', `L2 does not take it: ${there.stderr.trim()}`, {
          layer: 'L2',
        });
      }
    },
    open: async (mode, signal) =>
      await openRemote(
        l2Of(running),
        `PATH=/usr/sbin:/usr/bin:/sbin:/bin; exec ${programInL2} ${mode} ${config.l2.kind}`,
        { signal },
      ),
  });
}

/**
 * Another interrupt path from now on.
 *
 * @param limitMs of each step with a server in L2; by default that of its phase
 * @throws VsbError E_IRQ_MODE, E_IRQ_SERVER, E_SSH, E_LINK_*
 */
export async function setIrqMode(
  running: Running,
  mode: IrqMode,
  signal: AbortSignal,
  limitMs?: number,
): Promise<IrqStatus> {
  assertIrqMode(running.request.config, mode);
  const { interrupts } = running;
  if (interrupts === undefined) throw noLink();
  await interrupts.switchTo(mode, signal, limitMs);
  return describeInterrupts(interrupts);
}

export function describeInterrupts({ wanted, active, restarts }: InterruptPath): IrqStatus {
  return { mode: wanted, ...(needsServer(wanted) ? { active, restarts } : {}) };
}

function l2Of(running: Running): SshTarget {
  return accessToL2(managed(running));
}

export function noLink(): VsbError {
  return new VsbError('E_LINK_CLOSED', 'there is no link to the shadow hypervisor', {
    layer: 'L1',
  });
}
