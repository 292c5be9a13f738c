/**
 * Who may use an instance's consoles: its own key, the keys and authorities of the configuration, and what was
 * granted since, which a file of the instance keeps until it is revoked or has ended.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';

import { z } from 'zod';

import { VsbError, messageOf } from '../base/errors.js';
import { fileError, readIfThere, readJson, writePrivateJson } from '../base/files.js';
import type { Config } from '../config/schema.js';
import { isSlotName } from '../config/vm-names.js';
import {
  AccessList,
  type Grant,
  type GrantSelector,
  type Role,
} from '../console/gateway/access.js';
import {
  parseAuthorizedKeys,
  type KeyParser,
  type AuthorizedKey,
} from '../console/gateway/auth.js';
import type { GrantInfo } from '../contract/answers.js';
import type { InstancePaths } from '../state/paths.js';
import type { Running } from './running.js';

/** Grants by command at one time. */
const MAX_GRANTS = 1000;
/** Pause before the file is written again that could not be, milliseconds. */
const RETRY_MS = 10_000;

const storedGrantSchema = z.object({
  id: z.string(),
  key: z.string(),
  vm: z.string(),
  role: z.enum(['write', 'watch']),
  expires: z.number().optional(),
  once: z.boolean(),
});
const storeSchema = z.object({ schemaVersion: z.literal(1), grants: z.array(storedGrantSchema) });

export interface GrantRequest {
  readonly vm: string;
  /** OpenSSH public key line. */
  readonly key: string;
  readonly role: Role;
  /** How long it holds; undefined: until it is revoked. */
  readonly ttlSeconds?: number | undefined;
  readonly once: boolean;
}

/** For the audit log. */
export type AccessEvent = { readonly type: 'granted' | 'revoked' } & GrantInfo;

/** @throws VsbError E_INSTANCE_NOT_RUNNING while there is no gateway */
export function accessOf({ access }: Running): ConsoleAccess {
  if (access !== undefined) return access;
  throw new VsbError('E_INSTANCE_NOT_RUNNING', 'the consoles are not open yet', {
    layer: 'console',
  });
}

export class ConsoleAccess {
  readonly list = new AccessList();
  /** Fingerprints of the authorities whose certificates count. */
  readonly authorities: string[] = [];
  readonly #parseKey: KeyParser;
  readonly #store: string;
  readonly #log: (text: string) => void;
  readonly #audit: (event: AccessEvent) => void;
  /** One write at a time, the latest state last. */
  #written: Promise<void> = Promise.resolve();
  /** Why the file is not what holds now; undefined while it is. */
  #unsaved: VsbError | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** The grants in the file, by id. */
  #inFile: ReadonlySet<string> = new Set();

  /** Reads the configured files and what was granted before. */
  static async load(
    paths: InstancePaths,
    config: Config,
    log: (text: string) => void,
    audit: (event: AccessEvent) => void,
  ): Promise<ConsoleAccess> {
    const { default: ssh2 } = await import('ssh2');
    const access = new ConsoleAccess(ssh2.utils.parseKey, paths.grants, log, audit);
    const { authorizedKeys, watchKeys, certificateAuthorities } = config.console;
    await access.#configure(authorizedKeys, 'write', undefined);
    await access.#configure(watchKeys, 'watch', undefined);
    for (const vm of config.vms) {
      await access.#configure(vm.authorizedKeys, 'write', vm.name);
      await access.#configure(vm.watchKeys, 'watch', vm.name);
    }
    for (const path of certificateAuthorities) {
      for (const key of await access.#keysOf(path)) {
        if (key.key.type === 'ssh-ed25519') access.authorities.push(key.fingerprint);
        else log(`${path}: an authority needs an Ed25519 key, not ${key.key.type}`);
      }
    }
    await access.#restore();
    access.list.on('change', () => access.#save());
    return access;
  }

  private constructor(
    parseKey: KeyParser,
    store: string,
    log: (text: string) => void,
    audit: (event: AccessEvent) => void,
  ) {
    this.#parseKey = parseKey;
    this.#store = store;
    this.#log = log;
    this.#audit = audit;
  }

  /**
   * @throws VsbError E_CONSOLE_KEY for a key that cannot be used, E_USAGE when there are too many grants; E_NO_SPACE, E_FILE
   *   when it cannot be kept. Nothing is granted then
   */
  async grant(request: GrantRequest): Promise<GrantInfo> {
    const { keys, rejected } = parseAuthorizedKeys(request.key.split('\n'), this.#parseKey);
    const [key] = keys;
    if (key === undefined || keys.length > 1 || rejected.length > 0) {
      const why = rejected[0]?.reason ?? `there are ${keys.length} keys`;
      const message = `that is not one public key: ${why}`;
      const hint = 'the file is one like ~/.ssh/id_ed25519.pub';
      throw new VsbError('E_CONSOLE_KEY', message, { layer: 'console', hint });
    }
    if (this.#given().length >= MAX_GRANTS) {
      throw new VsbError('E_USAGE', `there are ${MAX_GRANTS} grants already`, {
        hint: '`vsbypass console grants` lists them, `revoke` takes them back',
      });
    }
    const { vm, role, once, ttlSeconds } = request;
    const expires = ttlSeconds === undefined ? undefined : Date.now() + ttlSeconds * 1000;
    const id = `g-${randomBytes(4).toString('hex')}`;
    const grant: Grant = { id, key, vm, role, once, expires, source: 'command' };
    this.list.add(grant);
    await this.#written;
    if (this.#unsaved !== undefined) {
      const { code, message } = this.#unsaved;
      this.list.revoke({ which: id });
      throw new VsbError(code, `nothing was granted, for it would not last: ${message}`, {
        ...{ layer: 'console', cause: this.#unsaved },
      });
    }
    const given = describeGrant(grant);
    this.#audit({ type: 'granted', ...given });
    return given;
  }

  /**
   * Takes grants back, and ends the sessions that came in by them.
   * @throws VsbError E_NO_SPACE, E_FILE when the file could not be written; they are taken back all the same
   */
  async revoke(selector: GrantSelector): Promise<GrantInfo[]> {
    const revoked = this.list.revoke(selector).map(describeGrant);
    for (const grant of revoked) this.#audit({ type: 'revoked', ...grant });
    if (revoked.length === 0 && this.#unsaved !== undefined) this.#save();
    await this.#written;
    if (this.#unsaved !== undefined) throw this.#unsaved;
    return revoked;
  }

  /** All that hold now. */
  grants(): GrantInfo[] {
    return this.list.list().map(describeGrant);
  }

  async #configure(paths: readonly string[], role: Role, vm: string | undefined): Promise<void> {
    for (const path of paths) {
      for (const key of await this.#keysOf(path)) {
        const id = `config-${this.list.list().length + 1}`;
        const grant = { id, key, vm, role, once: false, expires: undefined } as const;
        this.list.add({ ...grant, source: 'configuration' });
      }
    }
  }

  async #keysOf(path: string): Promise<AuthorizedKey[]> {
    const text = (await readIfThere(path))?.toString() ?? '';
    const { keys, rejected } = parseAuthorizedKeys(text.split('\n'), this.#parseKey);
    for (const { line, reason } of rejected) this.#log(`${path}: line ${line}: ${reason}`);
    return keys;
  }

  async #restore(): Promise<void> {
    const stored = await readJson(this.#store, storeSchema).catch((error: unknown) => {
      // Nobody gets in by it, and the rest works.
      this.#log(messageOf(error));
      return undefined;
    });
    this.#inFile = new Set(stored?.grants.map(({ id }) => id));
    for (const { key: line, expires, ...rest } of stored?.grants ?? []) {
      // Kept by an earlier version. It is another VM's name by now.
      if (isSlotName(rest.vm)) continue;
      const [key] = parseAuthorizedKeys([line], this.#parseKey).keys;
      if (key !== undefined) this.list.add({ ...rest, key, expires, source: 'command' });
    }
  }

  #given(): Grant[] {
    return this.list.list().filter(({ source }) => source === 'command');
  }

  #save(): void {
    this.#written = this.#written.then(async () => await this.#write());
  }

  /** What is for longer than this boot of L1: another VM has a slot's name in the next. */
  #lasting(): Grant[] {
    return this.#given().filter(({ vm }) => vm === undefined || !isSlotName(vm));
  }

  async #write(): Promise<void> {
    clearTimeout(this.#retry);
    const lasting = this.#lasting();
    const ids = new Set(lasting.map(({ id }) => id));
    const grants = lasting.map(({ id, key, vm, role, expires, once }) => ({
      ...{ id, key: publicKeyLine(key), vm, role, once },
      ...(expires === undefined ? {} : { expires }),
    }));
    try {
      // A full disk has room for this.
      if (grants.length === 0) await rm(this.#store, { force: true });
      else await writePrivateJson(this.#store, { schemaVersion: 1, grants });
      this.#inFile = ids;
      this.#unsaved = undefined;
    } catch (error) {
      const { code, message } =
        error instanceof VsbError ? error : fileError(`cannot write ${this.#store}`, error);
      const hint = await this.#closeFile(ids);
      this.#log(`grants are not kept: ${message}; ${hint}`);
      this.#unsaved = new VsbError(code, message, { layer: 'console', hint, cause: error });
      this.#retry = setTimeout(() => this.#save(), RETRY_MS).unref();
    }
  }

  /**
   * The file cannot be replaced: it must let nobody in whose grant was taken back or used up, and rather nobody at all.
   * @param ids of what holds now
   * @returns what has become of it
   */
  async #closeFile(ids: ReadonlySet<string>): Promise<string> {
    const again = `it is tried again every ${RETRY_MS / 1000} s`;
    if ([...this.#inFile].some((id) => !ids.has(id))) {
      try {
        await rm(this.#store, { force: true });
        this.#inFile = new Set();
      } catch {
        return `what was taken back or used up holds again for the next daemon, unless it can be written before: ${again}`;
      }
    }
    return `what was taken back or used up stays so; the next daemon may miss other grants: ${again}`;
  }
}

function publicKeyLine({ key, label }: AuthorizedKey): string {
  return `${key.type} ${key.getPublicSSH().toString('base64')} ${label}`;
}

function describeGrant({ id, key, vm, role, expires, once, source }: Grant): GrantInfo {
  return {
    ...{ id, role, once, source, key: key.label, fingerprint: key.fingerprint },
    ...(vm === undefined ? {} : { vm }),
    ...(expires === undefined ? {} : { expires: new Date(expires).toISOString() }),
  };
}
