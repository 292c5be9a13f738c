import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import type { InstanceAccess } from '../../../src/console/client/instance-access.js';
import { openConsole } from '../../../src/console/client/open.js';
import type { ConsoleConnection } from '../../../src/console/connection.js';
import { fingerprintOfLine } from '../../../src/formats/keys/key-files.js';
import { ConsoleRig } from '../../rig/console-rig.js';

const configured = '00000000-0000-4000-8000-00000000000a';

let rig: ConsoleRig;
let directory: string;

beforeEach(async () => {
  rig = await ConsoleRig.start();
  directory = await mkdtemp(join(tmpdir(), 'vsb-open-'));
  await writeFile(join(directory, 'client'), ConsoleRig.clientKey.privatePem, { mode: 0o600 });
});

afterEach(async () => {
  await rig.stop();
  await rm(directory, { recursive: true, force: true });
});

async function open(vm: string): Promise<ConsoleConnection> {
  const access: InstanceAccess = {
    ...{ name: 'lab', stateDir: directory, runtimeDir: directory },
    vms: ['vm1', 'accounts'],
    uuids: new Map([['accounts', configured]]),
    gateway: {
      ...{ host: '127.0.0.1', port: rig.gateway.port },
      hostKeyFingerprint: fingerprintOfLine(ConsoleRig.hostKey.publicLine),
      hostKeyLine: ConsoleRig.hostKey.publicLine,
      clientKeyPath: join(directory, 'client'),
    },
  };
  return await openConsole({
    ...{ access, vm, credentials: {}, signal: new AbortController().signal },
    attach: { as: 'auto', replay: 'none', sanitize: false },
  });
}

/** What a console ends with that the gateway refuses. */
async function endOf(vm: string): Promise<unknown> {
  const connection = await open(vm);
  connection.channel.resume();
  await connection.closed;
  try {
    connection.checkEnd();
    return undefined;
  } catch (error) {
    return error;
  }
}

test('a VM that is configured and was not seen yet is not called unknown', async () => {
  for (const word of ['accounts', configured]) {
    expect(await endOf(word)).toMatchObject({
      code: 'E_VM_GONE',
      message: 'accounts does not run, or has not used its serial port yet',
      layer: 'L3',
    });
  }
});

test('one that nobody knows is; one that runs is opened', async () => {
  expect(await endOf('accuonts')).toMatchObject({ code: 'E_VM_UNKNOWN' });
  const connection = await open('vm1');
  connection.destroy();
});
