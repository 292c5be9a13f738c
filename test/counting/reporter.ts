/**
 * What scripts/test counts of a run, as JSON in the file that VSBYPASS_COUNTS names. Vitest's own report calls a test skipped
 * that did not run because a hook before it has failed; here it has failed.
 */
import { writeFileSync } from 'node:fs';

import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node';

export interface Counts {
  readonly passed: number;
  readonly failed: readonly Named[];
  readonly skipped: readonly Named[];
}

interface Named {
  readonly name: string;
  readonly reason: string;
}

export default class CountingReporter implements Reporter {
  readonly #modules = new Set<TestModule>();

  onTestModuleCollected(module: TestModule): void {
    this.#modules.add(module);
  }

  /** A run that is killed, at its limit say, leaves what it has found by then. */
  onTestCaseResult(test: TestCase): void {
    if (test.result().state === 'failed') this.#write([...this.#modules], []);
  }

  onTestModuleEnd(module: TestModule): void {
    this.#modules.add(module);
    this.#write([...this.#modules], []);
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    this.#write(modules, errors);
  }

  #write(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const file = process.env['VSBYPASS_COUNTS'];
    if (file === undefined) throw new Error('VSBYPASS_COUNTS names no file');
    writeFileSync(file, JSON.stringify(countRun(modules, errors)));
  }
}

/** @param strayErrors errors that belong to no test */
function countRun(modules: readonly TestModule[], strayErrors: readonly SerializedError[]): Counts {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const inState = (state: string): TestCase[] =>
    tests.filter((test) => test.result().state === state);
  const skipped = inState('skipped');
  const held = skipped.filter((test) => whyNotRun(test) !== undefined);
  // A file that cannot be loaded, or whose hooks fail, and has no test to show for it.
  const empty = modules.filter(
    (module) => module.state() === 'failed' && [...module.children.allTests()].length === 0,
  );
  return {
    passed: inState('passed').length,
    failed: [
      ...inState('failed').map((test) => named(test, messageOf(test.result().errors))),
      ...held.map((test) => named(test, `did not run: ${whyNotRun(test) ?? ''}`)),
      // A run that was cut short leaves some that are pending.
      ...inState('pending').map((test) => named(test, 'did not run: the run ended before')),
      ...empty.map((module) => ({
        name: module.relativeModuleId,
        reason: messageOf(module.errors()),
      })),
      ...strayErrors.map((error) => ({ name: 'outside of a test', reason: messageOf([error]) })),
    ],
    skipped: skipped
      .filter((test) => !held.includes(test))
      .map((test) => named(test, noteOf(test))),
  };
}

/** The failure of a hook that kept it from running; undefined where it was to be skipped anyway. */
function whyNotRun(test: TestCase): string | undefined {
  // One that has begun has skipped itself.
  if (test.options.mode !== 'run' || test.diagnostic() !== undefined) return undefined;
  let parent: TestSuite | TestModule = test.parent;
  for (;;) {
    const [error] = parent.errors();
    if (error !== undefined) return error.message;
    if (parent.type === 'module') return undefined;
    parent = parent.parent;
  }
}

/** The first line: the rest is in the run's own report. */
function messageOf(errors: readonly { readonly message: string }[] | undefined): string {
  return errors?.[0]?.message.split('\n', 1)[0] ?? 'no message';
}

function noteOf(test: TestCase): string {
  const result = test.result();
  if (test.options.mode === 'todo') return 'it is to be written';
  return (result.state === 'skipped' ? result.note : undefined) ?? 'no reason is given';
}

function named(test: TestCase, reason: string): Named {
  return { name: `${test.module.relativeModuleId} > ${test.fullName}`, reason };
}
