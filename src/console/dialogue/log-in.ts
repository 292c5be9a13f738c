/** Logs in where a VM's console asks for a name, or for root's password alone. */
import { setTimeout } from 'node:timers/promises';

import { VsbError } from '../../base/errors.js';
import type { Conversation } from './conversation.js';
import type { Heard } from './heard.js';
import { either, suloginPrompt, type Prompts } from './prompts.js';
import type { Awake } from './wake-up.js';

/** How long a login may take: it is slow where the VM is emulated, and after a wrong password. */
export const LOGIN_MS = 60_000;
/** How long nothing follows a prompt after a password: messages of the day come in pieces. */
export const MOTD_QUIET_MS = 150;
/**
 * A login asks for a password first and turns the echo off then; what is typed in between is shown, or lost. Three times
 * what pexpect waits (its delaybeforesend).
 */
const PASSWORD_QUIET_MS = 150;

export interface LoginOptions {
  readonly user: string;
  /** Undefined: only where there is a shell already, or a login that asks for none. */
  readonly password: Buffer | undefined;
}

/**
 * @param talk what it is done in; it reads without control sequences
 * @param options `at` is where, and `enter` ends a line there; `typesPassword` is called before it is typed, after which a
 *   login may succeed whatever becomes of this talk
 * @throws VsbError E_CONSOLE_AUTH when the VM does not let the user in, E_EXPECT_TIMEOUT, E_CONSOLE_CLOSED; the talk's
 *   signal's reason
 */
export async function logIn(
  talk: Conversation,
  heard: Heard,
  options: Prompts & LoginOptions & Awake & { typesPassword: () => void },
): Promise<void> {
  const { user, password, prompt, loginPrompt, passwordPrompt, typesPassword } = options;
  const { at, enter } = options;
  if (at === 'shell') return;
  if (at === 'login') {
    await talk.send(Buffer.from(`${user}${enter}`));
    const asking = either(passwordPrompt, prompt);
    const [asked] = await talk.expectAtEnd(asking, LOGIN_MS, PASSWORD_QUIET_MS);
    if (!passwordPrompt.test(asked)) return;
  } else if (user === 'root') await setTimeout(PASSWORD_QUIET_MS);
  else {
    const text = `the VM is in its emergency mode, where ${user} cannot log in`;
    throw new VsbError('E_CONSOLE_AUTH', text, { layer: 'L3', hint: 'leave --user out' });
  }
  if (password === undefined) {
    throw new VsbError('E_CONSOLE_AUTH', `the VM asks for the password of ${user}`, {
      layer: 'L3',
      hint: 'give it by --password-env or --password-file',
    });
  }
  typesPassword();
  await talk.sendSecret(password);
  await talk.send(Buffer.from(enter));
  const again = either(suloginPrompt, loginPrompt, passwordPrompt);
  const quietMs = (): number => heard.quietMs(MOTD_QUIET_MS);
  const [answer] = await talk.expectAtEnd(either(again, prompt), LOGIN_MS, quietMs);
  if (again.test(answer)) {
    throw new VsbError('E_CONSOLE_AUTH', `the VM does not let ${user} in`, { layer: 'L3' });
  }
}
