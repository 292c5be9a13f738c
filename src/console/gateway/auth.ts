/**
 * Who may use the gateway: public keys only, and only with signatures that are sound today.
 */
import { createPublicKey } from 'node:crypto';

import type { AuthContext, ParsedKey } from 'ssh2';

import { fingerprintOf } from '../../formats/keys/key-files.js';
import type { AccessList } from './access.js';
import { CERTIFICATE_TYPE, parseCertificate, roleOf, signedBy } from './certificate.js';
import type { Certificate } from './certificate.js';

/** Smallest RSA modulus accepted, bits (NIST SP 800-131A). */
const MIN_RSA_BITS = 2048;

export interface AuthorizedKey {
  readonly key: ParsedKey;
  readonly fingerprint: string;
  /** The line's comment as printable ASCII, else the fingerprint. */
  readonly label: string;
}

/** One line's worth of an authorized_keys file that cannot be used, and why. */
export interface RejectedKey {
  /** Counted from 1. */
  readonly line: number;
  readonly reason: string;
}

export type KeyParser = (data: string) => ParsedKey | Error;

/**
 * Reads OpenSSH public key lines. Lines with options are refused as a whole: an option that is not
 * enforced here must not be taken for one that is.
 */
export function parseAuthorizedKeys(
  lines: readonly string[],
  parseKey: KeyParser,
): { keys: AuthorizedKey[]; rejected: RejectedKey[] } {
  const keys: AuthorizedKey[] = [];
  const rejected: RejectedKey[] = [];
  for (const [index, text] of lines.entries()) {
    const line = text.trim();
    if (line === '' || line.startsWith('#')) continue;
    const key = parseKey(line);
    if (key instanceof Error) {
      rejected.push({ line: index + 1, reason: 'not a plain OpenSSH public key' });
    } else if (key.isPrivateKey()) {
      rejected.push({ line: index + 1, reason: 'a private key' });
    } else if (!isStrong(key)) {
      rejected.push({
        line: index + 1,
        reason: `${key.type} key of a kind or size that is not accepted`,
      });
    } else {
      const fingerprint = fingerprintOf(key.getPublicSSH());
      keys.push({ key, fingerprint, label: printableAscii(key.comment ?? '') || fingerprint });
    }
  }
  return { keys, rejected };
}

function isStrong(key: ParsedKey): boolean {
  if (key.type === 'ssh-ed25519' || key.type.startsWith('ecdsa-sha2-')) return true;
  if (key.type !== 'ssh-rsa') return false;
  const { modulusLength } = createPublicKey(key.getPublicPEM()).asymmetricKeyDetails ?? {};
  return (modulusLength ?? 0) >= MIN_RSA_BITS;
}

/** Who has logged in: by a key that has a grant, or by a certificate of a trusted authority. */
export interface Identity {
  /** Of the key. */
  readonly fingerprint: string;
  /** For lists and logs. */
  readonly label: string;
  readonly certificate?: Certificate;
}

/** What to do with one authentication request. */
export type AuthDecision =
  /** A key that would do, without a signature yet. */
  | { readonly kind: 'acceptable' }
  | { readonly kind: 'accepted'; readonly identity: Identity }
  | { readonly kind: 'refused' };

export interface AuthPolicy {
  readonly access: AccessList;
  /** Fingerprints of the authorities whose certificates count. */
  readonly authorities: ReadonlySet<string>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The name under which the rights to the console are kept that a user name means. */
  readonly nameOf: (username: string) => string;
}

const refused: AuthDecision = { kind: 'refused' };

/**
 * Whether it only asks which methods there are, or whether a key would do (RFC 4252, 5.2 and 7). An agent
 * asks for each of its keys, so many questions are no sign of guessing.
 */
export function isQuestion(context: AuthContext): boolean {
  if (context.method === 'publickey') return context.signature === undefined;
  return context.method === 'none';
}

export function decide(context: AuthContext, policy: AuthPolicy): AuthDecision {
  if (context.method !== 'publickey') return refused;
  const { key: offered, signature, blob, hashAlgo } = context;
  const vm = policy.nameOf(context.username);
  if (offered.algo === CERTIFICATE_TYPE) {
    return decideCertificate(offered.data, signature, blob, vm, policy);
  }
  // An RSA key without a named hash means SHA-1.
  if (offered.algo === 'ssh-rsa' && hashAlgo === undefined) return refused;
  const grant = policy.access.find(fingerprintOf(offered.data), vm);
  if (grant === undefined || grant.key.key.type !== offered.algo) return refused;
  if (signature === undefined || blob === undefined) return { kind: 'acceptable' };
  const genuine: unknown = grant.key.key.verify(blob, signature, hashAlgo);
  if (genuine !== true) return refused;
  const { fingerprint, label } = grant.key;
  return { kind: 'accepted', identity: { fingerprint, label } };
}

function decideCertificate(
  data: Buffer,
  signature: Buffer | undefined,
  blob: Buffer | undefined,
  vm: string,
  { authorities, now }: AuthPolicy,
): AuthDecision {
  const certificate = parseCertificate(data);
  if (certificate === undefined || !authorities.has(certificate.authority)) return refused;
  if (roleOf(certificate, vm, now()) === undefined) return refused;
  if (signature === undefined || blob === undefined) return { kind: 'acceptable' };
  if (!signedBy(certificate, blob, signature)) return refused;
  const label = `${printableAscii(certificate.keyId)} (certificate ${certificate.serial})`;
  const fingerprint = fingerprintOf(data);
  return { kind: 'accepted', identity: { fingerprint, label, certificate } };
}

/** A name from outside, fit for a terminal and a log. */
export function printableAscii(text: string): string {
  return text.slice(0, 64).replace(/[^\x20-\x7e]/g, '?');
}
