import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { programHash } from '../../../src/images/sbom/program.js';

it('programHash is what sha256sum would say', async () => {
  const root = join(import.meta.dirname, '../../..');
  const command = 'find bin dist src/web/page -type f | LC_ALL=C sort | xargs sha256sum';
  const output = execFileSync('bash', ['-c', command], { cwd: root });
  const expected = createHash('sha256').update(output).digest('hex');
  expect(await programHash(root)).toBe(expected);
  expect(await programHash(`${root}/`)).toBe(expected);
});
