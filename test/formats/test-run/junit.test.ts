import { describe, expect, it } from 'vitest';

import { toJunit } from '../../../src/formats/test-run/junit.js';
import type { TestCase, TestRun } from '../../../src/formats/test-run/test-run.js';
import { parseXml, type XmlElement } from '../../rig/python.js';

/** What the schemas that are in use allow: attributes, and children. */
const shape: Readonly<Record<string, { attributes: string; children: readonly string[] }>> = {
  testsuites: { attributes: 'name tests failures errors skipped time', children: ['testsuite'] },
  testsuite: {
    attributes: 'name tests failures errors skipped time timestamp',
    children: ['testcase'],
  },
  testcase: {
    attributes: 'name classname time',
    children: ['failure', 'error', 'skipped', 'system-out'],
  },
  failure: { attributes: 'message type', children: [] },
  error: { attributes: 'message type', children: [] },
  skipped: { attributes: 'message', children: [] },
  'system-out': { attributes: '', children: [] },
};

function assertShape(element: XmlElement): void {
  const known = shape[element.name];
  if (known === undefined) throw new Error(`no element ${element.name}`);
  expect(Object.keys(element.attributes).join(' ')).toBe(known.attributes);
  for (const child of element.children) {
    expect(known.children).toContain(child.name);
    assertShape(child);
  }
}

function testCase(outcome: TestCase['outcome'], change: Partial<TestCase> = {}): TestCase {
  return {
    ...{ name: `a ${outcome} one`, className: 'a.b', seconds: 0.25, outcome, type: 'leak' },
    ...{ reason: 'because', details: ['first', 'second'] },
    ...change,
  };
}

function runOf(...cases: TestCase[]): TestRun {
  return {
    ...{ name: 'a run', startedAt: new Date('2026-01-31T23:59:58.765Z'), seconds: 3 },
    suites: [{ name: 'a suite', seconds: 2, cases }],
  };
}

describe('toJunit', () => {
  const document = parseXml(
    toJunit(runOf(testCase('passed'), testCase('failed'), testCase('error'), testCase('skipped'))),
  );
  const [suite] = document.children;
  const cases = suite?.children ?? [];

  it('writes the elements and attributes that readers know, and no others', () => {
    expect(document.name).toBe('testsuites');
    assertShape(document);
  });

  it('counts, in all and for each suite', () => {
    const counts = { tests: '4', failures: '1', errors: '1', skipped: '1' };
    expect(document.attributes).toEqual({ name: 'a run', ...counts, time: '3.000' });
    expect(suite?.attributes).toEqual({
      ...{ name: 'a suite', ...counts, time: '2.000' },
      timestamp: '2026-01-31T23:59:58',
    });
  });

  it('has what happened in each case, with its evidence', () => {
    expect(cases.map(({ attributes }) => attributes['classname'])).toEqual(Array(4).fill('a.b'));
    const inside = cases.map(({ children }) => children.map(({ name }) => name));
    expect(inside).toEqual([['system-out'], ['failure'], ['error'], ['skipped', 'system-out']]);
    const failure = cases[1]?.children[0];
    expect(failure?.attributes).toEqual({ message: 'because', type: 'leak' });
    expect(failure?.text).toBe('first\nsecond');
    expect(cases[3]?.children[0]?.attributes).toEqual({ message: 'because' });
  });

  it.each([
    ['markup', `<a href="x">&amp;'</a> ]]> <!-- -->`],
    ['white space', 'a\tb\nc\rd\r\ne  f'],
    ['letters beyond ASCII', 'Überraschung 漢字 \u{1F512}'],
  ])('gives a parser back what was put in: %s', (_what, text) => {
    const found = parseXml(
      toJunit(runOf(testCase('failed', { name: text, reason: text, details: [text] }))),
    ).children[0]?.children[0];
    expect(found?.attributes['name']).toBe(text);
    expect(found?.children[0]?.attributes['message']).toBe(text);
    expect(found?.children[0]?.text).toBe(text);
  });

  it('replaces what XML cannot hold at all', () => {
    const text = 'a\x00b\x1b[31mc\uFFFFd\uD800e';
    const found = parseXml(toJunit(runOf(testCase('failed', { reason: text, details: [text] }))));
    const failure = found.children[0]?.children[0]?.children[0];
    expect(failure?.text).toBe('a\uFFFDb\uFFFD[31mc\uFFFDd\uFFFDe');
    expect(failure?.attributes['message']).toBe(failure?.text);
  });
});
