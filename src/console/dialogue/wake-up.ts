/** Gets a console to show what it waits for. */
import { VsbError } from '../../base/errors.js';
import { assertTimeout, type Conversation } from './conversation.js';
import type { Heard } from './heard.js';
import { QUIET_MS, either, suloginPrompt, type Prompts } from './prompts.js';

/** How long a prompt may take to answer a key, and how often it is asked. */
const PROMPT_MS = 5000;
const PROMPT_TURNS = 4;
/** And one that does not even echo: a boot loader that reads a kernel hears nothing meanwhile. */
const DEAF_TURNS = 12;
/** Empty passwords for what asks for nothing else: each may count as a failed login (pam_faillock(8)). */
const EMPTY_PASSWORDS = 2;
/** One that prints meanwhile boots, or shuts down: how long there may be no prompt then. */
const BOOT_MS = 180_000;
/** What a terminal may echo of the keys that ask for a prompt, bytes. */
const ECHO = 16;

export interface WakeUpOptions extends Prompts {
  /** There is no prompt yet, but the VM prints: it is waited for, so many milliseconds at most. */
  readonly onBooting?: (limitMs: number) => void;
}

export interface Awake {
  /** `sulogin`: where a password is asked for, root's, but no name. */
  readonly at: 'login' | 'sulogin' | 'shell';
  /**
   * The key that ends a line there. Enter is CR, but a getty whose user ended his name by LF, as scripts do, has the
   * terminal pass CR on as a character: then only LF ends one (termios(3), ICRNL).
   */
  readonly enter: '\r' | '\n';
}

/**
 * A password prompt that somebody has left gets an empty one.
 * @param talk what it is asked in; it reads without control sequences
 * @throws VsbError E_CONSOLE_AUTH where nothing but a password is asked for, E_EXPECT_TIMEOUT, E_CONSOLE_CLOSED; the talk's
 *   signal's reason
 */
export async function wakeUp(
  talk: Conversation,
  heard: Heard,
  options: WakeUpOptions,
): Promise<Awake> {
  const { prompt, loginPrompt, passwordPrompt, onBooting } = options;
  const begun = performance.now();
  for (let silent = 0, echoes = false, booting = false, asked = 0; ;) {
    const before = heard.bytes;
    const enter = silent % 2 === 0 ? '\r' : '\n';
    // What somebody has left on the line is not ours to run.
    await talk.send(Buffer.from(`\x15${enter}`));
    try {
      const any = either(suloginPrompt, loginPrompt, passwordPrompt, prompt);
      const [seen] = await talk.expectAtEnd(any, PROMPT_MS, () => heard.quietMs(QUIET_MS));
      if (suloginPrompt.test(seen)) return { at: 'sulogin', enter };
      if (loginPrompt.test(seen)) return { at: 'login', enter };
      if (!passwordPrompt.test(seen)) return { at: 'shell', enter };
      if (++asked === EMPTY_PASSWORDS) throw onlyPassword();
    } catch (error) {
      assertTimeout(error);
      const heardNow = heard.bytes - before;
      const prints = heardNow > ECHO;
      silent = prints ? 0 : silent + 1;
      echoes = !prints && (echoes || heardNow > 0);
      const waited = performance.now() - begun;
      if (silent >= (echoes ? PROMPT_TURNS : DEAF_TURNS) || waited >= BOOT_MS)
        throw noPrompt(waited, error);
      if (prints && !booting) onBooting?.(BOOT_MS);
      booting ||= prints;
    }
  }
}

function onlyPassword(): VsbError {
  return new VsbError('E_CONSOLE_AUTH', 'only a password is asked for', {
    layer: 'L3',
    hint: 'it is no login that asks: `vsbypass console` shows what it is',
  });
}

function noPrompt(waitedMs: number, cause: VsbError): VsbError {
  const text = `no login and no shell prompt came within ${Math.round(waitedMs / 1000)} s`;
  return new VsbError('E_EXPECT_TIMEOUT', text, {
    ...{ layer: 'L3', details: cause.details, cause },
    hint: '--prompt, --login-prompt and --password-prompt tell what they look like',
  });
}
