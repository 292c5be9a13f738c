/**
 * SSH keys of an instance: the gateway's host key, and a client key for those who bring none of their
 * own. Private keys are files of mode 0600 that appear whole or not at all.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { errnoOf, VsbError } from '../../base/errors.js';
import { createPrivateFile } from '../../base/files.js';
import { generateEd25519, publicLine } from './ed25519.js';
import { openSshPrivateKey } from './openssh.js';

export interface KeyPair {
  /** OpenSSH private key. */
  readonly privatePem: string;
  /** `ssh-ed25519 AAAA...`, without a comment. */
  readonly publicLine: string;
}

/** `SHA256:...` of a public key blob, as `ssh-keygen -l` prints it. */
export function fingerprintOf(publicBlob: Buffer): string {
  const digest = createHash('sha256').update(publicBlob).digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}

/**
 * The fingerprint of an OpenSSH public key line.
 * @throws VsbError E_CONSOLE_KEY when it is not one
 */
export function fingerprintOfLine(publicLine: string): string {
  return fingerprintOf(publicBlobOf(publicLine));
}

/** The key blob of `type base64 [comment]`. */
function publicBlobOf(publicLine: string): Buffer {
  const [type, base64] = publicLine.trim().split(/\s+/);
  const blob = Buffer.from(base64 ?? '', 'base64');
  // RFC 4253, 6.6: the blob begins with the type as an SSH string.
  const length = blob.length < 4 ? -1 : blob.readUInt32BE(0);
  if (type === undefined || blob.toString('latin1', 4, 4 + length) !== type) {
    throw new VsbError('E_CONSOLE_KEY', 'not an OpenSSH public key', { layer: 'console' });
  }
  return blob;
}

/** A line for known_hosts that pins the gateway's key under the instance's own name, not under an address. */
export function knownHostsLine(instance: string, publicLine: string): string {
  return `${hostKeyAlias(instance)} ${publicLine}\n`;
}

/** The name that OpenSSH looks the gateway's key up by. */
export function hostKeyAlias(instance: string): string {
  return `vsbypass-${instance}`;
}

/** Makes a new Ed25519 key. */
export function generateKey(comment: string): KeyPair {
  const key = generateEd25519();
  return { privatePem: openSshPrivateKey(key, comment), publicLine: publicLine(key.publicKey) };
}

/**
 * Reads a private key file.
 * @throws VsbError E_CONSOLE_KEY when it is missing, unreadable, encrypted or no private key
 */
export async function readKey(path: string): Promise<KeyPair> {
  let privatePem: string;
  try {
    privatePem = await readFile(path, 'utf8');
  } catch (cause) {
    const message = `cannot read the private key ${path}: ${errnoOf(cause) ?? 'unknown error'}`;
    throw new VsbError('E_CONSOLE_KEY', message, { layer: 'console', cause });
  }
  const { default: ssh2 } = await import('ssh2');
  const key = ssh2.utils.parseKey(privatePem);
  if (key instanceof Error || !key.isPrivateKey()) {
    const message = `${path} is not a usable private key`;
    const hint = 'an encrypted key works through an SSH agent only';
    throw new VsbError('E_CONSOLE_KEY', message, { layer: 'console', hint });
  }
  const blob = key.getPublicSSH();
  return { privatePem, publicLine: `${key.type} ${blob.toString('base64')}` };
}

/** The key in that file; made now, and the file with it, if there is none yet. */
export async function ensureKey(path: string, comment: string): Promise<KeyPair> {
  try {
    return await readKey(path);
  } catch (error) {
    const missing = error instanceof VsbError && errnoOf(error.cause) === 'ENOENT';
    if (!missing) throw error;
  }
  const pair = generateKey(comment);
  const created = await createPrivateFile(path, pair.privatePem);
  // If another process was faster, its key is the one that counts.
  return created ? pair : readKey(path);
}
