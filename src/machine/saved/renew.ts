/**
 * What must not be the same in two testbeds that were resumed from one state: keys, passwords, random
 * numbers; and what is wrong after any: clocks. L1's dom0 and L2 are told by SSH, a user VM on its
 * secure console, which L2 cannot see.
 */
import { randomBytes } from 'node:crypto';

import { VsbError } from '../../base/errors.js';
import type { ScriptStep } from '../../console/dialogue/script.js';
import { runRemote, shellQuote, type SshTarget } from '../../host/ssh.js';

/** What a layer's kernel gets to stir into its random numbers: 256 bits, all that it can use. */
const seedBytes = 32;

/** Program of our images that credits 64 bytes, here digits, and draws from them at once (images/lib/reseed.c). */
const reseed = '/usr/lib/vsbypass/reseed';

/** Sets `inode` to that of the socket that listens on port 22, or to nothing (proc(5), /proc/net/tcp). */
const whoListens = `listening() {
  inode=
  while read -r slot local remote state queues timer retransmits uid timeout number rest; do
    case $local$state in *:00160A) inode=$number ;; esac
  done </proc/net/tcp
}
listening`;
/** How often it is looked for, 0.1 s apart: half a minute is more than the phase has. */
const waitTurns = 300;

export interface NewKeys {
  /** dropbear's private host key. */
  readonly hostKey: Buffer;
  /** A line of authorized_keys. */
  readonly authorizedKey: string;
}

/** A file that only root may read. */
export interface NewFile {
  readonly path: string;
  readonly content: Buffer;
}

/**
 * The script for root's shell in L1's dom0 or L2, given on standard input: nothing of it is in an argument. To start a process
 * costs an emulated layer more than all that the shell does by itself. The parent of the server that has this connection is the
 * one that listens; init starts another in its place, a second later, which has the new keys. It is waited for: whoever comes next
 * is to be let in.
 *
 * @param seconds since 1970, to set the clock to
 */
export function renewalScript(
  keys: NewKeys,
  files: readonly NewFile[],
  seed: Buffer,
  seconds: number,
): string {
  const hostKey = { path: '/etc/dropbear/dropbear_ed25519_host_key', content: keys.hostKey };
  return `set -e
date -s @${seconds} >/dev/null
${reseed} <<'.'
${seed.toString('hex')}
.
umask 077
${[hostKey, ...files].map(writing).join('\n')}
echo '${keys.authorizedKey}' >/etc/vsbypass/authorized_keys
echo '${keys.authorizedKey}' >/root/.ssh/authorized_keys
read -r pid name state listener rest </proc/$PPID/stat
${whoListens}
before=$inode
kill $listener
turns=0
while [ $turns -lt ${waitTurns} ]; do
  turns=$((turns + 1))
  listening
  [ "$inode" = "$before" ] || [ -z "$inode" ] || break
  sleep 0.1
done
echo renewed
`;
}

function writing({ path, content }: NewFile): string {
  const octal = [...content].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`);
  return `printf '${octal.join('')}' >${shellQuote(path)}`;
}

/**
 * @param files besides the keys: those that replace what the state has
 * @throws VsbError E_SSH
 */
export async function renewManaged(
  target: SshTarget,
  keys: NewKeys,
  files: Promise<readonly NewFile[]>,
  signal: AbortSignal,
): Promise<void> {
  const seed = randomBytes(seedBytes);
  // To connect takes an emulated layer seconds: the files may be made meanwhile, and the time is that when the script is run.
  const stdin = async (): Promise<string> => {
    const made = await files;
    return renewalScript(keys, made, seed, Math.round(Date.now() / 1000));
  };
  const { code, stdout, stderr } = await runRemote(target, '. /proc/self/fd/0', { stdin, signal });
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

/** The steps at the shell, which does by itself what it can; a new login prompt stands at the end. */
export function renewalSteps(
  { passwordHash, seed, seconds }: VmRenewal,
  limitMs: number,
): ScriptStep[] {
  const expect = expecting(limitMs);
  const shadow = `s=; while IFS=: read -r u h r; do [ $u != root ] || h='${passwordHash}'; s="$s$u:$h:$r\\n"; done </etc/shadow`;
  const command = [
    `date -s @${seconds} >/dev/null`,
    `${reseed} <<'.'`,
    shadow,
    `printf %b "$s" >/etc/shadow`,
    'echo renewed-$((6 * 7))',
  ].join(' && ');
  const lines = [command, seed.toString('hex'), '.', ''];
  return [send(lines.join('\r')), expect(/renewed-42/), send('exit\r'), expect(/login: /)];
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
