/** A user at the page: what is shown and typed, with others, at another VM, and when a server goes. */
import { expect, test, vi } from 'vitest';

import { inChromium } from '../rig/page-rig.js';

inChromium((rig) => {
  test('shows the history, types, echoes, and complains of nothing', async () => {
    const { complaints, page, vm } = rig;
    vm.onInput = (bytes) => vm.print(bytes);
    vm.print('\x1b[1mDebian\x1b[0m \x1b[38;2;200;10;99mtrue colour\x1b[0m\r\nlogin: ');
    await rig.open();
    await rig.shown('login:');
    const colour = await page.evaluate(() => {
      const spans = [...document.querySelectorAll('.xterm-rows span')];
      const found = spans.find((span) => span.textContent.includes('true colour'));
      return found === undefined ? 'none' : getComputedStyle(found).color;
    });
    expect(colour).toBe('rgb(200, 10, 99)');
    await page.keyboard.type('root');
    await rig.shown('login: root');
    expect(vm.input.toString()).toBe('root');
    await page.keyboard.press('Control+c');
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowUp');
    expect((await vm.inputReached(9)).toString()).toBe('root\x03\t\x1b[A');
    expect(await page.locator('#security-text').textContent()).toBe('Secure');
    expect(await page.title()).toBe('vm1 · vsbypass');
    expect(complaints).toEqual([]);
  });

  test('gives an emoji two columns', async () => {
    const { page, vm } = rig;
    vm.print('\x1b[1;1H😀\x1b[1;3HX|\r\nend');
    await rig.open();
    await rig.shown('end');
    expect(await page.locator('.xterm-rows > div').first().textContent()).toMatch(/^😀X\|/);
  });

  test('says who is there, and takes over when told to', async () => {
    const { page, stack, vm } = rig;
    await rig.open();
    await page.locator('#role').getByText('You type', { exact: true }).waitFor();
    const second = await rig.newPage();
    await second.goto(stack.server.newLink('vm1'));
    await second.locator('#role').getByText('You look on +1').waitFor();
    await second.keyboard.type('x');
    await rig.says('not typed', second);
    await second.locator('#role').click();
    await vi.waitFor(async () => expect(await second.locator('#who-list li').count()).toBe(2));
    await second.locator('#take').click();
    await second.locator('#role').getByText('You type +1').waitFor();
    await page.locator('#role').getByText('You look on +1').waitFor();
    await rig.says('types here now');
    await second.keyboard.type('y');
    expect((await vm.inputReached(1)).toString()).toBe('y');
  });

  test('another VM is chosen, and nothing of the first stays', async () => {
    const { page, stack, vm } = rig;
    vm.print('first');
    stack.vm2.print('second');
    await rig.open();
    await rig.shown('first');
    await page.locator('#vm').selectOption('vm2');
    await rig.says('Connected to vm2');
    await rig.shown('second');
    expect(await page.locator('.xterm-rows').textContent()).not.toContain('first');
    await page.keyboard.type('x');
    await stack.vm2.inputReached(1);
    expect(vm.input.length).toBe(0);
  });

  test('a connection that died without a word is noticed, at once where something is typed', async () => {
    const { page, vm } = rig;
    let dead = false;
    await page.routeWebSocket(/socket/, (toPage) => {
      const toServer = toPage.connectToServer();
      toPage.onMessage((message) => {
        if (!dead) toServer.send(message);
      });
      toServer.onMessage((message) => {
        if (!dead) toPage.send(message);
      });
    });
    await page.clock.install();
    await rig.open();
    await page.locator('#role').getByText('You type').waitFor();
    dead = true;
    await page.keyboard.type('x');
    await page.clock.runFor(11_000);
    await rig.says('does not answer');
    expect(await page.locator('#security-text').textContent()).toBe('not connected');
    expect(await page.locator('#curtain-hint').textContent()).toContain('may be lost');
    // Nor does an attempt hang that nobody answers.
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.clock.runFor(11_000);
    dead = false;
    await page.clock.runFor(16_000);
    await rig.says('Connected to vm1');
    await page.keyboard.type('y');
    expect((await vm.inputReached(1)).toString()).toBe('y');
    dead = true;
    await page.clock.runFor(32_000);
    await rig.says('does not answer');
    expect(await page.locator('#curtain-hint').textContent()).not.toContain('may be lost');
  });

  test('output waits in a hidden tab, whose timers hardly run, and not with the server', async () => {
    const { page, vm } = rig;
    let received = 0;
    page.on('websocket', (socket) => {
      socket.on('framereceived', ({ payload }) => (received += payload.length));
    });
    await page.clock.install();
    await rig.open();
    const hide = (hidden: boolean) =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'hidden', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    await hide(true);
    await page.clock.pauseAt(Date.now() + 60_000);
    vm.print(`${'x'.repeat(99)}\n`.repeat(10_000));
    await vi.waitFor(() => expect(received).toBeGreaterThan(1_000_000), { timeout: 10_000 });
    vm.print('the end');
    await hide(false);
    await page.clock.resume();
    await rig.shown('the end');
    await page.keyboard.type('x');
    expect((await vm.inputReached(1)).toString()).toBe('x');
  });

  test('a console in which nothing is typed is opened again by the user only', async () => {
    const { page, stack } = rig;
    await stack.rig.startGateway({ limits: { idleMs: 2000 } });
    await rig.open();
    await rig.says('nothing was typed');
    // News of the instance open nothing either.
    stack.unhooked = ['vm2'];
    await page.locator('#vm').getByText('vm2 (not secure)').waitFor({ state: 'attached' });
    await rig.says('nothing was typed');
    expect(stack.rig.gateway.sessions()).toHaveLength(0);
    await page.getByRole('button', { name: 'Open it again' }).click();
    await rig.says('Connected to vm1');
  });

  test('the loss of the gateway and of the server is said, and both come back', async () => {
    const { page, stack, vm } = rig;
    vm.print('before');
    await rig.open();
    await rig.shown('before');
    await stack.rig.gateway.close();
    await rig.says('the gateway is going down');
    await stack.rig.startGateway();
    vm.print(' after');
    await page.getByRole('button', { name: 'Try now' }).click();
    await rig.shown('before after');
    const { port } = stack.server;
    await stack.server.close();
    await rig.says('does not answer');
    await stack.serve(port);
    await page.getByRole('button', { name: 'Try now' }).click();
    // Another server knows nobody.
    await rig.says('does not know this page');
  });
});
