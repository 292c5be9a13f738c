/** An SSH server on this host that lets every key in and runs nothing: the test answers each command. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import ssh2, { type Server, type ServerChannel } from 'ssh2';

export interface SshServer {
  readonly server: Server;
  readonly port: number;
}

/** @param hostKeys private keys in OpenSSH's format */
export async function startSshServer(
  hostKeys: string | readonly string[],
  onCommand: (command: string, channel: ServerChannel) => void,
): Promise<SshServer> {
  const server = new ssh2.Server({ hostKeys: [hostKeys].flat() }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      if (context.method === 'publickey') context.accept();
      else context.reject(['publickey']);
    });
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _, { command }) => onCommand(command, acceptExec()));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** What a command comes to. */
export interface Answer {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
}

/** Answers a command once all of its standard input is there. */
export function answerInput(channel: ServerChannel, answer: (input: Buffer) => Answer): void {
  const input: Buffer[] = [];
  channel.on('data', (chunk: Buffer) => input.push(chunk));
  channel.on('end', () => {
    const { stdout = '', stderr = '', code = 0 } = answer(Buffer.concat(input));
    channel.write(stdout);
    channel.stderr.write(stderr);
    channel.exit(code);
    channel.end();
  });
}
