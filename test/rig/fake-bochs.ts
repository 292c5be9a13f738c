/** A program in the place of Bochs: it listens where its configuration says, and nothing else. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { bochsSockets } from '../../src/layers/l0-bochs.js';
import type { MachinePlan } from '../../src/machine/plan.js';

const script = `
const { createServer } = require('node:net');
const servers = ${JSON.stringify(bochsSockets)}.map((path) => createServer().listen(path));
const ports = [1, 2].map(() => createServer().listen(0, '127.0.0.1'));
ports[1].on('listening', () => process.stderr.write(ports.map((port) => port.address().port).join(' ') + '\\n'));
`;

/** What starts it, in `directory`. It says its ports, in the order in which it has opened them. */
export async function planFakeBochs(directory: string, body = script): Promise<MachinePlan> {
  await mkdir(join(directory, 'run'), { recursive: true });
  const program = join(directory, 'bochs');
  await writeFile(program, `#!${process.execPath}\n${body}`);
  await chmod(program, 0o755);
  return {
    ...{ make: 'Bochs', program, arguments: ['-q'], workingDirectory: directory },
    remedy: 'Build it.',
  };
}
