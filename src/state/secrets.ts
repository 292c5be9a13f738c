/** Keys and passwords of an instance: made at the first `up`, kept 0600, used again ever after. */
import { z } from 'zod';

import { readIfThere, readJson, writePrivateFile, writePrivateJson } from '../base/files.js';
import { generateDropbearKey } from '../formats/keys/dropbear.js';
import { ensureKey, generateKey, type KeyPair } from '../formats/keys/key-files.js';
import { generatePassword } from '../host/passwords.js';
import type { InstancePaths } from './paths.js';

export interface Secrets {
  /** Host key of the console gateway. */
  readonly consoleHost: KeyPair;
  /** The instance's own key for its consoles. */
  readonly client: KeyPair;
  /** root of L1's dom0 and of L2. */
  readonly management: KeyPair;
  /** dropbear's private host keys. */
  readonly l1Host: Buffer;
  readonly l2Host: Buffer;
  readonly passwords: Passwords;
}

/** root's password in each user VM, by name: no object, in which a VM named `constructor` would have one from the start. */
export type Passwords = ReadonlyMap<string, string>;

const passwordsSchema = z.record(z.string(), z.string());

/** Reads what there is and makes what is missing. */
export async function ensureSecrets(
  paths: InstancePaths,
  vmNames: readonly string[],
): Promise<Secrets> {
  return {
    consoleHost: await ensureKey(paths.consoleHostKey, `vsbypass-${paths.name}-console`),
    client: await ensureKey(paths.clientKey, `vsbypass-${paths.name}-client`),
    management: await ensureKey(paths.managementKey, `vsbypass-${paths.name}-management`),
    l1Host: await ensureDropbearKey(paths.l1HostKey),
    l2Host: await ensureDropbearKey(paths.l2HostKey),
    passwords: await ensurePasswords(paths, vmNames),
  };
}

/** The same with everything new that lies in the memory of a layer; nothing is written yet. */
export function renewSecrets(paths: InstancePaths, old: Secrets): Secrets {
  return {
    ...old,
    management: generateKey(`vsbypass-${paths.name}-management`),
    l1Host: generateDropbearKey(),
    l2Host: generateDropbearKey(),
    passwords: new Map([...old.passwords.keys()].map((name) => [name, generatePassword()])),
  };
}

/** From now on these are the ones of the instance. */
export async function writeSecrets(paths: InstancePaths, secrets: Secrets): Promise<void> {
  await writePrivateFile(paths.managementKey, secrets.management.privatePem);
  await writePrivateFile(paths.l1HostKey, secrets.l1Host);
  await writePrivateFile(paths.l2HostKey, secrets.l2Host);
  await writePrivateJson(paths.passwords, Object.fromEntries(secrets.passwords));
}

/** The passwords made so far; empty before the first `up`. */
export async function readPasswords(paths: InstancePaths): Promise<Passwords> {
  return new Map(Object.entries((await readJson(paths.passwords, passwordsSchema)) ?? {}));
}

async function ensureDropbearKey(path: string): Promise<Buffer> {
  const found = await readIfThere(path);
  if (found !== undefined) return found;
  const key = generateDropbearKey();
  await writePrivateFile(path, key);
  return key;
}

async function ensurePasswords(
  paths: InstancePaths,
  vmNames: readonly string[],
): Promise<Passwords> {
  const known = await readPasswords(paths);
  const missing = vmNames.filter((name) => !known.has(name));
  if (missing.length === 0) return known;
  const made = missing.map((name) => [name, generatePassword()] as const);
  const all = new Map([...known, ...made]);
  await writePrivateJson(paths.passwords, Object.fromEntries(all));
  return all;
}
