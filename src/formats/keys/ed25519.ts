/**
 * Ed25519 keys (RFC 8032) and the parts of their SSH encoding that all formats share. Made by Node's
 * own crypto: ssh2 1.17 loses a leading zero byte, so one key in 300 of its making cannot be read again.
 */
import { generateKeyPairSync } from 'node:crypto';

export const ed25519Type = 'ssh-ed25519';
/** Bytes of a seed, and of a public key. */
export const ed25519Bytes = 32;

export interface Ed25519Key {
  readonly seed: Buffer;
  readonly publicKey: Buffer;
}

export function generateEd25519(): Ed25519Key {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  if (d === undefined || x === undefined) throw new TypeError('an Ed25519 key has d and x');
  return { seed: Buffer.from(d, 'base64url'), publicKey: Buffer.from(x, 'base64url') };
}

/** RFC 4251's `string`: a length of 4 bytes, big endian, and the bytes. */
export function sshString(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The public key as SSH sends it (RFC 8709). */
export function publicBlob(publicKey: Buffer): Buffer {
  return Buffer.concat([sshString(ed25519Type), sshString(publicKey)]);
}

/** The public key as in authorized_keys and known_hosts, without comment: `ssh-ed25519 AAAA...`. */
export function publicLine(publicKey: Buffer): string {
  return `${ed25519Type} ${publicBlob(publicKey).toString('base64')}`;
}
