/**
 * The daemon of one instance. It was started by flock(1), so it holds the instance's lock for as long
 * as it lives, however it ends. It listens on the control socket, says so in one line on its standard
 * output, and ends by itself when nobody asks it to boot, when a boot fails, and after `down`.
 */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';

import { VsbError, messageOf } from '../base/errors.js';
import { identifyProcess } from '../base/process-identity.js';
import { printableText } from '../formats/ansi.js';
import { accessOf } from '../machine/console-access.js';
import { setIrqMode } from '../machine/interrupts.js';
import { findLeftovers, removeLeftovers, removeRuntimeFiles } from '../machine/leftovers.js';
import { continueMachine, stopMachine } from '../machine/pause.js';
import { findAdoptable } from '../machine/resume.js';
import { vmNameOf } from '../machine/running.js';
import { keepState } from '../machine/saved/keep.js';
import { listVms } from '../machine/vms-in-l2.js';
import { RotatingLog } from '../state/logs/rotating-log.js';
import type { InstancePaths } from '../state/paths.js';
import { createInstanceDirectories } from '../state/private-folders.js';
import type { Roots } from '../state/roots.js';
import { writeProcesses } from '../state/record.js';
import { serveConsole } from './console-stream.js';
import { failureOf, takeOverFailure } from './failure.js';
import { ControlServer } from './server.js';
import { Testbed } from './testbed.js';
import { Turns } from './turns.js';
import {
  consoleOf,
  countersOf,
  operatorLog,
  proofOf,
  setHltPolicy,
  setHook,
  startVm,
  stopVm,
} from './vm-management.js';

/** A daemon that is not told to boot within this time has lost its client. */
const idleLimitMs = 15_000;

/** What the daemon says on its standard output once it can be reached. */
export interface Greeting {
  readonly listening: true;
  /** What was found and cleared away, for people. */
  readonly recovered?: string;
}

let greeted = false;

/** Runs until the instance is down. */
export async function runDaemon(paths: InstancePaths, roots: Roots): Promise<void> {
  await createInstanceDirectories(paths, roots);
  const leftovers = await findLeftovers(paths);
  const adoptable = await findAdoptable(paths, leftovers);
  let recovered = adoptable === undefined ? await removeLeftovers(paths, leftovers) : undefined;
  await createInstanceDirectories(paths, roots);
  const logFile = new RotatingLog(paths.daemonLog, { encoding: 'utf8' });
  const log = (text: string): void => logFile.write(text.split('\n').map(printableText));
  const self = await identifyProcess(process.pid);
  if (self === undefined) throw new TypeError('a process knows itself');
  const qemu = adoptable === undefined ? {} : { qemu: adoptable.qemu };
  await writeProcesses(paths, { daemon: self, ...qemu });
  log(`daemon ${process.pid} starts`);

  const testbed = new Testbed(paths, self, log);
  const turns = new Turns();
  const over = new EventTarget();
  const end = (why: string): void => {
    log(`ending: ${why}`);
    over.dispatchEvent(new Event('end'));
  };
  const ended = once(over, 'end');
  if (adoptable !== undefined) {
    await rm(paths.controlSocket, { force: true });
    recovered = await testbed.adopt(adoptable).catch((error: unknown) => {
      const { make, qemu: machine } = adoptable;
      const failure = takeOverFailure(`${make} (pid ${machine.pid})`, error);
      log(failure.message);
      throw failure;
    });
  }
  const idle = setTimeout(() => {
    if (testbed.state === 'stopped') end('nobody asked for anything');
  }, idleLimitMs);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(
      signal,
      () =>
        void testbed.down(new VsbError('E_TERMINATED', `the daemon was ended by ${signal}`)).then(
          () => end(signal),
          () => end(signal),
        ),
    );
  }

  const server = await ControlServer.listen(paths.controlSocket, {
    up: async (request, context) => {
      clearTimeout(idle);
      try {
        return await testbed.up(request, context.signal, (event) => context.emit(event));
      } catch (error) {
        if (testbed.state === 'stopped') setImmediate(() => end(`no boot: ${messageOf(error)}`));
        throw error;
      }
    },
    down: async () => {
      await testbed.down();
      setImmediate(() => end('down'));
      return {};
    },
    status: async ({ ask }) => (ask ? await testbed.freshStatus() : testbed.status()),
    'vm.start': async ({ vm }, { signal }) => {
      return await turns.change(async () => {
        const said = await startVm(testbed.mustRun(), vm, signal);
        await testbed.keepResume();
        return { said };
      });
    },
    'vm.stop': async ({ vm }, { signal }) => {
      return await turns.change(async () => {
        await stopVm(testbed.mustRun(), vm, signal);
        await testbed.keepResume();
        return {};
      });
    },
    'vm.list': async (_, { signal }) => await listVms(testbed.mustRun(), signal),
    'vm.hook': async ({ vm, on }, { signal }) => {
      return await turns.change(async () => {
        const result = await setHook(testbed.mustRun(), vm, on, signal);
        await testbed.keepResume();
        return result;
      });
    },
    'vm.hlt': async ({ vm, policy }) => {
      await setHltPolicy(testbed.mustRun(), vm, policy);
      return {};
    },
    'console.attach': ({ vm }, { handOver }) => {
      const console = consoleOf(testbed.mustRun(), vm);
      handOver((socket) => void serveConsole(socket, console));
      return Promise.resolve({});
    },
    pause: async ({ paused }, { signal }) => {
      const running = testbed.mustRun();
      await (paused
        ? turns.stop(async () => await stopMachine(running, signal))
        : turns.goOn(async () => await continueMachine(running)));
      return {};
    },
    'irq.set': async ({ mode }, { signal }) =>
      await turns.change(async () => await setIrqMode(testbed.mustRun(), mode, signal)),
    'snapshot.save': async ({ name }, { signal }) =>
      await turns.save(async () => await keepState(testbed.mustRun(), name, signal)),
    proof: async ({ vm }, { signal }) => await proofOf(testbed.mustRun(), vm, signal),
    'console.grant': async (request) => {
      const running = testbed.mustRun();
      const vm = vmNameOf(running, request.vm);
      return await accessOf(running).grant({ ...request, vm });
    },
    'console.revoke': async ({ vm, which }) => {
      const running = testbed.mustRun();
      // What was granted at a VM that is not there any more can be taken back, too.
      return await accessOf(running).revoke({ vm: running.hub.nameOf(vm), which });
    },
    'console.grants': () => Promise.resolve(accessOf(testbed.mustRun()).grants()),
    counters: async () => await countersOf(testbed.mustRun()),
    'vm.operator-log': async ({ vm, bytes }, { signal }) => ({
      text: await operatorLog(testbed.mustRun(), vm, bytes, signal),
    }),
  });
  const greeting: Greeting = { listening: true, ...(recovered === undefined ? {} : { recovered }) };
  process.stdout.write(`${JSON.stringify(greeting)}\n`);
  greeted = true;

  process.on('uncaughtException', (error) => {
    log(`bug: ${error.stack ?? messageOf(error)}`);
    // What runs goes on, and the next daemon takes it over.
    if (testbed.state === 'running') process.exit(1);
    void testbed.down(failureOf(error)).finally(() => process.exit(1));
  });
  await ended;
  clearTimeout(idle);
  await server.close();
  await testbed.down().catch((error: unknown) => log(messageOf(error)));
  await removeRuntimeFiles(paths);
  await rm(paths.controlSocket, { force: true });
  log('daemon ends');
  logFile.close();
}

/** Instead of the greeting: what keeps it from being reached. Its log may be what it cannot write. */
export function greetWithFailure(error: unknown): void {
  if (!greeted) process.stdout.write(`${JSON.stringify({ failed: failureOf(error) })}\n`);
}

/** Guards the hidden command: started by hand it would run beside another daemon. */
export function assertLocked(env: NodeJS.ProcessEnv): void {
  if (env['VSBYPASS_DAEMON_LOCKED'] === '1') return;
  throw new VsbError('E_USAGE', 'the daemon is started by `vsbypass up`');
}
