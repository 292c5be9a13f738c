/**
 * Ed25519 host keys in the format of dropbear, the SSH server of L1's dom0 and of L2 (its
 * gened25519): the string `ssh-ed25519`, then one string of seed and public key, 32 bytes each.
 * Keys in OpenSSH's format: src/formats/keys/openssh.ts.
 */
import { ed25519Bytes, ed25519Type, generateEd25519, publicLine, sshString } from './ed25519.js';

/** Makes a new private key, as the content of dropbear's key file. */
export function generateDropbearKey(): Buffer {
  const { seed, publicKey } = generateEd25519();
  return Buffer.concat([sshString(ed25519Type), sshString(Buffer.concat([seed, publicKey]))]);
}

/**
 * The public half of such a file, as in a known_hosts line: `ssh-ed25519 AAAA...`.
 *
 * @throws RangeError when the content is not a key of that format
 */
export function publicLineOf(privateKey: Buffer): string {
  const prefix = sshString(ed25519Type);
  if (
    privateKey.length !== prefix.length + 4 + 2 * ed25519Bytes ||
    !privateKey.subarray(0, prefix.length).equals(prefix)
  ) {
    throw new RangeError('not an Ed25519 key of dropbear');
  }
  return publicLine(privateKey.subarray(privateKey.length - ed25519Bytes));
}
