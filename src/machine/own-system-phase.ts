/** The phase of the boot in which a system of the user's own comes up: nothing in it says so for us. */
import { setTimeout as delay } from 'node:timers/promises';

import type { L2Ready } from '../config/schema.js';
import { runRemote } from '../host/ssh.js';
import { anyRunning } from './console-waits.js';
import type { Phase } from './phases.js';
import { limitOf, type Running } from './running.js';

interface Readiness {
  readonly awaited: string;
  readonly hint: string;
  /** What the phase takes at least, milliseconds. */
  readonly leastMs?: number;
  run(signal: AbortSignal): Promise<void>;
  explain?(signal: AbortSignal): Promise<string | undefined>;
}

export function ownSystemPhase(running: Running): Phase {
  const { config } = running.request;
  const { leastMs = 0, ...readiness } = readinessOf(running, config.l2.ready ?? 'vm');
  return {
    ...{ name: 'l2', layer: 'L2', ...readiness },
    limitMs: leastMs + limitOf(config, 'l2-own'),
    mayIdle: true,
    log: running.l2,
  };
}

function readinessOf(running: Running, ready: L2Ready): Readiness {
  const { hub, l2 } = running;
  if (ready === 'vm') {
    return {
      awaited: 'the first VM of your system to touch COM1 (l2.ready is "vm")',
      hint:
        'Does it start a VM by itself, has it loaded kvm_amd, and does that VM use its first serial port? ' +
        '`vsbypass logs l2` has its console, if that is its first serial port; "l2": {"ready": {"seconds": 0}} does not wait, ' +
        'and "screen": true shows its graphics card with `vsbypass l2 screen`.',
      run: async (signal) => await anyRunning(hub, signal),
      explain: async (signal) => await askForVms(running, signal),
    };
  }
  if ('pattern' in ready) {
    const pattern = new RegExp(ready.pattern);
    const shown = l2.expect((line) => pattern.test(line), { unfinished: true });
    return {
      awaited: `the console of your system to show /${ready.pattern}/ (l2.ready)`,
      hint: '`vsbypass logs l2` shows what it said on its first serial port: its kernel may need console=ttyS0.',
      run: async (signal) => {
        await shown(signal);
      },
    };
  }
  const ms = ready.seconds * 1000;
  return {
    awaited: `${ready.seconds} s to pass (l2.ready)`,
    hint: '`vsbypass logs l2` shows how far it came.',
    leastMs: ms,
    run: async (signal) => {
      await delay(ms, undefined, { signal });
    },
  };
}

/** How long L2 may take to say what it has. */
const answerLimitMs = 20_000;
const lookForVms = `
# The node may be there without its driver.
(: </dev/kvm) 2>/dev/null && echo kvm
[ ! -e /proc/xen/privcmd ] || echo xen
for program in /proc/[0-9]*/exe; do
  case "$(readlink "$program")" in */*qemu-system-*|*/kvm) echo qemu ;; esac
done`;

/** Where its operator lets us in, the system itself says how far it came. */
async function askForVms(
  { management }: Running,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (management?.l2 === undefined) return undefined;
  try {
    const options = { signal, timeoutMs: answerLimitMs };
    return explainFound((await runRemote(management.l2, lookForVms, options)).stdout.toString());
  } catch {
    return 'Its SSH server (l2.ssh) does not answer: `vsbypass logs l2` shows how far it came.';
  }
}

/** @param found `kvm` and `xen` where L2 has them, `qemu` for each that runs there */
export function explainFound(found: string): string {
  const words = found.split('\n');
  const count = words.filter((word) => word === 'qemu').length;
  if (count > 0) {
    return `It runs QEMU (${count}), and no VM has touched COM1: do the VMs have a serial port, and use it?`;
  }
  return words.includes('kvm') || words.includes('xen')
    ? 'It could run VMs, and has started none: `virsh autostart NAME` in it, or start one with `vsbypass l2 shell`.'
    : 'It has neither /dev/kvm nor Xen: its kernel lacks kvm_amd, or has not loaded it.';
}
