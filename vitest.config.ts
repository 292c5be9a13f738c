import { availableParallelism, totalmem } from 'node:os';

import { defineConfig } from 'vitest/config';

const cpus = availableParallelism();
const gibibytes = totalmem() / 2 ** 30;
/** An emulated stack uses one CPU and three GiB, whatever its layers do. */
const stacksAtOnce = cpus >= 2 && gibibytes >= 10 ? 2 : 1;

/**
 * Five projects: `unit` mirrors src/ and runs with fake peers only; `browser` drives the
 * console's page in a real Chromium, over the same fake peers; `e2e` boots the real stack, a file
 * beside another where the machine has room for two, and is patient; `kvm-host` boots it under KVM,
 * in emulated AMD hosts; `figures` measures, and wants a quiet machine.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/browser/**', 'test/e2e/**', 'test/kvm-host/**'],
          // Half of the time they wait, for programs that they have started and for limits to pass.
          maxWorkers: 2 * cpus,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 10_000 } },
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          maxWorkers: stacksAtOnce,
          // Ends what hangs; the steps of a test have limits of their own.
          testTimeout: 2_000_000,
          hookTimeout: 2_000_000,
        },
      },
      {
        test: {
          name: 'kvm-host',
          include: ['test/kvm-host/**/*.test.ts'],
          // An emulated host uses one CPU, whatever it does.
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 900_000,
          disableConsoleIntercept: true,
        },
      },
      {
        test: {
          name: 'figures',
          include: ['test/figures/**/*.figures.ts'],
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 120_000,
          disableConsoleIntercept: true,
        },
      },
    ],
  },
});
