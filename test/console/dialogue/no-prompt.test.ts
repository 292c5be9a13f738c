/** How long `runInShell` waits where no prompt comes: for a VM that prints, as it boots, and for a silent one. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import type { ScriptPeer } from '../../../src/console/dialogue/conversation.js';
import { runInShell } from '../../../src/console/dialogue/shell-run.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const options = {
  ...{ user: 'root', password: undefined, command: 'true', timeoutMs: 1000 },
  ...{ prompt: /[#$] $/, loginPrompt: /login: $/, passwordPrompt: /Password: $/ },
  ...{ signal: new AbortController().signal, onOutput: () => {} },
};

/** A console that is played: what it prints, and what it does when something is typed. */
function playedConsole(onTyped: (print: (text: string) => void) => void = () => {}): {
  peer: ScriptPeer;
  print: (text: string) => void;
} {
  const listeners: ((bytes: Buffer | undefined) => void)[] = [];
  const print = (text: string): void => {
    for (const listener of listeners) listener(Buffer.from(text));
  };
  const send = (): Promise<void> => {
    onTyped(print);
    return Promise.resolve();
  };
  return { peer: { onOutput: (listener) => listeners.push(listener), send }, print };
}

test.each([
  ['that echoes', '\r\n', 20],
  ['that hears nothing: it may be starting', undefined, 60],
])('runInShell says that it sees no prompt at a console %s', async (_, echo, seconds) => {
  const { peer } = playedConsole((show) => {
    if (echo !== undefined) show(echo);
  });
  const refused = expect(runInShell(peer, options)).rejects.toMatchObject({
    ...{ code: 'E_EXPECT_TIMEOUT' },
    message: `no login and no shell prompt came within ${seconds} s`,
    hint: expect.stringContaining('--login-prompt') as unknown,
  });
  await vi.advanceTimersByTimeAsync(seconds * 1000);
  await refused;
});

test('runInShell does not go on giving empty passwords to what asks for nothing else', async () => {
  const typed = vi.fn();
  const { peer } = playedConsole((show) => {
    typed();
    show('\r\nPassword: ');
  });
  const refused = expect(runInShell(peer, options)).rejects.toMatchObject({
    ...{ code: 'E_CONSOLE_AUTH', exitCode: 7, message: 'only a password is asked for' },
    hint: expect.stringContaining('vsbypass console') as unknown,
  });
  await vi.advanceTimersByTimeAsync(1000);
  await refused;
  expect(typed).toHaveBeenCalledTimes(2);
});

describe('runInShell, where no prompt comes but the VM prints', () => {
  /** A VM that prints a line each second for so many seconds, and shows what is given then. */
  function bootingFor(seconds: number, prompt: string): ScriptPeer {
    const { peer, print } = playedConsole();
    for (let second = 1; second <= seconds; second++) {
      setTimeout(() => print(`[    ${second}.000000] of the kernel\r\n`), second * 1000);
    }
    setTimeout(() => print(prompt), seconds * 1000 + 500);
    return peer;
  }

  test('waits for its login, and says so once', async () => {
    const onBooting = vi.fn();
    const run = runInShell(bootingFor(60, '\r\nvm1 login: '), { ...options, onBooting });
    // It has come further than to the login: this VM does not answer to a name.
    const refused = expect(run).rejects.toMatchObject({
      details: { pattern: expect.stringContaining('Password') as unknown },
      message: expect.stringContaining('within 60 s') as unknown,
    });
    await vi.advanceTimersByTimeAsync(130_000);
    await refused;
    expect(onBooting.mock.calls).toEqual([[180_000]]);
  });

  test('gives up after minutes in which it only prints', async () => {
    const run = runInShell(bootingFor(400, ''), options);
    const refused = expect(run).rejects.toMatchObject({
      message: 'no login and no shell prompt came within 180 s',
    });
    await vi.advanceTimersByTimeAsync(181_000);
    await refused;
  });
});
