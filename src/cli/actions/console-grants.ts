/** Carries `vsbypass console grant`, `revoke` and `grants` out: the daemon keeps the grants. */
import { readFile } from 'node:fs/promises';

import { errnoOf, VsbError } from '../../base/errors.js';
import { isSlotName } from '../../config/vm-names.js';
import type { GrantInfo } from '../../contract/answers.js';
import { fingerprintOfLine } from '../../formats/keys/key-files.js';
import { servedInstance } from '../../instance/access.js';
import { callDaemon } from '../../instance/client.js';
import type { CliContext } from '../context.js';
import { printJson, printLines, table } from '../output.js';

interface JsonOption {
  readonly json: boolean;
}

export async function grantConsole(
  context: CliContext,
  vm: string,
  options: JsonOption & {
    readonly key: string;
    readonly watch: boolean;
    readonly once: boolean;
    readonly ttl?: number | undefined;
  },
): Promise<void> {
  const { controlSocket } = await servedInstance(context.global.name, context.signal);
  const key = await readPublicKey(options.key);
  const role = options.watch ? 'watch' : 'write';
  const request = { vm, key, role, once: options.once, ttlSeconds: options.ttl } as const;
  const { signal } = context;
  const grant = await callDaemon(controlSocket, 'console.grant', request, { signal });
  if (options.json) printJson(context, { schemaVersion: 1, grant });
  else printGrants(context, [grant]);
  if (context.global.quiet || grant.vm === undefined || !isSlotName(grant.vm)) return;
  const why = `in the next boot ${grant.vm} is another VM`;
  context.stderr.write(`vsbypass: this grant ends with the daemon: ${why}\n`);
}

export async function revokeConsole(
  context: CliContext,
  vm: string,
  which: string | undefined,
  options: JsonOption & { readonly key?: string | undefined },
): Promise<void> {
  const { controlSocket } = await servedInstance(context.global.name, context.signal);
  const meant =
    options.key === undefined ? which : fingerprintOfLine(await readPublicKey(options.key));
  const { signal } = context;
  const revoked = await callDaemon(
    controlSocket,
    'console.revoke',
    { vm, which: meant },
    { signal },
  );
  if (options.json) printJson(context, { schemaVersion: 1, revoked });
  else if (revoked.length > 0) printGrants(context, revoked);
  else {
    throw new VsbError('E_USAGE', `nothing of that was granted at '${vm}'`, {
      hint: '`vsbypass console grants` lists what was',
    });
  }
}

export async function listGrants(context: CliContext, { json }: JsonOption): Promise<void> {
  const { controlSocket } = await servedInstance(context.global.name, context.signal);
  const { signal } = context;
  const grants = await callDaemon(controlSocket, 'console.grants', {}, { signal });
  if (json) printJson(context, { schemaVersion: 1, grants });
  else printGrants(context, grants);
}

/** @throws VsbError E_FILE; E_CONSOLE_KEY for a private key, which is nobody else's business */
async function readPublicKey(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const message = `cannot read ${path}: ${errnoOf(cause) ?? 'unknown error'}`;
    throw new VsbError('E_FILE', message, { cause });
  }
  if (!text.includes('PRIVATE KEY')) return text;
  throw new VsbError('E_CONSOLE_KEY', `${path} is a private key`, {
    hint: 'the public one is beside it, with .pub at its end',
  });
}

function printGrants(context: CliContext, grants: readonly GrantInfo[]): void {
  const rows = grants.map((grant) => [
    grant.id,
    grant.vm ?? '(all)',
    grant.role,
    grant.once ? 'once' : 'lasting',
    grant.expires ?? '-',
    grant.key,
    grant.fingerprint,
  ]);
  const header = ['ID', 'VM', 'MAY', 'USE', 'UNTIL', 'KEY', 'FINGERPRINT'];
  printLines(context, table([header, ...rows]));
}
