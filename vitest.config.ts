import { defineConfig } from 'vitest/config';

/**
 * Four projects: `unit` mirrors src/ and runs with fake peers only; `browser` drives the
 * console's page in a real Chromium, over the same fake peers; `e2e` boots the real stack once
 * and is therefore sequential and patient; `figures` measures, and wants a quiet machine.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/browser/**', 'test/e2e/**'],
          testTimeout: 20_000,
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
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 300_000,
          hookTimeout: 600_000,
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
