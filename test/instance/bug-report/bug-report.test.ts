import { spawnSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { redact } from '../../../src/instance/bug-report/redact.js';
import { writeReport } from '../../../src/instance/bug-report/write.js';
import { temporaryInstance } from '../../rig/temporary-instance.js';

it('redact leaves out keys, hashes and known passwords, and counts them', () => {
  const text =
    'pw hunter2hunter2 root:$6$salt$abcdefghijklmnop:1\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\nkept';
  const { text: clean, places } = redact(text, ['hunter2hunter2', 'ke']);
  expect(clean).toBe(
    'pw <password left out> root:<password hash left out>:1\n<private key left out>\nkept',
  );
  expect(places).toBe(3);
});

it('writeReport lists what is in the archive, and nothing secret is', async () => {
  const { directory, paths } = await temporaryInstance();
  await writeFile(paths.passwords, '{"vm1": "verysecret1"}');
  await writeFile(paths.l2Log, '2026-01-01T00:00:00.000Z typed verysecret1 here\n');
  const target = join(directory, 'report.tar.gz');
  const signal = AbortSignal.timeout(10_000);
  const documents = { status: { state: 'broken' } };
  const entries = await writeReport({ paths, target, documents, signal });
  const names = ['status.json', 'daemon.log', 'qemu.log', 'l1.log', 'l2.log'];
  expect(entries.map(({ file }) => file)).toEqual(names);
  expect(entries.at(-1)?.redacted).toBe(1);
  const listing = spawnSync('tar', ['-tzf', target]).stdout.toString();
  for (const name of names) expect(listing).toContain(name);
  const all = spawnSync('tar', ['-xzOf', target]).stdout.toString();
  expect(all).toContain('typed <password left out> here');
  expect(all).not.toContain('verysecret1');
  await rm(directory, { recursive: true });
});
