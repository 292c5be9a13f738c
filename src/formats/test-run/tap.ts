/** TAP, version 14 (testanything.org). */
import { jsonText } from '../../base/json.js';
import { printableLines } from '../ansi.js';
import type { TestCase, TestRun } from './test-run.js';

export function toTap(run: TestRun): string {
  const cases = run.suites.flatMap((suite) => suite.cases.map((one) => ({ suite, one })));
  const lines = ['TAP version 14', `1..${cases.length}`];
  cases.forEach(({ suite, one }, index) => {
    lines.push(testPoint(index + 1, `${suite.name}: ${one.name}`, one), ...diagnostics(one));
  });
  return `${lines.join('\n')}\n`;
}

function testPoint(number: number, description: string, one: TestCase): string {
  const ok = one.outcome === 'passed' || one.outcome === 'skipped';
  const directive = one.outcome === 'skipped' ? ` # SKIP ${escape(one.reason)}` : '';
  return `${ok ? 'ok' : 'not ok'} ${number} - ${escape(description)}${directive}`;
}

/** A `#` would begin a directive, a line feed the next line. */
function escape(text: string): string {
  return printableLines(text).replace(/[\\#]/g, '\\$&').replace(/\s+/g, ' ');
}

/** A YAML block below a test point. Strings are JSON's, which are YAML too. */
function diagnostics(one: TestCase): string[] {
  const details = one.details.map((line) => `    - ${jsonText(line)}`);
  return [
    '  ---',
    ...(one.outcome === 'passed' || one.outcome === 'skipped'
      ? []
      : [`  message: ${jsonText(one.reason)}`, `  type: ${jsonText(one.type)}`]),
    `  duration_ms: ${Math.round(one.seconds * 1000)}`,
    ...(details.length === 0 ? [] : ['  details:', ...details]),
    '  ...',
  ];
}
