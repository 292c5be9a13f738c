/** Faults of the layers themselves: what panics, hangs or is killed in L1, its dom0, L2 and L3. */
import { describe, it } from 'vitest';

import { Survival } from './rig/survival.js';
import { bothRun, checkAll, startOutput, withTestbed, type Testbed } from './rig/testbed.js';
import { said, told } from './rig/told.js';

const panic = 'echo c > /proc/sysrq-trigger';

describe.each(['kvm', 'xen'] as const)('L2 = %s', (l2) => {
  let testbed: Testbed;

  withTestbed((made) => (testbed = made));

  /** Up, and at its best: a layer that an earlier fault has ended is not there. */
  async function beWell(): Promise<void> {
    if ((await testbed.status()).state === 'running') return;
    await testbed.run(['down']);
    await testbed.beUp('--l2', l2);
  }

  /** The testbed is no longer what it was, and says which layer it is. */
  async function isTold(survival: Survival, reason: RegExp): Promise<void> {
    const status = await testbed.statusUntil(
      (now) => now.state !== 'running' && reason.test(told(now)),
      90,
    );
    survival.says(told(status), reason);
  }

  it('the kernel of a user VM panics', async (context) => {
    await beWell();
    const survival = new Survival(context, testbed, `L2 = ${l2}: the kernel of L3 panics`);
    const session = await testbed.session();
    const { tty } = session;
    tty.clear();
    tty.send(`${panic}\r`);
    await tty.appears(/Kernel panic - not syncing: sysrq triggered crash/);
    survival.sees('the console shows the panic');
    await session.end();
    await survival.leaves(bothRun);
    if (l2 === 'xen') {
      // A Linux on Xen that panics restarts at once, and xl starts the domain again (its log: shutdown reason 1).
      survival.next = 'none: it starts again by itself';
      await survival.consoleAnswers();
      return;
    }
    // It spins where it is: to the layers below it runs.
    const stopped = await testbed.run(['vm', 'stop', 'vm1']);
    await startsAgain(survival, `vm stop: exit ${stopped.code}; `);
  });

  it('what runs a user VM is killed', async (context) => {
    await beWell();
    const [what, command] =
      l2 === 'kvm'
        ? ['kill -9 of QEMU in L2', 'kill -9 $(pidof qemu-system-x86_64)']
        : ['`xl destroy` of L3', 'xl destroy vm1'];
    const survival = new Survival(context, testbed, `L2 = ${l2}: ${what} in output`);
    const session = await testbed.session();
    const { tty } = session;
    const output = await startOutput(3000, tty);
    await testbed.cli.ssh('l2', command);
    await isTold(survival, /^degraded: vm:vm1: it has (?:ended|not run)/);
    await survival.leaves(bothRun);
    survival.output(output.beginning(tty.text));
    survival.noteBytes('then the VM was gone');
    await session.end();
    await startsAgain(survival);
  });

  async function startsAgain(survival: Survival, before = ''): Promise<void> {
    const started = await testbed.run(['vm', 'start', 'vm1']);
    survival.next = `${before}vm start: exit ${started.code}`;
    survival.expect(started.code === 0, `vm start: ${said(started)}`);
    await isAnsweredAgain(survival);
  }

  /** The VM's console takes a login again. */
  async function isAnsweredAgain(survival: Survival): Promise<void> {
    const status = await testbed.statusUntil(({ state }) => state === 'running', 240);
    survival.expect(status.state === 'running', `afterwards: ${told(status)}`);
    await survival.consoleAnswers();
  }

  it('L2 hangs', async (context) => {
    await beWell();
    const what = `L2 = ${l2}: L2 is paused by dom0 in the middle of output (it hangs)`;
    const survival = new Survival(context, testbed, what);
    const session = await testbed.session();
    const { tty } = session;
    const output = await startOutput(2000, tty);
    await testbed.cli.ssh('l1', 'xl pause l2');
    await isTold(survival, /^degraded: L2: its SSH server does not answer/);
    await survival.leaves(bothRun);
    await testbed.cli.ssh('l1', 'xl unpause l2');
    survival.output(await checkAll(output, tty));
    await survival.recovers('after it goes on');
    await session.end();
  });

  it('L2 panics', async (context) => {
    await beWell();
    const kernel = l2 === 'kvm' ? "L2's kernel" : "the kernel of L2's dom0";
    const survival = new Survival(context, testbed, `L2 = ${l2}: ${kernel} panics`);
    await testbed.cli.ssh('l2', panic, { timeoutMs: 5000 });
    await isTold(survival, /^broken: L2: Kernel panic - not syncing: sysrq triggered crash/);
    await survival.nextDown();
    await beWell();
    await isAnsweredAgain(survival);
  });

  it("the kernel of L1's dom0 panics", async (context) => {
    await beWell();
    const survival = new Survival(context, testbed, `L2 = ${l2}: the kernel of L1's dom0 panics`);
    await testbed.cli.ssh('l1', panic, { timeoutMs: 5000 });
    await isTold(survival, /^broken: L1: Kernel panic - not syncing: sysrq triggered crash/);
    await survival.nextUp();
    await isAnsweredAgain(survival);
  });

  it('L1 ends', async (context) => {
    await beWell();
    const what = `L2 = ${l2}: L1's Xen restarts the machine (debug key R)`;
    const survival = new Survival(context, testbed, what);
    await testbed.cli.ssh('l1', 'xl debug-keys R', { timeoutMs: 5000 });
    await isTold(survival, /^broken: QEMU /);
    await survival.leaves(['daemon']);
    await survival.nextUp();
    await isAnsweredAgain(survival);
  });
});
