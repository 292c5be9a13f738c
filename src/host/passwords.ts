/** Passwords of the default user VMs' root, and their hashes for /etc/shadow. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';

import { VsbError, messageOf } from '../base/errors.js';

/** Letters and digits that are not mistaken for each other on a console: no 0 O o, 1 l I, 5 S, 2 Z. */
const alphabet = '346789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRTUVWXY';
/** 16 characters of 52: 91 bits. */
const passwordLength = 16;

/** The salt of crypt(3), of its characters. */
const saltAlphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const saltLength = 16;
/**
 * The fewest that sha512crypt has (its specification, "rounds"): they make guessing dear, and nobody guesses 91 random bits. A
 * login under nested TCG waits for each of them.
 */
const rounds = 1000;

export function generatePassword(): string {
  return randomText(alphabet, passwordLength);
}

function randomText(characters: string, length: number): string {
  return Array.from({ length }, () => characters[randomInt(characters.length)]).join('');
}

/**
 * The sha512crypt hash of a generated password. openssl reads it from its standard input: arguments are seen by
 * every user of this host.
 *
 * @throws VsbError E_PACKAGE_MISSING
 */
export async function hashPassword(
  password: string,
  options: { readonly signal?: AbortSignal; readonly program?: string } = {},
): Promise<string> {
  const salt = `rounds=${rounds}$${randomText(saltAlphabet, saltLength)}`;
  const child = spawn(options.program ?? 'openssl', ['passwd', '-6', '-salt', salt, '-stdin'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.on('error', () => undefined); // told by the exit code
  child.stdin.end(`${password}\n`);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    const hash = output.trim();
    if (code === 0 && /^\$6\$rounds=\d+\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{86}$/.test(hash))
      return hash;
    throw new Error(`exit code ${code}`);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new VsbError('E_PACKAGE_MISSING', `openssl cannot hash a password: ${messageOf(error)}`, {
      hint: 'apt-get install openssl',
      cause: error,
    });
  }
}
