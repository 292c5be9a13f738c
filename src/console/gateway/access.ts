/**
 * Who may do what at which console: grants, each for one key, one VM or all, and one role. The instance's
 * own key and the configured ones are grants too; others are given and taken back while it runs.
 */
import { EventEmitter } from 'node:events';

import type { AuthorizedKey } from './auth.js';

/** `watch` sees a console, `write` may also type at it. */
export type Role = 'write' | 'watch';

export interface Grant {
  readonly id: string;
  readonly key: AuthorizedKey;
  /** Undefined: all VMs. */
  readonly vm: string | undefined;
  readonly role: Role;
  /** When it ends, milliseconds since 1970; sessions that have begun by then go on. */
  readonly expires: number | undefined;
  /** Whether it is used up by the first session. */
  readonly once: boolean;
  /** `command`: given by `console grant`, and the only kind that can be revoked. */
  readonly source: 'instance' | 'configuration' | 'command';
}

/** Which grants are meant. */
export interface GrantSelector {
  /** Undefined: on any. */
  readonly vm?: string | undefined;
  /** A grant's id or a key's fingerprint; undefined: any. */
  readonly which?: string | undefined;
}

export interface AccessEvents {
  /** The given grants have changed. */
  change: [];
  /** Taken back: sessions that it let in must end. */
  revoked: [grant: Grant];
}

export class AccessList extends EventEmitter<AccessEvents> {
  readonly #grants = new Map<string, Grant>();
  /** Used up, but the session that used it may still be there. */
  readonly #used = new Map<string, Grant>();
  readonly #now: () => number;

  /** @param now the time, milliseconds since 1970 */
  constructor(now: () => number = () => Date.now()) {
    super();
    this.#now = now;
  }

  /** All that hold now, in the order in which they were given. */
  list(): Grant[] {
    return [...this.#grants.values()].filter((grant) => this.#holds(grant));
  }

  add(grant: Grant): void {
    this.#grants.set(grant.id, grant);
    this.emit('change');
  }

  /**
   * The best grant of a key for a VM: one that allows typing before one that does not, a lasting one
   * before one that is used up.
   */
  find(fingerprint: string, vm: string): Grant | undefined {
    const worth = (grant: Grant): number => (grant.role === 'write' ? 2 : 0) + (grant.once ? 0 : 1);
    return this.list()
      .filter((grant) => grant.key.fingerprint === fingerprint && concerns(grant, vm))
      .sort((a, b) => worth(b) - worth(a))[0];
  }

  /** A session begins by this grant. */
  use(grant: Grant): void {
    if (!grant.once || !this.#grants.delete(grant.id)) return;
    this.#used.set(grant.id, grant);
    this.emit('change');
  }

  /** The session that a grant let in is over. */
  release(grant: Grant): void {
    this.#used.delete(grant.id);
  }

  /** Takes back what was given by command; used-up grants too, to end their sessions. */
  revoke({ vm, which }: GrantSelector): Grant[] {
    const meant = [...this.#grants.values(), ...this.#used.values()].filter(
      (grant) =>
        grant.source === 'command' &&
        (vm === undefined || grant.vm === vm) &&
        (which === undefined || grant.id === which || grant.key.fingerprint === which),
    );
    for (const grant of meant) {
      this.#grants.delete(grant.id);
      this.#used.delete(grant.id);
    }
    if (meant.length > 0) this.emit('change');
    for (const grant of meant) this.emit('revoked', grant);
    return meant;
  }

  #holds(grant: Grant): boolean {
    if (grant.expires === undefined || grant.expires > this.#now()) return true;
    this.#grants.delete(grant.id);
    return false;
  }
}

function concerns(grant: Grant, vm: string): boolean {
  return grant.vm === undefined || grant.vm === vm;
}
