/** Public host keys, as `/etc/ssh/ssh_host_*_key.pub`, ssh-keyscan(1) and known_hosts (sshd(8)) have them. */
import { WireReader } from '../ssh-wire.js';

/** Types of keys that ssh2 can check, each with the algorithms that sign with it (RFC 8709, RFC 5656, RFC 8332, RFC 4253). */
const algorithms = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'],
} as const;
type HostKeyType = keyof typeof algorithms;
export type HostKeyAlgorithm = (typeof algorithms)[HostKeyType][number];

export const hostKeyTypes = Object.keys(algorithms) as HostKeyType[];

/** `TYPE BASE64` of a line that may have host names before it and a comment behind it; undefined where it is no such key. */
export function hostKeyIn(line: string): string | undefined {
  const words = line.trim().split(/\s+/);
  const [type, base64 = ''] = words.slice(isType(words[0]) ? 0 : 1);
  return isType(type) && isBlobOf(type, base64) ? `${type} ${base64}` : undefined;
}

/** What a server may sign with that has the key: with several keys it would show another one. @param line as {@link hostKeyIn} has it */
export function hostKeyAlgorithms(line: string): HostKeyAlgorithm[] {
  const [type] = line.split(' ');
  return isType(type) ? [...algorithms[type]] : [];
}

function isType(word: string | undefined): word is HostKeyType {
  return word !== undefined && Object.hasOwn(algorithms, word);
}

/** Whether it is whole, and of that type: its type, then its numbers, each as a string (RFC 4253, 6.6). */
function isBlobOf(type: HostKeyType, base64: string): boolean {
  const blob = new WireReader(Buffer.from(base64, 'base64'));
  try {
    if (blob.text() !== type) return false;
    do blob.string();
    while (!blob.atEnd);
    return true;
  } catch {
    return false;
  }
}
