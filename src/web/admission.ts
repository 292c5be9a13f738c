/**
 * Who may use the page's server. A link carries a token that works once. It is exchanged for two secrets:
 * a cookie, which scripts cannot read, and a key, which other servers on this host cannot get (a cookie
 * goes to every port of a host name). The console takes both together. The key itself is not sent again:
 * page and server show each other that they have it, so that neither is taken in by somebody who came
 * by the port.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** How long an unused link works, milliseconds. */
export const LINK_MS = 10 * 60_000;
/** Browsers admitted at one time; beyond it the oldest one is forgotten. */
const MAX_ADMITTED = 32;
/** Used and expired tokens that are remembered, to say so instead of "unknown". */
const MAX_SPENT = 256;

export interface Admitted {
  readonly cookie: string;
  readonly key: string;
}

export type Redeemed =
  | { readonly kind: 'admitted'; readonly secrets: Admitted }
  | { readonly kind: 'used' | 'expired' | 'unknown' };

export class Admission {
  readonly #now: () => number;
  /** Digest of a token that has not been used yet, and the time until which it may be. */
  readonly #links = new Map<string, number>();
  readonly #spent = new Map<string, 'used' | 'expired'>();
  /** Digest of the cookie, and the key that goes with it. Oldest first. */
  readonly #admitted = new Map<string, string>();

  /** @param now milliseconds that only grow */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A token for a new link; 256 bits. */
  newToken(): string {
    const token = secret();
    this.#links.set(digest(token).toString('hex'), this.#now() + LINK_MS);
    return token;
  }

  /** Exchanges a token; it works once. */
  redeem(token: string): Redeemed {
    this.#expire();
    // Looked up by its digest: the time that a look-up takes tells nothing of a token.
    const key = digest(token).toString('hex');
    if (!this.#links.delete(key)) return { kind: this.#spent.get(key) ?? 'unknown' };
    this.#spend(key, 'used');
    const secrets = { cookie: secret(), key: secret() };
    this.#admitted.set(digest(secrets.cookie).toString('hex'), secrets.key);
    forgetOldest(this.#admitted, MAX_ADMITTED);
    return { kind: 'admitted', secrets };
  }

  /** Whether a cookie is one of ours. */
  knows(cookie: string | undefined): boolean {
    return cookie !== undefined && this.#admitted.has(digest(cookie).toString('hex'));
  }

  /** What shows, for that text, that one has the key that belongs to that cookie; undefined for no such cookie. */
  prove(cookie: string | undefined, text: string): string | undefined {
    if (cookie === undefined) return undefined;
    const key = this.#admitted.get(digest(cookie).toString('hex'));
    return key && createHmac('sha256', key).update(text).digest('base64url');
  }

  #expire(): void {
    const now = this.#now();
    for (const [key, until] of this.#links) {
      if (until > now) continue;
      this.#links.delete(key);
      this.#spend(key, 'expired');
    }
  }

  #spend(key: string, how: 'used' | 'expired'): void {
    this.#spent.set(key, how);
    forgetOldest(this.#spent, MAX_SPENT);
  }
}

/** Compares two proofs in a time that says nothing of them. */
export function sameProof(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

/** A value that is not used again, and not foreseen. */
export function secret(): string {
  return randomBytes(32).toString('base64url');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function forgetOldest(map: Map<string, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}
