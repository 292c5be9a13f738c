import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import { remoteCommand } from '../../../src/cli/actions/shell.js';

/** What a shell makes of it: ssh hands its words over joined by spaces. */
async function said(words: readonly string[]): Promise<string> {
  const line = remoteCommand(words).join(' ');
  return (await promisify(execFile)('/bin/sh', ['-c', line])).stdout;
}

describe('remoteCommand', () => {
  it('is nothing for a shell', () => {
    expect(remoteCommand([])).toEqual([]);
  });

  it('leaves one word to the shell there', async () => {
    expect(await said(['echo a b | tr a-z A-Z'])).toBe('A B\n');
  });

  it('passes the arguments of a program on as they are', async () => {
    const odd = ["it's", '$HOME', 'two  blanks', ';', '*', ''];
    expect(await said(['printf', '<%s>', ...odd])).toBe(odd.map((word) => `<${word}>`).join(''));
  });
});
