// Brings a testbed up, logs in on the secure console, and shows that the virtualized system has seen nothing of it.
// Run: node examples/login.mjs (in a folder where `npm install vsbypass` was run).
import { Buffer } from 'node:buffer';
import process from 'node:process';

import { createTestbed } from 'vsbypass';

const testbed = await createTestbed({
  name: 'example',
  config: { vms: [{ name: 'vm1' }] },
  onEvent: (event) => {
    if (event.type === 'phase' && event.reason === 'passed')
      process.stderr.write(`${event.phase}\n`);
  },
});
try {
  const { vm1: password } = await testbed.passwords();
  const expect = (pattern) => ({ type: 'expect', pattern, timeoutMs: 60_000 });
  const send = (text) => ({ type: 'send', bytes: Buffer.from(text) });
  await testbed.script('vm1', [
    expect(/login: /),
    send('root\r'),
    expect(/Password: /),
    send(`${password}\r`),
    expect(/# /),
    send('echo $((6 * 7))\r'),
    expect(/\b42\b/),
    send('exit\r'),
  ]);
  const { operatorBytes, shadowBytes } = await testbed.proof('vm1');
  process.stdout.write(`${JSON.stringify({ operatorBytes, shadowBytes })}\n`);
} finally {
  await testbed.down();
}
