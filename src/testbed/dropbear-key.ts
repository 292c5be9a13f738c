/**
 * Ed25519 host keys in the format of dropbear, the SSH server of L1's dom0 and of L2 (its
 * gened25519): the string `ssh-ed25519`, then one string of seed and public key, 32 bytes each.
 * Keys in OpenSSH's format are made by src/console/keys.ts.
 */
import { generateKeyPairSync } from 'node:crypto';

const keyType = 'ssh-ed25519';
const keyBytes = 32;

/** RFC 4251's `string`: a length of 4 bytes, big endian, and the bytes. */
function sshString(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Makes a new private key, as the content of dropbear's key file. */
export function generateDropbearKey(): Buffer {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  if (d === undefined || x === undefined) throw new TypeError('an Ed25519 key has d and x');
  const seed = Buffer.from(d, 'base64url');
  const publicKey = Buffer.from(x, 'base64url');
  return Buffer.concat([sshString(keyType), sshString(Buffer.concat([seed, publicKey]))]);
}

/**
 * The public half of such a file, as in a known_hosts line: `ssh-ed25519 AAAA...`.
 *
 * @throws RangeError when the content is not a key of that format
 */
export function publicLineOf(privateKey: Buffer): string {
  const prefix = sshString(keyType);
  if (
    privateKey.length !== prefix.length + 4 + 2 * keyBytes ||
    !privateKey.subarray(0, prefix.length).equals(prefix)
  ) {
    throw new RangeError('not an Ed25519 key of dropbear');
  }
  const publicKey = privateKey.subarray(privateKey.length - keyBytes);
  return `${keyType} ${Buffer.concat([prefix, sshString(publicKey)]).toString('base64')}`;
}
