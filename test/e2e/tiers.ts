/** On what the tests of a tier run: vitest.config.ts says it. */
declare module 'vitest' {
  interface ProvidedContext {
    readonly tier: 'e2e' | 'long';
    readonly l2Kinds: readonly ('kvm' | 'xen')[];
    readonly bochsProcessors: readonly ('amd' | 'intel')[];
  }
}

export {};
