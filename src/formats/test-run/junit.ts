/** JUnit's XML, in the form that Jenkins, GitLab and most others read. */
import type { TestCase, TestRun, TestSuite } from './test-run.js';
import { element, escapeText } from './xml.js';

export function toJunit(run: TestRun): string {
  const suites = run.suites.map((suite) => `\n${suiteElement(suite, run)}`);
  const all = run.suites.flatMap(({ cases }) => cases);
  const attributes = { name: run.name, ...counts(all), time: seconds(run.seconds) };
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('testsuites', attributes, [...suites, '\n'])}\n`;
}

function suiteElement({ name, seconds: time, cases }: TestSuite, { startedAt }: TestRun): string {
  // The schemas that are in use know neither fractions nor a zone; it is UTC.
  const timestamp = startedAt.toISOString().slice(0, 19);
  const children = cases.map((one) => `\n${caseElement(one)}`);
  return element('testsuite', { name, ...counts(cases), time: seconds(time), timestamp }, [
    ...children,
    '\n',
  ]);
}

function counts(cases: readonly TestCase[]) {
  const having = (outcome: TestCase['outcome']): number =>
    cases.filter((one) => one.outcome === outcome).length;
  return {
    tests: cases.length,
    failures: having('failed'),
    errors: having('error'),
    skipped: having('skipped'),
  };
}

function caseElement(one: TestCase): string {
  const attributes = { name: one.name, classname: one.className, time: seconds(one.seconds) };
  const details = escapeText(one.details.join('\n'));
  const { reason: message, type } = one;
  const output = details === '' ? [] : [element('system-out', {}, [details])];
  switch (one.outcome) {
    case 'passed':
      return element('testcase', attributes, output);
    case 'skipped':
      return element('testcase', attributes, [element('skipped', { message }), ...output]);
    case 'failed':
    case 'error': {
      const name = one.outcome === 'failed' ? 'failure' : 'error';
      return element('testcase', attributes, [element(name, { message, type }, [details])]);
    }
  }
}

function seconds(value: number): string {
  return value.toFixed(3);
}
