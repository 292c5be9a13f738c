import { expect, it } from 'vitest';

import { Conversation, type ScriptPeer } from '../../../src/console/dialogue/conversation.js';

/** A terminal that has not turned its echo off. */
function echoing(): ScriptPeer {
  let print: (bytes: Buffer | undefined) => void = () => {};
  return {
    onOutput: (listener) => (print = listener),
    send: async (bytes) => {
      print(bytes);
      await Promise.resolve();
    },
  };
}

it('masks a password that was echoed in what a failure shows, and nothing else', async () => {
  const talk = new Conversation(echoing(), {
    ...{ stripAnsi: true, signal: new AbortController().signal },
  });
  await talk.send(Buffer.from('root\r\n'));
  await talk.sendSecret(Buffer.from('s3cret.*'));
  await talk.send(Buffer.from('\r\nagain s3cret.* s3cretxx'));
  await expect(talk.expect(/[#] $/, 20)).rejects.toMatchObject({
    code: 'E_EXPECT_TIMEOUT',
    details: { lastLines: ['root', '********', 'again ******** s3cretxx'] },
  });
});
