/**
 * The attacks of an operator of L2 = KVM who debugs the user VM, with what is there: QEMU's monitor, its debug stub, and nc. GDB's
 * Remote Serial Protocol (GDB manual, appendix E).
 */
import { shellQuote } from '../host/ssh.js';
import type { ActiveAttack } from './ground.js';

/** Of L2's loopback. */
const port = 1234;
/** Linux has its code there; whether it is reached does not matter. */
const somewhere = 'ffffffff81000000';
const steps = 8;

export function debugAttacks(vm: string): ActiveAttack[] {
  const breakpoint = (type: 0 | 1): string[] => {
    const place = `${type},${somewhere},1`;
    return [packet(`Z${place}`), packet('c'), '', '\\003', packet(`z${place}`)];
  };
  return [
    {
      name: 'single-steps',
      method: "single steps by QEMU's debug stub",
      raises: 'stepped',
      command: attack(vm, Array<string>(steps).fill(packet('s'))),
    },
    {
      name: 'hardware-breakpoint',
      method: "a hardware breakpoint by QEMU's debug stub",
      raises: 'breakpoints',
      command: attack(vm, breakpoint(1)),
    },
    {
      name: 'software-breakpoint',
      method: "a software breakpoint by QEMU's debug stub",
      raises: 'breakpoints',
      command: attack(vm, breakpoint(0)),
    },
  ];
}

/** Opens the stub, which stops the VM; says one thing a second; lets the VM go on, and closes it again. */
function attack(vm: string, said: readonly string[]): string {
  const monitor = shellQuote(`/run/vm/${vm}/monitor.in`);
  const words = [packet('?'), ...said, packet('D')].map((word) => `printf '${word}'; sleep 1`);
  return [
    `echo gdbserver tcp:127.0.0.1:${port} >${monitor}`,
    `i=0; until netstat -tln | grep -q :${port}; do i=$((i + 1)); [ $i -lt 60 ] || exit 1; sleep 1; done`,
    `{ ${words.join('; ')}; } | nc 127.0.0.1 ${port} >/dev/null`,
    `echo gdbserver none >${monitor}`,
  ].join('; ');
}

/** With the acknowledgement of what the stub has said before. Printf takes it as it is. */
export function packet(content: string): string {
  const sum = [...Buffer.from(content)].reduce((total, byte) => (total + byte) & 0xff, 0);
  return `+$${content}#${sum.toString(16).padStart(2, '0')}`;
}
