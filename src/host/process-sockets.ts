/** On which sockets a process listens: what can be known of a program that has no other way to say that it is ready. */
import { readFile, readdir, readlink } from 'node:fs/promises';

export interface ListeningSockets {
  /** Paths as the process has bound them. */
  readonly unix: readonly string[];
  /** TCP ports of IPv4, in the order of the process's descriptors. */
  readonly tcp: readonly number[];
}

/** By /proc; empty for a process that is gone or belongs to somebody else. */
export async function listeningSockets(pid: number, proc = '/proc'): Promise<ListeningSockets> {
  const inodes = await socketInodes(pid, proc);
  const [unix, tcp] = await Promise.all([
    readFile(`${proc}/net/unix`, 'utf8').then(listeningPaths, () => new Map<string, string>()),
    readFile(`${proc}/net/tcp`, 'utf8').then(listeningPorts, () => new Map<string, number>()),
  ]);
  return {
    unix: inodes.map((inode) => unix.get(inode)).filter((path) => path !== undefined),
    tcp: inodes.map((inode) => tcp.get(inode)).filter((port) => port !== undefined),
  };
}

/** The sockets that it has open, by descriptor. */
async function socketInodes(pid: number, proc: string): Promise<string[]> {
  const directory = `${proc}/${pid}/fd`;
  const descriptors = await readdir(directory).catch(() => []);
  const targets = await Promise.all(
    descriptors
      .sort((a, b) => Number(a) - Number(b))
      .map(async (descriptor) => await readlink(`${directory}/${descriptor}`).catch(() => '')),
  );
  return targets
    .map((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1])
    .filter((inode) => inode !== undefined);
}

/** Flag __SO_ACCEPTCON of unix(7)'s /proc/net/unix: the socket listens. */
const accepting = 0x10000;

function listeningPaths(table: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of table.split('\n').slice(1)) {
    // Num RefCount Protocol Flags Type St Inode Path
    const match = /^\S+ \S+ \S+ ([0-9A-F]{8}) \S+ \S+ +(\d+) (.+)$/.exec(line);
    const [, flags = '', inode = '', path = ''] = match ?? [];
    if ((Number.parseInt(flags, 16) & accepting) !== 0) found.set(inode, path);
  }
  return found;
}

/** State TCP_LISTEN of proc(5)'s /proc/net/tcp. */
const listen = '0A';

function listeningPorts(table: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of table.split('\n').slice(1)) {
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    const port = local?.split(':')[1];
    if (state !== listen || port === undefined || inode === undefined) continue;
    found.set(inode, Number.parseInt(port, 16));
  }
  return found;
}
