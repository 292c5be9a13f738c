/** Private key files in OpenSSH's own format (OpenSSH's PROTOCOL.key). */
import { ed25519Type, publicBlob, sshString, type Ed25519Key } from './ed25519.js';

/** Cipher "none" pads to a multiple of this. */
const blockBytes = 8;
const lineLength = 70;

/** The content of an unencrypted private key file. */
export function openSshPrivateKey({ seed, publicKey }: Ed25519Key, comment: string): string {
  const plain = Buffer.concat([
    // Two equal check numbers: they tell a wrong passphrase from a right one, and there is none.
    Buffer.alloc(8),
    sshString(ed25519Type),
    sshString(publicKey),
    sshString(Buffer.concat([seed, publicKey])),
    sshString(comment),
  ]);
  const missing = (blockBytes - (plain.length % blockBytes)) % blockBytes;
  const padding = Buffer.from(Array.from({ length: missing }, (_, index) => index + 1));
  const oneKey = Buffer.from([0, 0, 0, 1]);
  const body = Buffer.concat([
    Buffer.from('openssh-key-v1\0', 'ascii'),
    sshString('none'), // cipher
    sshString('none'), // key derivation
    sshString(''), // its options
    oneKey,
    sshString(publicBlob(publicKey)),
    sshString(Buffer.concat([plain, padding])),
  ]).toString('base64');
  return [
    '-----BEGIN OPENSSH PRIVATE KEY-----',
    ...(body.match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? []),
    '-----END OPENSSH PRIVATE KEY-----',
    '',
  ].join('\n');
}
