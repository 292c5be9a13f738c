/** A testbed of each kind with two user VMs, brought up once: the console in both directions, and what L2 sees of it. */
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

import { callDaemon } from '../../src/instance/client.js';
import { CommandLine, type Status } from './command-line.js';
import { logIn, shell } from './guest-shell.js';
import { patientSeconds } from './limits.js';

const sha256 = (content: string | Buffer): string =>
  createHash('sha256').update(content).digest('hex');

describe.each(inject('l2Kinds'))('L2 = %s:', (kind) => {
  let cli: CommandLine;
  let status: Status;

  beforeAll(async () => {
    cli = await CommandLine.create();
    status = await cli.json<Status>(
      ['-v', 'up', '--l2', kind, '--vms', '2', '--cold', '--show-password'],
      {
        timeoutMs: 1_800_000,
      },
    );
    for (const vm of status.vms) await logIn(cli, vm.name, vm.password ?? '');
  });

  afterAll(async () => {
    await cli.dispose();
  });

  describe('up', () => {
    it('ends with both user VMs running and shadowed', () => {
      expect(status.state).toBe('running');
      expect(status.vms.map(({ name, state, hooked }) => ({ name, state, hooked }))).toEqual([
        { name: 'vm1', state: 'running', hooked: true },
        { name: 'vm2', state: 'running', hooked: true },
      ]);
    });

    it('refuses to be run again', async () => {
      const { code, stderr } = await cli.run(['up']);
      expect(code).toBe(2);
      expect(stderr).toContain('E_INSTANCE_EXISTS');
    });

    it('keeps its sockets where nobody else can reach them', async () => {
      const { code, stdout } = await cli.startProgram(
        'stat',
        ['-c', '%a', 'vsbypass/instances/default', 'vsbypass/instances/default/run'],
        { input: '' },
      ).finished;
      expect({ code, stdout }).toEqual({ code: 0, stdout: '700\n700\n' });
    });
  });

  describe('console', () => {
    it('shows the boot from its first message on', async () => {
      const output = await cli.must([
        'console',
        'vm1',
        '--expect',
        'Linux version',
        '--expect',
        'login:',
      ]);
      expect(output.indexOf('Linux version')).toBeLessThan(2000);
    });

    it('says that the serial port is a 16550A', async () => {
      expect(await shell(cli, 'vm1', 'dmesg | grep ttyS0')).toMatch(
        /ttyS0 at I\/O 0x3f8 .* is a 16550A/,
      );
    });

    it('has a TSC that its hypervisor need not emulate for the user VMs', async () => {
      expect(await cli.must(['l2', 'shell', 'grep -c nonstop_tsc /proc/cpuinfo'])).toBe('1\n');
    });

    it('delivers interrupts that the user VM counts', async () => {
      const count = async (): Promise<number> => {
        const line = await shell(cli, 'vm1', 'grep ttyS0 /proc/interrupts');
        return Number(/^\s*4:\s+(\d+)/.exec(line)?.[1]);
      };
      const before = await count();
      await shell(cli, 'vm1', 'echo typing makes interrupts');
      expect(await count()).toBeGreaterThan(before);
    });

    it('is there after the machine was stopped again and again in the middle of work', async () => {
      const job = await shell(
        cli,
        'vm1',
        '{ while :; do cat /proc/interrupts >/dev/null; done; } & echo $!',
      );
      const controlSocket = join(
        cli.directory,
        ...['vsbypass', 'instances', 'default', 'run', 'control.sock'],
      );
      for (let turn = 0; turn < 100; turn++) {
        await callDaemon(controlSocket, 'pause', { paused: true });
        await callDaemon(controlSocket, 'pause', { paused: false });
        // The guests go on, to wherever the next stop meets them.
        await delay(10);
      }
      expect(
        await shell(cli, 'vm1', `kill ${/\d+/.exec(job)?.[0] ?? ''} && echo still there`),
      ).toContain('still there\n');
    });

    it('brings 100 kB of output across intact', async () => {
      const made = 'head -c 75000 /dev/urandom | base64 > /tmp/out';
      const sum = (await shell(cli, 'vm1', `${made}; sha256sum < /tmp/out`)).slice(0, 64);
      const output = await shell(cli, 'vm1', 'cat /tmp/out', { timeoutSeconds: 120 });
      const content = output.replace(/\n+$/, '\n');
      expect(content.length).toBeGreaterThan(100_000);
      expect(sha256(content)).toBe(sum);
    });

    it('brings 10 kB of pasted input across intact', async () => {
      const lines = Array.from({ length: 157 }, () => randomBytes(32).toString('hex'));
      const content = `${lines.join('\n')}\n`;
      expect(content.length).toBeGreaterThan(10_000);
      const file = join(cli.directory, 'paste');
      // The line end that --send-file takes away, and the end of file of a terminal.
      await writeFile(file, `${content}\x04\n`);
      await shell(cli, 'vm1', 'stty -echo; cat > /tmp/in; stty echo', {
        inputFile: file,
        timeoutSeconds: 120,
      });
      expect((await shell(cli, 'vm1', 'sha256sum < /tmp/in')).slice(0, 64)).toBe(sha256(content));
    });

    it('does not mix two user VMs up that talk at once', async () => {
      const talk = (vm: string): Promise<string> =>
        shell(
          cli,
          vm,
          'own=$(hostname); for i in $(seq 400); do echo "$own says $i to nobody else"; done',
          { timeoutSeconds: 120 },
        );
      const [first, second] = await Promise.all([talk('vm1'), talk('vm2')]);
      const expected = (vm: string): string =>
        Array.from({ length: 400 }, (_, index) => `${vm} says ${index + 1} to nobody else\n`).join(
          '',
        );
      expect(first).toBe(expected('vm1'));
      expect(second).toBe(expected('vm2'));
    });

    it('is reached by stock OpenSSH', async () => {
      const config = (await cli.must(['ssh-config'])).trim();
      const ssh = cli.startProgram('ssh', ['-F', config, 'vm2']);
      ssh.child.stdin.write("echo by-s''sh\r");
      await ssh.until('by-ssh', 60_000);
      ssh.child.stdin.write('\r~.');
      const { code } = await ssh.finished;
      expect(code).not.toBeNull();
    });

    it('refuses another key', async () => {
      const key = join(cli.directory, 'other_key');
      await cli.startProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key], {
        input: '',
      }).finished;
      const { code, stderr } = await cli.run([
        'console',
        'vm1',
        '--identity',
        key,
        '--expect',
        'x',
      ]);
      expect(code, stderr).toBe(7);
    });

    it('knows no VM of another name', async () => {
      const { code } = await cli.run(['console', 'nobody', '--expect', 'x', '--timeout', '5']);
      expect(code).toBe(2);
    });
  });

  describe('proof', () => {
    it.each(['vm1', 'vm2'])("finds 0 bytes in L2's own serial device of %s", async (vm) => {
      const proof = await cli.json<{ operatorBytes: number; shadowBytes: number }>(['proof', vm]);
      expect(proof.operatorBytes).toBe(0);
      expect(proof.shadowBytes).toBeGreaterThan(5000);
    });
  });

  describe('vm', () => {
    const list = async (): Promise<Record<string, string>> => {
      const { vms } = await cli.json<{ vms: { name: string; operatorState: string }[] }>([
        'vm',
        'list',
      ]);
      return Object.fromEntries(vms.map((vm) => [vm.name, vm.operatorState]));
    };
    const passwordOf = (vm: string): string =>
      status.vms.find(({ name }) => name === vm)?.password ?? '';

    it('reboots inside and keeps its console', async () => {
      await cli.must(
        [
          ...['console', 'vm2', '--timeout', patientSeconds(180), '--send', 'reboot\\r'],
          ...['--expect', 'Linux version', '--expect', 'login: $'],
        ],
        { timeoutMs: 400_000 },
      );
      await logIn(cli, 'vm2', passwordOf('vm2'));
      expect(await shell(cli, 'vm2', 'hostname')).toBe('vm2\n');
    });

    it('stops and starts again under the same name', async () => {
      await cli.must(['vm', 'stop', 'vm2'], { timeoutMs: 120_000 });
      expect(await list()).toEqual({ vm1: 'running', vm2: 'stopped' });
      await cli.must(['vm', 'start', 'vm2'], { timeoutMs: 180_000 });
      expect(await list()).toEqual({ vm1: 'running', vm2: 'running' });
      await logIn(cli, 'vm2', passwordOf('vm2'));
      expect(await shell(cli, 'vm2', 'hostname')).toBe('vm2\n');
      // The other one did not notice.
      expect(await shell(cli, 'vm1', 'hostname')).toBe('vm1\n');
    });

    it('ends `console run` well when its own command powers it off', async () => {
      await cli.must(['console', 'run', 'vm2', '--', 'poweroff'], { timeoutMs: 120_000 });
      await expect.poll(list, { timeout: 60_000 }).toEqual({ vm1: 'running', vm2: 'stopped' });
      await cli.must(['vm', 'start', 'vm2'], { timeoutMs: 180_000 });
      // It boots, which `console run` waits for.
      const hostname = ['console', 'run', 'vm2', '--', 'hostname'];
      expect(await cli.must(hostname, { timeoutMs: 300_000 })).toBe('vm2\n');
    });

    it('does not know a VM of another name', async () => {
      const { code, stderr } = await cli.run(['vm', 'start', 'nobody']);
      expect(code).toBe(2);
      expect(stderr).toContain('E_VM_UNKNOWN');
    });
  });

  describe('logs', () => {
    it.each(['xen', 'l1', 'l2', 'daemon'])('has lines of %s', async (layer) => {
      expect((await cli.must(['logs', layer])).split('\n').length).toBeGreaterThan(3);
    });

    it('shows the operator nothing of a user VM', async () => {
      expect(await cli.must(['logs', 'vm:vm1'])).toBe('');
    });
  });
});
