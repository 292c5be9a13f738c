/** What verify says to the shell of a system with libvirt, with a virsh that answers as libvirt 11.3 does. */
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { libvirt } from '../../src/verify/libvirt.js';

const uuid = '3c0f8a52-8f2b-4d0e-9c55-51d6c7b0e001';
const virsh = `#!/bin/sh
case "$1 $2" in
  "domname ${uuid}") printf 'my web\\n\\n' ;;
  "domid my web") printf '7\\n\\n' ;;
  "dominfo my web") printf 'Id:             7\\nMax memory:     196608 KiB\\nUsed memory:    1 KiB\\n\\n' ;;
  "ttyconsole my web") printf '%s\\n\\n' "$TTY" ;;
  *) echo "error: failed to get domain '$2'" >&2; exit 1 ;;
esac
`;
const subject = { vm: 'my web', id: 7, qemuPid: 1, memoryBytes: 1, directory: '/x' };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-libvirt-'));
  await mkdir(join(directory, 'bin'));
  await writeFile(join(directory, 'bin/virsh'), virsh);
  await chmod(join(directory, 'bin/virsh'), 0o755);
  await writeFile(join(directory, 'my web.pid'), '4711');
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function shell(command: string, env: NodeJS.ProcessEnv = {}) {
  const here = command.replaceAll('/run/libvirt/qemu', directory);
  const path = `${directory}/bin:${process.env['PATH']}`;
  return spawnSync('/bin/sh', ['-c', here], { encoding: 'utf8', env: { PATH: path, ...env } });
}

describe('lookUp', () => {
  it('finds a VM by its UUID', () => {
    const { stdout } = shell(libvirt.lookUp({ name: 'ours', uuid }));
    expect(stdout.split('\n').filter((line) => line !== '')).toEqual([
      ...['7', '4711', String(192 * 1024 * 1024), 'my web'],
    ]);
  });

  it('says that it is not there', () => {
    const { status, stderr } = shell(libvirt.lookUp({ name: 'ours', uuid: 'another' }));
    expect(status).not.toBe(0);
    expect(stderr).toContain("failed to get domain 'another'");
  });

  it('says that there is no libvirt', () => {
    const sh = shell(libvirt.lookUp({ name: 'ours', uuid }), { PATH: '/nowhere' });
    expect(sh.stderr).toContain('there is no virsh');
    expect(sh.status).toBe(1);
  });
});

describe('console', () => {
  it('ends with whoever uses it, and leaves nothing behind', () => {
    // A terminal whose other end is python's.
    const program = `
import os, pty, subprocess, sys
master, slave = pty.openpty()
os.environ['TTY'] = os.ttyname(slave)
child = subprocess.Popen(['sh', '-c', sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(b'typed\\n'); child.stdin.flush()
print('vm reads', os.read(master, 100))
os.write(master, b'shown\\r\\n')
print('reader reads', os.read(child.stdout.fileno(), 100))
child.stdin.close()
print('ends', child.wait(timeout=20) is not None, child.stdout.read())
`;
    const path = `${directory}/bin:${process.env['PATH']}`;
    const { stdout, stderr } = spawnSync(
      'python3',
      ['-c', program, libvirt.console?.(subject) ?? ''],
      {
        encoding: 'utf8',
        env: { PATH: path },
      },
    );
    expect(stderr).not.toContain('Traceback');
    expect(stdout).toContain("vm reads b'typed\\n'");
    expect(stdout).toContain("reader reads b'shown\\r\\n'");
    expect(stdout).toContain("ends True b''");
  });
});
