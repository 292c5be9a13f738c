import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import type { InstanceAccess } from '../../../src/console/client/instance-access.js';
import { openConsole } from '../../../src/console/client/open.js';
import type { ConsoleConnection } from '../../../src/console/connection.js';
import type { AttachRequest } from '../../../src/contract/gateway.js';
import { fingerprintOfLine, generateKey } from '../../../src/formats/keys/key-files.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { startSshServer } from '../../rig/ssh-server.js';

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

async function open(
  vm: string,
  more: Partial<InstanceAccess> = {},
  attach: AttachRequest = { as: 'auto', replay: 'none', sanitize: false },
): Promise<ConsoleConnection> {
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
    ...more,
  };
  return await openConsole({
    ...{ access, vm, attach, credentials: {}, signal: new AbortController().signal },
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

test('one that is left to L2 is watched, and sanitized, as it was asked for', async () => {
  const host = generateKey('l2');
  let typed = '';
  const { server, port } = await startSshServer(host.privatePem, (_command, channel) => {
    channel.on('data', (bytes: Buffer) => (typed += bytes.toString()));
    channel.on('end', () => {
      channel.exit(0);
      channel.end('\x1b]0;x\x07bye');
    });
  });
  const target = {
    ...{ host: '127.0.0.1', port, privateKey: ConsoleRig.clientKey.privatePem },
    hostKeyLine: host.publicLine,
  };
  const management = { l1: { ...target, layer: 'L1' }, l2: { ...target, layer: 'L2' } } as const;
  const connection = await open(
    'vm1',
    { unhooked: ['vm1'], management },
    { as: 'watch', replay: 'none', sanitize: true },
  );
  let shown = '';
  connection.channel.on('data', (bytes: Buffer) => (shown += bytes.toString()));
  connection.channel.write('root\r');
  await connection.close(5000);
  server.close();
  expect({ typed, shown }).toEqual({ typed: '', shown: 'bye' });
});
