import { describe, expect, it } from 'vitest';

import { complaint, said, told, unknownToStatus } from './told.js';

describe('said', () => {
  it('takes the line with the code, else the last one', () => {
    expect(said({ code: 3, stderr: 'a\nvsbypass: full [E_NO_SPACE]\nhint: free some\n' })).toBe(
      'exit 3: vsbypass: full [E_NO_SPACE]',
    );
    expect(said({ code: null, stderr: 'a\nb\n' })).toBe('killed: b');
    expect(said({ code: 1, stderr: '' })).toBe('exit 1: ');
  });
});

describe('told', () => {
  it('is the state, with its reason where there is one', () => {
    expect(told({ state: 'running' })).toBe('running');
    expect(told({ state: 'broken', reason: 'QEMU has ended' })).toBe('broken: QEMU has ended');
  });
});

describe('complaint', () => {
  it('has nothing against a sentence with a code, or with what was asked for', () => {
    expect(complaint('vsbypass: QEMU was killed by SIGKILL [E_LAYER_FAILED]')).toBeUndefined();
    expect(complaint('broken: QEMU has ended', /^broken: .{10}/)).toBeUndefined();
  });

  it.each([
    ['no clear message', 'exit 1: Killed'],
    ['internals', 'vsbypass: abort(RangeError: out of memory) [E_DAEMON]'],
    ['internals', 'vsbypass: RangeError: out of memory [E_DAEMON]'],
    ['internals', 'vsbypass: QEMU has ended: exit code unknown [E_QEMU_EXITED]'],
    ['internals', 'vsbypass: undefined is gone [E_VM_GONE]'],
    ['internals', 'vsbypass: something [E_INTERNAL]'],
    ['a stack', 'vsbypass: it failed [E_DAEMON]\n    at up (file:///x/dist/a.js:12:7)'],
  ])('objects to %s: %j', (what, text) => {
    expect(complaint(text)).toMatch(new RegExp(`^${what}`));
  });

  it('looks for stacks in all that was printed, not in the line only', () => {
    const all = 'vsbypass: it failed [E_DAEMON]\n    at node:internal/process/task:95:5\n';
    expect(complaint('vsbypass: it failed [E_DAEMON]', undefined, all)).toMatch(/^a stack/);
  });
});

describe('unknownToStatus', () => {
  it('accepts what status says that runs', () => {
    const processes = { daemon: 1, qemu: 2 };
    expect(unknownToStatus(['qemu', 'daemon'], { state: 'running', processes })).toBeUndefined();
    expect(unknownToStatus([], { state: 'stopped', processes: {} })).toBeUndefined();
    expect(unknownToStatus(['qemu'], { state: 'broken', processes: { qemu: 2 } })).toBeUndefined();
  });

  it.each([
    [['qemu'], {}, 'left: qemu, but status (stopped) knows: nothing'],
    [[], { daemon: 1 }, 'left: nothing, but status (stopped) knows: daemon'],
    [['qemu', 'qemu'], { qemu: 2 }, 'left: qemu, qemu, but status (stopped) knows: qemu'],
    [['node bin up'], {}, 'left: node bin up, but status (stopped) knows: nothing'],
  ])('objects to %j beside %j', (kinds, processes, problem) => {
    expect(unknownToStatus(kinds, { state: 'stopped', processes })).toBe(problem);
  });
});
