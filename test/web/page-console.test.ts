/** The console of a page: what it shows and types, with others, and when it is not secure or the gateway goes. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { WebStack } from '../rig/web-stack.js';

let stack: WebStack;

beforeEach(async () => {
  stack = await WebStack.start();
});

afterEach(async () => {
  await stack.stop();
});

test('a page reads the history, types, sends BREAK and SysRq', async () => {
  const vm = stack.vm1;
  vm.print('login: ');
  const page = await stack.page();
  await page.openVm1();
  expect(await page.outputReached(7)).toBe('login: ');
  page.socket.send(Buffer.from('root\r'));
  expect((await page.next('taken')).bytes).toBe(5);
  expect((await vm.inputReached(5)).toString()).toBe('root\r');
  page.send({ type: 'break' });
  await vm.requested('break');
  page.send({ type: 'sysrq', key: 't' });
  expect((await vm.inputReached(6)).toString()).toBe('root\rt');
  expect(vm.requests.filter(({ type }) => type === 'break')).toHaveLength(2);
});

test('another VM is opened instead; an unknown one is said to be that', async () => {
  stack.vm2.print('second');
  const page = await stack.page();
  await page.openVm1();
  page.send({ type: 'open', vm: 'vm2', notSecure: false });
  expect(await page.next('opened')).toMatchObject({ vm: 'vm2', secure: true, session: 2 });
  expect(await page.outputReached(6)).toBe('second');
  await vi.waitFor(() => expect(stack.rig.gateway.sessions()).toHaveLength(1));
  page.send({ type: 'open', vm: 'vm9', notSecure: false });
  expect((await page.next('ended')).message).toContain("no VM is known as 'vm9'");
});

test('one that is configured and was not seen yet is tried again: it boots', async () => {
  stack.vms = ['vm1', 'vm2', 'vm3'];
  const page = await stack.page();
  page.send({ type: 'open', vm: 'vm3', notSecure: false });
  expect(await page.next('ended')).toMatchObject({
    message: 'vm3 does not run, or has not used its serial port yet',
    retry: true,
  });
});

test('a console that is not secure opens only for who has been told, and a switch ends the session', async () => {
  stack.unhooked = ['vm1'];
  const page = await stack.page();
  page.send({ type: 'open', vm: 'vm1', notSecure: false });
  expect(await page.next('not-secure')).toEqual({ type: 'not-secure', vm: 'vm1' });
  page.send({ type: 'open', vm: 'vm1', notSecure: true });
  expect(await page.next('opened')).toMatchObject({ secure: false });
  page.send({ type: 'sysrq', key: 'b' });
  stack.unhooked = [];
  expect(await page.next('ended')).toMatchObject({ retry: true });
  await page.openVm1();
  stack.unhooked = ['vm1'];
  expect(await page.next('ended')).toMatchObject({
    message: expect.stringContaining('not secure any more') as string,
    retry: false,
  });
  // The key of the SysRq would have been typed without its BREAK.
  expect(stack.vm1.input.length).toBe(0);
});

test('one page types, another looks on until it takes over; both are told', async () => {
  const first = await stack.page();
  await first.openVm1();
  expect(await first.next('who')).toMatchObject({
    sessions: [{ who: expect.stringContaining('alice') as string, you: true, writes: true }],
  });
  const second = await stack.page();
  await second.openVm1();
  const { sessions } = await second.next('who');
  expect(sessions.map(({ you, writes }) => [you, writes])).toEqual([
    [false, true],
    [true, false],
  ]);
  second.socket.send(Buffer.from('lost'));
  await vi.waitFor(() => expect(JSON.stringify(second.messages)).toContain('not typed'));
  second.send({ type: 'take' });
  await vi.waitFor(() => {
    const last = second.messages.filter((message) => message.type === 'who').at(-1);
    expect(last?.sessions.map(({ writes }) => writes)).toEqual([false, true]);
  });
  await vi.waitFor(() => expect(JSON.stringify(first.messages)).toContain('types here now'));
  second.socket.send(Buffer.from('typed'));
  expect((await stack.vm1.inputReached(5)).toString()).toBe('typed');
});

test('a notice is passed on behind the output that came before it', async () => {
  const slow = await stack.page();
  slow.reads = false;
  await slow.openVm1();
  await slow.next('who');
  const other = await stack.page();
  await other.openVm1();
  for (let turn = 1; turn <= 7; turn++) {
    stack.vm1.print(Buffer.alloc(100_000, 'x'));
    await other.outputReached(turn * 100_000);
  }
  other.send({ type: 'take' });
  // Who types, it learns at once.
  await vi.waitFor(() => {
    const last = slow.messages.filter((message) => message.type === 'who').at(-1);
    expect(last?.sessions.map(({ writes }) => writes)).toEqual([false, true]);
  });
  expect(slow.messages.map(({ type }) => type)).not.toContain('notice');
  slow.reads = true;
  slow.send({ type: 'shown', session: slow.session, bytes: slow.output.length });
  await slow.next('notice');
  expect(slow.output.length).toBe(700_000);
});

test('a console in which nothing is typed for long ends, and is not to be opened again by itself', async () => {
  await stack.rig.startGateway({ limits: { idleMs: 500 } });
  const page = await stack.page();
  await page.openVm1();
  expect(await page.next('ended')).toMatchObject({
    ...{
      retry: false,
      idle: true,
      message: expect.stringContaining('nothing was typed') as string,
    },
  });
});

test('the loss of the gateway is said, and the console opens again', async () => {
  const page = await stack.page();
  await page.openVm1();
  await stack.rig.gateway.close();
  expect(await page.next('ended')).toMatchObject({ retry: true });
  page.send({ type: 'open', vm: 'vm1', notSecure: false });
  expect(await page.next('ended')).toMatchObject({ retry: true });
  await stack.rig.startGateway();
  await page.openVm1();
});
