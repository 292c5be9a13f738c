/**
 * An instance as the compiled program sees it: its files, and a control socket that this process answers
 * (`status`, and what a test adds). Behind it is the gateway of a ConsoleRig.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { identifyProcess } from '../../src/base/process-identity.js';
import type { InstanceStatus } from '../../src/contract/status.js';
import { ControlServer, type Handlers } from '../../src/daemon/server.js';
import { fingerprintOfLine } from '../../src/formats/keys/key-files.js';
import { instancePaths, type InstancePaths } from '../../src/state/paths.js';
import { createInstanceDirectories } from '../../src/state/private-folders.js';
import { findRoots } from '../../src/state/roots.js';
import { writeProcesses } from '../../src/state/record.js';
import { ConsoleRig } from './console-rig.js';
import { runCli, type Finished } from './run-cli.js';

export class CliInstance {
  readonly directory: string;
  readonly paths: InstancePaths;
  readonly env: Record<string, string>;
  readonly #rig: ConsoleRig;
  #server: ControlServer | undefined;

  static async start(rig: ConsoleRig, more: Partial<Handlers> = {}): Promise<CliInstance> {
    const instance = new CliInstance(rig, await mkdtemp(join(tmpdir(), 'vsb-inst-')));
    const { paths, env } = instance;
    await createInstanceDirectories(paths, findRoots(env));
    const self = await identifyProcess(process.pid);
    if (self === undefined) throw new Error('a process knows itself');
    await writeProcesses(paths, { daemon: self });
    await writeFile(paths.clientKey, ConsoleRig.clientKey.privatePem, { mode: 0o600 });
    await instance.#serve(more);
    return instance;
  }

  private constructor(rig: ConsoleRig, directory: string) {
    this.#rig = rig;
    this.directory = directory;
    this.env = {
      PATH: process.env['PATH'] ?? '',
      HOME: directory,
      TERM: 'xterm-256color',
      XDG_STATE_HOME: directory,
      XDG_CACHE_HOME: directory,
      XDG_RUNTIME_DIR: directory,
    };
    this.paths = instancePaths('default', findRoots(this.env));
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Runs the program without a terminal. */
  async run(words: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Finished> {
    return await runCli(this.directory, words, more);
  }

  #status(): InstanceStatus {
    const { publicLine } = ConsoleRig.hostKey;
    return {
      ...{ schemaVersion: 1, name: 'default', state: 'running', processes: {} },
      gateway: {
        ...{ host: '127.0.0.1', port: this.#rig.gateway.port, hostKeyLine: publicLine },
        hostKeyFingerprint: fingerprintOfLine(publicLine),
        clientKeyPath: this.paths.clientKey,
      },
      vms: [{ name: 'vm1', state: 'running', hooked: true, sessions: 0, bytesOut: 0, bytesIn: 0 }],
    };
  }

  async #serve(more: Partial<Handlers>): Promise<void> {
    const handlers = { status: () => Promise.resolve(this.#status()), ...more };
    this.#server = await ControlServer.listen(this.paths.controlSocket, handlers as Handlers);
  }
}
