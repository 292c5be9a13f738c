import { describe, expect, it } from 'vitest';

import { annotation, onGitHub, withoutCommands } from '../../../src/cli/show/github.js';

describe('annotation', () => {
  it('escapes what ends a line, a property or the properties', () => {
    expect(annotation('error', 'L2: a, 100%\nb', 'x: 1, 2\r\n50% %0A')).toBe(
      '::error title=L2%3A a%2C 100%25%0Ab::x: 1, 2%0D%0A50%25 %250A',
    );
  });
});

describe('withoutCommands', () => {
  it('puts the text between a fence that nobody can guess', () => {
    const [first, text, last] = withoutCommands('##[error]x').split('\n');
    const token = /^::stop-commands::([0-9a-f]{32})$/.exec(first ?? '')?.[1];
    expect(token).toBeDefined();
    expect([text, last]).toEqual(['##[error]x', `::${token}::`]);
    expect(withoutCommands('').split('\n')[0]).not.toBe(first);
  });
});

describe('onGitHub', () => {
  it('believes only what the runner sets', () => {
    expect(onGitHub({ GITHUB_ACTIONS: 'true' })).toBe(true);
    expect(onGitHub({})).toBe(false);
    expect(onGitHub({ CI: 'true' })).toBe(false);
  });
});
