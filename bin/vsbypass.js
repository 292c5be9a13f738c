#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
// The executable: nothing but the way to the compiled command line.
try {
  const { main } = await import('../dist/program/main.js');
  await main(process.argv);
} catch (error) {
  if (
    error?.code !== 'ERR_MODULE_NOT_FOUND' ||
    !String(error.message).includes('dist/program/main.js')
  )
    throw error;
  process.stderr.write('vsbypass is not built yet: run `npm ci && npm run build` first\n');
  process.exitCode = 3;
}
