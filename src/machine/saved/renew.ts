/**
 * What must not be the same in two testbeds that were resumed from one state: keys, passwords, random
 * numbers; and what is wrong after any: clocks. L1's dom0 and L2 are told by SSH, a user VM on its
 * secure console, which L2 cannot see.
 */
import { randomBytes } from 'node:crypto';

import { VsbError } from '../../base/errors.js';
import type { ScriptStep } from '../../console/dialogue/script.js';
import { runRemote, type SshTarget } from '../../host/ssh.js';

/** What a layer's kernel gets to stir into its random numbers; 256 bits are what it can use. */
const seedBytes = 64;

/** Programs of our images that credit the seed and draw from it at once (images/lib/reseed.c). */
const reseed = '/usr/lib/vsbypass/reseed';

export interface NewKeys {
  /** dropbear's private host key. */
  readonly hostKey: Buffer;
  /** A line of authorized_keys. */
  readonly authorizedKey: string;
}

/**
 * The script for root of L1's dom0 or L2, given on standard input: nothing of it is in an argument.
 *
 * @param seconds since 1970, to set the clock to
 */
export function renewalScript(keys: NewKeys, seed: Buffer, seconds: number): string {
  const base64 = (bytes: Buffer): string => bytes.toString('base64');
  return `set -e
date -s @${seconds} >/dev/null
echo ${base64(seed)} | base64 -d | ${reseed}
umask 077
echo ${base64(keys.hostKey)} | base64 -d >/etc/dropbear/new_host_key
mv /etc/dropbear/new_host_key /etc/dropbear/dropbear_ed25519_host_key
echo '${keys.authorizedKey}' >/etc/vsbypass/authorized_keys
cp /etc/vsbypass/authorized_keys /root/.ssh/authorized_keys
kill "$(pgrep -o dropbear)"
echo renewed
`;
}

/** @throws VsbError E_SSH */
export async function renewManaged(
  target: SshTarget,
  keys: NewKeys,
  signal: AbortSignal,
): Promise<void> {
  const seconds = Math.round(Date.now() / 1000);
  const stdin = renewalScript(keys, randomBytes(seedBytes), seconds);
  const { code, stdout, stderr } = await runRemote(target, 'sh -s', { stdin, signal });
  if (code === 0 && stdout.toString().trim() === 'renewed') return;
  throw new VsbError('E_SSH', `${target.layer} could not be renewed: ${stderr.trim()}`, {
    layer: target.layer,
  });
}

/**
 * The steps from the login prompt of a user VM of our image to its shell.
 *
 * @param canary must come back before anything else is believed
 * @param limitMs of each answer
 */
export function loginSteps(canary: string, password: string, limitMs: number): ScriptStep[] {
  const expect = expecting(limitMs);
  return [
    send(canary),
    expect(new RegExp(canary)),
    // Takes the canary back (getty's and the line discipline's kill character), and logs in.
    send('\x15root\r'),
    expect(/Password: /),
    send(`${password}\r`),
    expect(/# /),
  ];
}

export interface VmRenewal {
  /** Of the new password, crypt(3). */
  readonly passwordHash: string;
  readonly seed: Buffer;
  /** Since 1970. */
  readonly seconds: number;
}

/** The steps at the shell; a new login prompt stands at the end. */
export function renewalSteps(
  { passwordHash, seed, seconds }: VmRenewal,
  limitMs: number,
): ScriptStep[] {
  const expect = expecting(limitMs);
  const command = [
    `date -s @${seconds} >/dev/null`,
    `echo ${seed.toString('base64')} | base64 -d | ${reseed}`,
    `sed -i 's|^root:[^:]*|root:${passwordHash}|' /etc/shadow`,
    'echo renewed-$((6 * 7))',
  ].join(' && ');
  return [send(`${command}\r`), expect(/renewed-42/), send('exit\r'), expect(/login: /)];
}

function expecting(timeoutMs: number): (pattern: RegExp) => ScriptStep {
  return (pattern) => ({ type: 'expect', pattern, timeoutMs });
}

function send(text: string): ScriptStep {
  return { type: 'send', bytes: Buffer.from(text) };
}

export function newSeed(): Buffer {
  return randomBytes(seedBytes);
}
