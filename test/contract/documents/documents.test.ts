import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { documents, jsonSchemaOf } from '../../../src/contract/documents/documents.js';
import { runCli } from '../../rig/run-cli.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-doc-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** What is wrong with a document, by its JSON Schema. */
function complaints(name: string, document: unknown): unknown[] {
  const known = documents[name];
  if (known === undefined) throw new Error(`no document ${name}`);
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } });
  const validate = ajv.compile(jsonSchemaOf(name, known));
  validate(document);
  return validate.errors ?? [];
}

describe('scripts/schemas', () => {
  it('writes one file for each document', async () => {
    const script = fileURLToPath(new URL('../../../scripts/schemas', import.meta.url));
    await promisify(execFile)(process.execPath, [script, directory]);
    for (const [name, document] of Object.entries(documents)) {
      const text = await readFile(join(directory, `${name}.schema.json`), 'utf8');
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(jsonSchemaOf(name, document))));
    }
  });
});

describe('real output', () => {
  it.each([
    ['status', ['status', '--json'], 0],
    ['status-all', ['status', '--all', '--json'], 0],
    ['event', ['status', '--events'], 0],
    ['down', ['down', '--json'], 0],
    ['prune', ['prune', '--json'], 0],
    ['build-key', ['build', '--key', '--json'], 0],
    ['event', ['down', '--events'], 0],
    ['plan', ['up', '--dry-run', '--accel', 'tcg', '--vms', '2', '--json'], 0],
    ['error', ['up', '--config', 'missing.json', '--json'], 2],
    ['event', ['up', '--config', 'missing.json', '--events'], 2],
  ] as const)('has the published form %s: %j', async (name, words, code) => {
    const finished = await runCli(directory, words);
    expect(finished.code).toBe(code);
    expect(complaints(name, JSON.parse(finished.stdout))).toEqual([]);
  });

  it('of doctor has the published form, whatever this host lacks', async () => {
    const { stdout } = await runCli(directory, ['doctor', '--json']);
    expect(complaints('doctor', JSON.parse(stdout))).toEqual([]);
  });
});

describe('the schema of vsbypass.json', () => {
  it.each([
    ['{}', true],
    ['{"vms": [{"name": "a", "memoryMiB": 128}], "accel": "tcg"}', true],
    ['{"vms": [{"name": "A"}]}', false],
    ['{"vmz": []}', false],
  ])('agrees with the program about %s', async (text, valid) => {
    expect(complaints('config', JSON.parse(text))).toHaveLength(valid ? 0 : 1);
    await writeFile(join(directory, 'vsbypass.json'), text);
    const { code } = await runCli(directory, ['up', '--dry-run', '--accel', 'tcg']);
    expect(code).toBe(valid ? 0 : 2);
  });
});
