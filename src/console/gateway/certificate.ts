/**
 * OpenSSH user certificates (PROTOCOL.certkeys), Ed25519 keys signed by an Ed25519 authority only: one
 * signature algorithm, no parameters to get wrong. ssh2 passes such a key on without looking into it, so all
 * of it is checked here.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';

import { fingerprintOf } from '../../formats/keys/key-files.js';
import { WireError, WireReader } from '../../formats/ssh-wire.js';
import type { Role } from './access.js';

export const CERTIFICATE_TYPE = 'ssh-ed25519-cert-v01@openssh.com';
const KEY_TYPE = 'ssh-ed25519';
const USER_CERTIFICATE = 1;
/** A principal that may look on only: `watch:vm1`. */
const WATCH_PREFIX = 'watch:';

export interface Certificate {
  /** The certified key, raw Ed25519. */
  readonly publicKey: Buffer;
  readonly serial: bigint;
  readonly keyId: string;
  /** `vm1` may type at vm1, `watch:vm1` look on. */
  readonly principals: readonly string[];
  /** Seconds since 1970: valid from, and until just before. */
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly criticalOptions: readonly string[];
  /** Fingerprint of the authority that signed it. */
  readonly authority: string;
}

/**
 * Reads a certificate and checks its signature; whether its authority is trusted and what it allows is
 * for others to say.
 *
 * @returns undefined when it is malformed, of another kind, or not signed by the key that it names
 */
export function parseCertificate(blob: Buffer): Certificate | undefined {
  try {
    const reader = new WireReader(blob);
    if (reader.text() !== CERTIFICATE_TYPE) return undefined;
    reader.string(); // nonce
    const publicKey = reader.string();
    const serial = reader.uint64();
    const kind = reader.uint32();
    const keyId = reader.text();
    const principals = reader.strings().map((name) => name.toString('utf8'));
    const validAfter = reader.uint64();
    const validBefore = reader.uint64();
    const criticalOptions = reader.strings().filter((_, index) => index % 2 === 0);
    reader.string(); // extensions: what they permit is not on offer here
    reader.string(); // reserved
    const authorityBlob = reader.string();
    const signed = blob.subarray(0, reader.position);
    const signature = ed25519Signature(reader.string());
    if (!reader.atEnd || kind !== USER_CERTIFICATE || signature === undefined) return undefined;
    const authority = new WireReader(authorityBlob);
    if (authority.text() !== KEY_TYPE) return undefined;
    if (!verify(null, signed, ed25519Key(authority.string()), signature)) return undefined;
    return {
      ...{ publicKey, serial, keyId, principals, validAfter, validBefore },
      criticalOptions: criticalOptions.map((name) => name.toString('utf8')),
      authority: fingerprintOf(authorityBlob),
    };
  } catch (error) {
    if (error instanceof WireError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * What a certificate of a trusted authority allows at a VM now. One without principals is good for
 * nothing here (to OpenSSH's own server it would be good for everybody), and one with any critical
 * option is refused, as PROTOCOL.certkeys demands for options that are not enforced.
 *
 * @param nowMs milliseconds since 1970
 */
export function roleOf(certificate: Certificate, vm: string, nowMs: number): Role | undefined {
  const now = BigInt(Math.floor(nowMs / 1000));
  if (now < certificate.validAfter || now >= certificate.validBefore) return undefined;
  if (certificate.criticalOptions.length > 0) return undefined;
  if (certificate.principals.includes(vm)) return 'write';
  return certificate.principals.includes(WATCH_PREFIX + vm) ? 'watch' : undefined;
}

/** Whether the certified key made this signature (an SSH signature blob) of a login request. */
export function signedBy(certificate: Certificate, data: Buffer, signatureBlob: Buffer): boolean {
  const signature = ed25519Signature(signatureBlob);
  if (signature === undefined || certificate.publicKey.length !== 32) return false;
  return verify(null, data, ed25519Key(certificate.publicKey), signature);
}

/** The 64 bytes of an SSH signature blob (RFC 8709, 6), undefined if it is of another kind. */
function ed25519Signature(blob: Buffer): Buffer | undefined {
  try {
    const reader = new WireReader(blob);
    if (reader.text() !== KEY_TYPE) return undefined;
    const signature = reader.string();
    return reader.atEnd && signature.length === 64 ? signature : undefined;
  } catch {
    return undefined;
  }
}

function ed25519Key(raw: Buffer): KeyObject {
  if (raw.length !== 32) throw new WireError('not an Ed25519 key');
  return createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') },
    format: 'jwk',
  });
}
