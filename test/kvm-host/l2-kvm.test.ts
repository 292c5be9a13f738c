/** An AMD host whose processor has vGIF, too: what it says without KVM in its several ways, then the testbed under KVM. */
import { createHash, randomBytes } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { project, vsbypass, type EmulatedHost } from '../rig/emulated-host.js';
import { bootHost, upLimitMs, upUnderKvm } from './boot.js';

let host: EmulatedHost;
beforeAll(async () => {
  host = await bootHost('L2 = KVM', { features: ['vgif'] });
});
afterAll(async () => {
  await host.dispose();
});

/** Checks of images take minutes in an emulated host, and have tests of their own. */
const noImages = 'XDG_CACHE_HOME=/var/tmp/no-images';
/** A user without any rights, for whom this project can be read. */
const asNobody = [
  'mkdir -p /var/tmp/nobody; chown 65534 /var/tmp/nobody;',
  `folder=${project}; while [[ $folder != / ]]; do chmod o+x "$folder"; folder="\${folder%/*}"; folder="\${folder:-/}"; done;`,
  'cd /var/tmp/nobody; setpriv --reuid=65534 --regid=65534 --clear-groups',
  'env HOME=/var/tmp/nobody XDG_STATE_HOME=/var/tmp/nobody XDG_CACHE_HOME=/var/tmp/nobody XDG_RUNTIME_DIR=/var/tmp/nobody',
].join(' ');

describe('without a KVM that is of use', () => {
  const cases = [
    {
      what: 'no KVM at all',
      prepare: () => Promise.resolve(),
      prefix: '',
      reason: /\/dev\/kvm cannot be opened \(ENOENT/,
      remedy: /As root: modprobe kvm_amd nested=1\./,
    },
    {
      what: 'nested=0',
      prepare: () => host.loadKvm({ nested: 0, npt: 1 }),
      prefix: '',
      reason: /KVM offers its guests no SVM \(kvm_amd runs with nested=0\)/,
      remedy: /modprobe -r kvm_amd && modprobe kvm_amd nested=1/,
    },
    {
      what: 'npt=0',
      prepare: () => host.loadKvm({ nested: 1, npt: 0 }),
      prefix: '',
      reason: /SVM without nested paging, which Xen needs to run L2 \(kvm_amd runs with npt=0\)/,
      remedy: /modprobe -r kvm_amd && modprobe kvm_amd npt=1 nested=1/,
    },
    {
      what: 'a device without rights',
      prepare: async () => {
        await host.loadKvm({ nested: 1, npt: 1 });
        await host.must(
          "grep -q ^kvm: /etc/group || echo 'kvm:x:106:' >>/etc/group; chgrp kvm /dev/kvm; chmod 660 /dev/kvm",
        );
      },
      prefix: asNobody,
      reason: /\/dev\/kvm cannot be opened \(EACCES/,
      remedy: /As root: usermod -aG kvm \w+; then log in again\./,
    },
  ];

  describe.each(cases)('$what', ({ prepare, prefix, reason, remedy }) => {
    beforeAll(async () => {
      await prepare();
    });

    it('refuses --require kvm with reason and remedy', async () => {
      const { code, stdout, stderr } = await host.run(
        `${prefix} ${vsbypass} up --require kvm --dry-run`,
      );
      expect(code, stdout + stderr).toBe(3);
      expect(stderr).toContain('E_ACCEL');
      expect(stderr).toMatch(reason);
      expect(stderr).toMatch(remedy);
    });

    it('takes TCG by itself, and says why', async () => {
      const { code, stdout, stderr } = await host.run(`${prefix} ${vsbypass} up --dry-run`);
      expect(code, stderr).toBe(0);
      const [first = ''] = stdout.split('\n');
      expect(first).toMatch(/^# accelerator tcg, processor AMD \(SVM\): /);
      expect(first).toMatch(reason);
    });
  });

  it('skips what needs KVM when told so', async () => {
    await host.loadKvm({ nested: 0, npt: 1 });
    const { code, stderr } = await host.vsbypass('up --require kvm --or-skip');
    expect(code, stderr).toBe(77);
    expect(stderr).toContain('nested=0');
  });

  it('says in doctor what helps', async () => {
    const { code, stdout } = await host.run(`${noImages} ${vsbypass} doctor --accel kvm`);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^fail {2}accelerator \(kvm\): .*nested=0/m);
    expect(stdout).toMatch(/^warn {2}nested virtualization in KVM: kvm_amd\.nested is off$/m);
    expect(stdout).toContain('modprobe -r kvm_amd && modprobe kvm_amd nested=1');
  });
});

describe('under KVM', () => {
  beforeAll(async () => {
    await upUnderKvm(host);
  }, upLimitMs);

  interface Status {
    readonly state: string;
    readonly accel: { readonly accel: string; readonly why: string };
    readonly processes: { readonly qemu: number };
  }

  it('runs with KVM, and says so', async () => {
    const status = await host.json<Status>('status');
    expect(status.state).toBe('running');
    expect(status.accel).toEqual({
      ...{ accel: 'kvm', vendor: 'amd' },
      why: 'KVM offers its guests SVM with nested paging',
    });
  });

  it("has QEMU in its sandbox, and hides of the host's processor what was not tested", async () => {
    const { processes } = await host.json<Status>('status');
    const about = await host.must(
      `grep Seccomp: /proc/${processes.qemu}/status; tr '\\0' ' ' </proc/${processes.qemu}/cmdline`,
    );
    expect(about).toMatch(/^Seccomp:\s+2$/m);
    // QEMU 7.2 knows no vnmi, and would refuse the name.
    expect(about).toMatch(/ -cpu host,\+svm,\+npt,-vgif,(?!\S*vnmi)/);
    expect(about).toContain(' -accel kvm ');
  });

  it('says in doctor what L1 gets', async () => {
    const { stdout } = await host.run(`${noImages} ${vsbypass} doctor --accel kvm`);
    expect(stdout).toMatch(/^pass {2}accelerator \(kvm\): kvm: KVM offers its guests SVM/m);
    expect(stdout).toMatch(
      /^pass {2}CPU of L0's machine: the host's, with svm, npt; hidden: vgif/m,
    );
    expect(stdout).toMatch(/^pass {2}nested virtualization in KVM: kvm_amd\.nested is on$/m);
  });

  it('brings output of the console across intact', async () => {
    const expected = Array.from({ length: 1000 }, (_, index) => `${index + 1}\n`).join('');
    const output = await host.must(`${vsbypass} console run vm1 -- seq 1000`);
    const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
    expect(sha256(output)).toBe(sha256(expected));
  });

  it('brings typed input across intact', async () => {
    const typed = randomBytes(400).toString('hex');
    expect(await host.must(`${vsbypass} console run vm1 -- echo ${typed}`)).toBe(`${typed}\n`);
  });

  it("keeps L3's time by KVM's clock", async () => {
    const source = '/sys/devices/system/clocksource/clocksource0/current_clocksource';
    expect(await host.must(`${vsbypass} console run vm1 -- cat ${source}`)).toBe('kvm-clock\n');
  });

  it('is reached by stock OpenSSH', async () => {
    // What was typed is echoed in two parts; together it comes only from the shell.
    const script = `
      config=$(${vsbypass} ssh-config)
      password=$(${vsbypass} status --json --show-password | node -p 'JSON.parse(require("fs").readFileSync(0)).vms[0].password')
      seen=1
      types() {
        printf '%b' "$1"
        timeout 60 bash -c 'until tail -c +$1 ssh.out | grep -q -- "$2"; do sleep 0.2; done' - "$seen" "$2"
        seen=$(wc -c <ssh.out)
      }
      { types '' 'login: '; types '\\r' 'login: '; types 'root\\r' 'Password: '; types "$password\\r" '# '
        types "echo by-s''sh\\r" by-ssh; types 'exit\\r' 'login: '; printf '\\r~.'; } |
        timeout 300 ssh -F "$config" vm1 >ssh.out 2>&1
      cat ssh.out`;
    expect(await host.must(script, 600_000)).toContain('by-ssh');
  }, 600_000);

  it('keeps every access to COM1 from L2', async () => {
    const proof = await host.json<{ operatorBytes: number; shadowBytes: number }>('proof vm1');
    expect(proof.operatorBytes).toBe(0);
    expect(proof.shadowBytes).toBeGreaterThan(5000);
  });

  it('keeps no state, and says why', async () => {
    const { code, stderr } = await host.vsbypass('snapshot save here');
    expect(code, stderr).toBe(77);
    expect(stderr).toContain('a guest of KVM that runs a nested guest');
  });

  it('protects the console from the operator', async () => {
    const { verdict, reasons, phases } = await host.json<{
      verdict: string;
      reasons: string[];
      phases: { com1Accesses: { data: number } }[];
    }>('verify vm1', 1_200_000);
    expect({ verdict, reasons }).toEqual({ verdict: 'protected', reasons: [] });
    // L2's hypervisor sees L3's characters in the baseline, and none of them when L1 handles the exits.
    const [baseline, shadow] = phases.map(({ com1Accesses }) => com1Accesses.data);
    expect(baseline).toBeGreaterThan(0);
    expect(shadow).toBe(0);
  }, 1_200_000);

  it('leaves nothing behind', async () => {
    expect((await host.vsbypass('down')).code).toBe(0);
    expect(await host.must('pgrep -c qemu-system || true')).toBe('0\n');
  });
});
