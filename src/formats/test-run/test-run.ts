/** A run as test runners see it: suites of cases. Written as JUnit XML and as TAP. */

export interface TestCase {
  /** What is tested, unique within its suite. */
  readonly name: string;
  /** Groups cases, with dots, as JUnit's readers expect it. */
  readonly className: string;
  readonly seconds: number;
  /** `error`: it could not be carried out. */
  readonly outcome: 'passed' | 'failed' | 'error' | 'skipped';
  /** One sentence. */
  readonly reason: string;
  /** A word for the kind of failure, such as `leak`. */
  readonly type: string;
  /** The evidence, lines for people. */
  readonly details: readonly string[];
}

export interface TestSuite {
  readonly name: string;
  readonly seconds: number;
  readonly cases: readonly TestCase[];
}

export interface TestRun {
  readonly name: string;
  readonly startedAt: Date;
  readonly seconds: number;
  readonly suites: readonly TestSuite[];
}
