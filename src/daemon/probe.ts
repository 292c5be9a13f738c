/** Asks every layer of a running testbed for a sign of life. */
import { once } from 'node:events';
import { statfs } from 'node:fs/promises';
import { createConnection } from 'node:net';

import { messageOf } from '../base/errors.js';
import { stretched } from '../base/machine-pace.js';
import { processState } from '../base/process-identity.js';
import type { LayerHealth } from '../contract/health.js';
import { runRemote, type SshTarget } from '../host/ssh.js';
import type { Running } from '../machine/running.js';

/** How long a layer may take to answer; all are asked at once, and `status` waits for them. */
const usualLimitMs = stretched(3000);
/** By then L1 calls each user VM silent that has not run since L2 crashed (VSB_SILENT: 10 s; that is looked at now and then). */
const vmsSilentMs = 20_000;
/** Below it logs and state can no longer be written with any certainty. */
const leastFreeMiB = 32;

/**
 * In the order of the layers. Never throws.
 *
 * @param limitMs for one to answer; all of it takes twice as long at most, which is less than `status` waits
 */
export async function probeLayers(
  running: Running,
  limitMs = usualLimitMs,
): Promise<LayerHealth[]> {
  const end = performance.now() + 2 * limitMs;
  const [host, l0] = await Promise.all([
    probeHost(running, limitMs),
    probeMachine(running, limitMs),
  ]);
  if (l0.state !== 'ok') {
    const unknown = (layer: string): LayerHealth => ({
      layer,
      state: 'unknown',
      detail: `${running.machine.make} does not run it`,
    });
    const vms = running.request.config.vms.map(({ name }) => unknown(`vm:${name}`));
    return [host, l0, ...['L1', 'dom0', 'L2'].map(unknown), ...vms];
  }
  const [l1, dom0, l2] = await Promise.all([
    probeHypervisor(running, limitMs),
    probeSsh('dom0', running.management?.l1, limitMs),
    probeL2(running, limitMs, end),
  ]);
  const server = running.interrupts?.health() ?? [];
  return [host, l0, l1, dom0, l2, ...server, ...probeVms(running)];
}

async function probeHost({ paths }: Running, limitMs: number): Promise<LayerHealth> {
  try {
    const { bavail, bsize } = await withDeadline(statfs(paths.stateDir), limitMs);
    const freeMiB = Math.floor((bavail * bsize) / 1_048_576);
    return freeMiB >= leastFreeMiB
      ? { layer: 'host', state: 'ok', detail: `${freeMiB} MiB of disk free` }
      : {
          layer: 'host',
          state: 'failing',
          detail: `${freeMiB} MiB of disk free in ${paths.stateDir}: logs may miss lines`,
        };
  } catch (error) {
    const detail = `${paths.stateDir}: ${messageOf(error)}`;
    return { layer: 'host', state: 'failing', detail };
  }
}

async function probeMachine({ machine }: Running, limitMs: number): Promise<LayerHealth> {
  const found = (state: LayerHealth['state'], detail: string): LayerHealth => ({
    layer: 'L0',
    state,
    detail,
  });
  const { make, process } = machine;
  const { pid } = process.identity;
  const state = await processState(process.identity);
  if (state === undefined) return found('dead', `${make} (pid ${pid}) is gone`);
  if (state === 'T' || state === 't') {
    return found('failing', `${make} is stopped by a signal; \`kill -CONT ${pid}\` lets it go on`);
  }
  const { ok, detail } = await machine.health(limitMs);
  return found(ok ? 'ok' : 'failing', detail);
}

async function probeHypervisor({ link }: Running, limitMs: number): Promise<LayerHealth> {
  const found = (state: LayerHealth['state'], detail: string): LayerHealth => ({
    layer: 'L1',
    state,
    detail,
  });
  if (link === undefined || link.closed) return found('failing', 'the link is down');
  try {
    const counters = await withDeadline(link.globalCounters(), limitMs);
    return found('ok', `answers on the link, up ${Math.round(counters.uptimeNs / 1e9)} s`);
  } catch (error) {
    return found('failing', `no answer on the link: ${messageOf(error)}`);
  }
}

async function withDeadline<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `nothing within ${Math.round(limitMs / 1000)} s`;
    timer = setTimeout(() => reject(new Error(message)), limitMs);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** The SSH server's first line: the layer's kernel, network and user space run. No key is needed. */
async function probeSsh(
  layer: string,
  target: SshTarget | undefined,
  limitMs: number,
): Promise<LayerHealth> {
  if (target === undefined) return { layer, state: 'unknown', detail: 'not yet reachable' };
  const socket = createConnection(target.port, target.host);
  socket.on('error', () => undefined); // The wait below tells.
  try {
    const signal = AbortSignal.timeout(limitMs);
    const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
    const speaks = chunk.toString('latin1').startsWith('SSH-');
    return speaks
      ? { layer, state: 'ok', detail: 'its SSH server answers' }
      : { layer, state: 'failing', detail: 'what answers is no SSH server' };
  } catch {
    return {
      layer,
      state: 'failing',
      detail: `its SSH server does not answer within ${Math.round(limitMs / 1000)} s`,
    };
  } finally {
    socket.destroy();
  }
}

/** A system of the user's own that has crashed may start again; until it shows that, the crash is what is told of it. */
async function probeL2(running: Running, limitMs: number, end: number): Promise<LayerHealth> {
  const { ownCrash: crash } = running;
  const found = await probeSystem(running, limitMs, end);
  if (crash === undefined) return found;
  const answers = running.management?.l2 !== undefined && found.state === 'ok';
  const runsVms = running.hub.list().some(({ state }) => state === 'running');
  if (answers || (runsVms && performance.now() - crash.at > vmsSilentMs)) {
    if (running.ownCrash === crash) running.ownCrash = undefined;
    return found;
  }
  const more = found.state === 'ok' ? '' : ` (${found.detail})`;
  return { layer: 'L2', state: 'failing', detail: `${crash.message}${more}` };
}

/** When L2 is silent, dom0 knows whether the domain is still there. @param end as of performance.now() */
async function probeSystem(running: Running, limitMs: number, end: number): Promise<LayerHealth> {
  const { management } = running;
  if (management === undefined) return await probeSsh('L2', undefined, limitMs);
  const found: LayerHealth =
    management.l2 === undefined
      ? { layer: 'L2', state: 'ok', detail: 'its domain runs; nothing else is asked of it' }
      : await probeSsh('L2', management.l2, limitMs);
  if (found.state === 'ok' && management.l2 !== undefined) return found;
  try {
    const timeoutMs = Math.max(1, Math.round(end - performance.now()));
    const { code } = await runRemote(management.l1, 'xl domid l2', { timeoutMs });
    if (code === 0) return found;
    return running.request.config.l2.disk === undefined
      ? { layer: 'L2', state: 'dead', detail: 'its domain has ended' }
      : { layer: 'L2', state: 'failing', detail: 'its domain has ended, or starts again' };
  } catch (error) {
    return management.l2 === undefined
      ? { layer: 'L2', state: 'unknown', detail: `dom0 cannot be asked: ${messageOf(error)}` }
      : found;
  }
}

function probeVms({ wanted, hub }: Running): LayerHealth[] {
  return [...wanted].map((name): LayerHealth => {
    const layer = `vm:${name}`;
    switch (hub.vm(name)?.state) {
      case 'running':
        return { layer, state: 'ok', detail: 'the shadow hypervisor sees it run' };
      case 'silent':
        return { layer, state: 'failing', detail: 'it has not run for 10 s (halted?)' };
      case 'gone':
        return { layer, state: 'failing', detail: 'it has ended' };
      case 'lost':
        return { layer, state: 'unknown', detail: 'the link is down' };
      case undefined:
        return { layer, state: 'failing', detail: 'the shadow hypervisor has not seen it' };
    }
  });
}
