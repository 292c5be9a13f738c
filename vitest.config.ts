import { defineConfig } from 'vitest/config';

/** Of these `e2e` runs a part: on L2 = KVM, on the processor that is not TCG's, and what takes no minutes by itself. */
const inBrief = ['console', 'verify', 'bochs', 'hostile'].map((name) => `test/e2e/${name}.test.ts`);
const briefOnly = ['xen', 'lifecycle', 'identity'].map((name) => `test/e2e/${name}.test.ts`);
/** Of the tests with fake peers those that start programs and wait for them: too slow for each change. */
const withPrograms = [
  'test/bench/compare.test.ts',
  'test/cli/completion/shells.test.ts',
  'test/cli/{deadline,environment,main,prune,require}.test.ts',
  'test/console/client/{answers,kinds,no-terminal,on-terminal,openssh}.test.ts',
  'test/console/dialogue/shell-{login,output,rescue,tidy}.test.ts',
  'test/console/gateway/screen.test.ts',
  'test/contract/documents/documents.test.ts',
  'test/counting/counting.test.ts',
  'test/images/{key,prune}.test.ts',
  'test/instance/{diagnose,lock,own-disks,restore}.test.ts',
  'test/machine/{adopt,evidence,leftovers}.test.ts',
  'test/package/package.test.ts',
  'test/pipelines/pipelines.test.ts',
  'test/verify/search.test.ts',
];
const withFakePeers = {
  // Most of them wait, for programs that they have started.
  maxWorkers: 2,
  testTimeout: 60_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: 10_000 } },
};
const oneStackAtATime = {
  fileParallelism: false,
  maxWorkers: 1,
  // Ends what hangs; the steps of a test have limits of their own.
  testTimeout: 2_000_000,
  hookTimeout: 2_000_000,
};

/**
 * Nine projects: `unit` and `programs` mirror src/ and run with fake peers only, the second what takes its time;
 * `browser` drives the console's page in a real Chromium, over the same fake peers; `e2e` and `long` boot the real
 * stack and are therefore sequential and patient: what each change is to pass, and the rest;
 * `faults` breaks it; `kvm-host` boots it under KVM, in emulated AMD hosts; `systems` boots systems
 * that are none of ours; `figures` measures, and wants a quiet machine.
 */
export default defineConfig({
  test: {
    // With --coverage, as scripts/test runs the unit tests. What runs in processes of their own is not counted.
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/web/page/**'],
      reporter: ['text-summary'],
      thresholds: { lines: 73, branches: 67 },
    },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [
            ...['browser', 'e2e', 'kvm-host', 'systems'].map((folder) => `test/${folder}/**`),
            'test/faults/*.test.ts',
            ...withPrograms,
          ],
          ...withFakePeers,
          // Loading the modules anew for each file took half of the time. What a test sets, it puts back.
          isolate: false,
        },
      },
      {
        test: {
          name: 'programs',
          include: withPrograms,
          ...withFakePeers,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          // One Chromium at a time.
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: [...inBrief, ...briefOnly],
          provide: { tier: 'e2e', l2Kinds: ['kvm'], bochsProcessors: ['intel'] },
          ...oneStackAtATime,
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/e2e/**/*.test.ts'],
          exclude: briefOnly,
          provide: { tier: 'long', l2Kinds: ['kvm', 'xen'], bochsProcessors: ['amd', 'intel'] },
          ...oneStackAtATime,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/*.test.ts'],
          provide: {
            faultSeed: Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000),
            faultRounds: Number(process.env['FAULT_ROUNDS'] ?? 20),
          },
          ...oneStackAtATime,
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
          name: 'systems',
          include: ['test/systems/**/*.test.ts'],
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 2_000_000,
          hookTimeout: 8_000_000,
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
