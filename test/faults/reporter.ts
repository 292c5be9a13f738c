/** Writes what became of each fault as a page of Markdown, to the file that FAULT_TABLE names. */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';

import type { Reporter, TestCase, TestModule } from 'vitest/node';

import './rig/record.js';
import './rig/moments.js';

const columns = ['fault', 'the user is told', 'left running', 'next command', 'bytes', 'survived'];

export default class FaultReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const file = process.env['FAULT_TABLE'];
    if (file !== undefined) writeFileSync(file, pageOf(modules));
  }
}

function pageOf(modules: readonly TestModule[]): string {
  const [first] = modules;
  const seed = first?.project.getProvidedContext().faultSeed;
  return [
    '# Injected faults',
    `Written by \`scripts/test faults\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} CPUs, TCG, seed ${seed}.`,
    'How each was injected, and what the columns mean: [reliability.md](../reliability.md).',
    ...modules.map(tableOf).filter((table) => table !== ''),
  ]
    .join('\n\n')
    .concat('\n');
}

/** One table a file; nothing where no fault was injected. */
function tableOf(module: TestModule): string {
  const rows = [...module.children.allTests()].flatMap(rowOf);
  if (rows.length === 0) return '';
  const name = module.relativeModuleId.replace(/^.*\/(.*)\.test\.ts$/, '$1').replaceAll('-', ' ');
  return [
    `## ${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    '',
    line(columns),
    line(columns.map(() => '---')),
    ...rows,
  ].join('\n');
}

function rowOf(test: TestCase): string[] {
  const { fault } = test.meta();
  const result = test.result();
  if (result.state === 'skipped') {
    return [line([test.name, '', '', '', '', `not run: ${result.note ?? 'no reason is given'}`])];
  }
  if (fault === undefined)
    return result.state === 'passed' ? [] : [line([test.name, '', '', '', '', verdictOf(test)])];
  const { injected, told, left, next, bytes } = fault;
  return [line([injected, told, left, next, bytes, verdictOf(test)])];
}

function verdictOf(test: TestCase): string {
  const { state, errors } = test.result();
  if (state === 'passed') return 'yes';
  const problems = (errors ?? []).map(({ message }) => message.split('\n', 1)[0]);
  return `**no**: ${problems.join('; ') || state}`;
}

/** A row of a table; what would end a cell early is escaped, and where the testbed was is of no interest. */
function line(cells: readonly string[]): string {
  const cell = (text: string): string =>
    text
      .replaceAll('|', '\\|')
      .replaceAll('\n', ' ')
      .replaceAll(/\/\S*?\/vsb-e2e-\w+/g, 'DIR');
  return `| ${cells.map(cell).join(' | ')} |`;
}
