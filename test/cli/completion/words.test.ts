import { expect, test } from 'vitest';

import { joinWordBreaks, renderCandidates } from '../../../src/cli/completion/shells.js';
import { complete, type NameSources } from '../../../src/cli/completion/words.js';
import { bareProgram } from '../../rig/bare-program.js';

const sources: NameSources = {
  instances: () => Promise.resolve(['default', 'lab']),
  vms: (instance) => Promise.resolve(instance === 'lab' ? ['db', 'web'] : ['vm1', 'vm2']),
  layers: () => Promise.resolve(['xen', 'l1']),
};

async function values(...words: string[]): Promise<unknown> {
  const found = await complete(bareProgram(), words, sources);
  return found === 'files' ? found : found.map(({ value }) => value);
}

test('commands are completed, hidden ones are not', async () => {
  const all = (await values('')) as string[];
  expect(all).toEqual(expect.arrayContaining(['up', 'console', 'completion', 'man', 'help']));
  expect(all).not.toContain('daemon');
  expect(all).not.toContain('complete');
  expect(await values('ver')).toEqual(['verify']);
  expect(await values('vm', 'h')).toEqual(['hook', 'help']);
  expect(await values('nonsense', '')).toEqual([]);
});

test('every command of the tree is found, with a description', async () => {
  const walk = async (
    command: ReturnType<typeof bareProgram>['commands'][number],
    path: string[],
  ) => {
    for (const child of command.createHelp().visibleCommands(command)) {
      const found = await complete(bareProgram(), [...path, child.name()], sources);
      expect(found).toContainEqual({ value: child.name(), description: child.description() });
      await walk(child, [...path, child.name()]);
    }
  };
  await walk(bareProgram(), []);
});

test('names of VMs stand where a command takes one, those of the instance that is meant', async () => {
  expect(await values('proof', '')).toEqual(['vm1', 'vm2']);
  expect(await values('--name', 'lab', 'proof', '')).toEqual(['db', 'web']);
  expect(await values('--name=lab', 'vm', 'stop', 'd')).toEqual(['db']);
  expect(await values('proof', 'vm1', '')).toEqual([]);
  expect(await values('vm', 'hook', 'off', '')).toEqual(['vm1', 'vm2']);
  // The subcommand that is meant when none is named.
  expect(await values('console', '')).toEqual(expect.arrayContaining(['attach', 'vm1']));
  expect(await values('console', 'vm1', '--rep')).toEqual(['--replay']);
  expect(await values('console', 'attach', '--watch', 'vm')).toEqual(['vm1', 'vm2']);
});

test('options and their values', async () => {
  expect(await values('up', '--a')).toEqual(['--accel']);
  expect(await values('up', '--accel', '')).toEqual(['auto', 'kvm', 'tcg', 'bochs']);
  expect(await values('up', '--accel=t')).toEqual(['--accel=tcg']);
  expect(await values('up', '--accel', 'tcg', '--q')).toEqual(['--quiet']);
  expect(await values('--name', '')).toEqual(['default', 'lab']);
  expect(await values('--name=l')).toEqual(['--name=lab']);
  expect(await values('up', '--config', '')).toBe('files');
  expect(await values('up', '--config=')).toBe('files');
  expect(await values('up', '--vms', '')).toEqual([]);
  expect(await values('up', '--nonsense=')).toEqual([]);
  expect(await values('console', '--', '--')).toEqual([]);
  expect(await values('vm', 'hook', '')).toEqual(['on', 'off']);
  expect(await values('logs', 'vm:v')).toEqual(['vm:vm1', 'vm:vm2']);
});

test('bash gets words that it has broken put together, and only what comes after the break', () => {
  expect(joinWordBreaks(['logs', 'vm', ':', 'v'])).toEqual(['logs', 'vm:v']);
  expect(joinWordBreaks(['up', '--accel', '='])).toEqual(['up', '--accel=']);
  expect(joinWordBreaks(['up', '--accel', '=', 't', ''])).toEqual(['up', '--accel=t', '']);
  expect(joinWordBreaks([':'])).toEqual([':']);
  const found = [{ value: 'vm:vm1', description: 'a:b' }];
  expect(renderCandidates('bash', 'vm:v', found)).toEqual(['vm1']);
  expect(renderCandidates('zsh', 'vm:v', found)).toEqual(['vm\\:vm1:a:b']);
  expect(renderCandidates('fish', 'vm:v', found)).toEqual(['vm:vm1\ta:b']);
  expect(renderCandidates('fish', '', 'files')).toEqual([':files']);
});
