/** The console the way that the operator of the host has it: the socket of QEMU's serial port (KVM), its pty (Xen). */
import type { L2Kind } from '../../config/schema.js';
import { connectOperator } from '../../console/client/operator.js';
import type { ConsoleConnection } from '../../console/connection.js';
import { shellQuote } from '../../host/ssh.js';
import { l2VmPaths } from '../../layers/l2-paths.js';
import { ProbeEnd } from '../ends/probe-end.js';
import type { Configuration } from './configuration.js';

export function operatorConsole(about: Omit<Configuration, 'connect' | 'stream'>): Configuration {
  const { l2, vm } = about;
  return {
    ...about,
    connect: async ({ operator }, signal): Promise<ConsoleConnection> =>
      await connectOperator({ l2: operator, vm, history: 'none', signal }),
    stream: ({ operator, probe }) => new ProbeEnd(operator, probe, backends[l2](vm)),
  };
}

/** Where QEMU has the serial port of a VM, as a word of the shell there. */
const backends: Readonly<Record<L2Kind, (vm: string) => string>> = {
  kvm: (vm) => shellQuote(l2VmPaths(vm).consoleSocket),
  // xenstore-paths(7).
  xen: (vm) => `"$(xenstore-read "/local/domain/$(xl domid ${shellQuote(vm)})/serial/0/tty")"`,
};
