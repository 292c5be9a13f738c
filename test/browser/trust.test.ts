/** What the page lets in and whom it believes: links, output, servers, VMs that are watched or not secure. */
import { expect, test } from 'vitest';
import { WebSocketServer } from 'ws';

import { inChromium } from '../rig/page-rig.js';

inChromium((rig) => {
  test('the token leaves the address bar, works once, and a reload needs none', async () => {
    const { context, page, stack } = rig;
    const link = stack.server.newLink('vm1');
    await rig.open(link);
    expect(page.url()).toBe(`${stack.origin}/`);
    const cookies = await context.cookies(`${stack.origin}/console/`);
    expect(cookies).toMatchObject([{ httpOnly: true, sameSite: 'Strict', path: '/console' }]);
    expect(await page.evaluate(() => document.cookie)).toBe('');
    await page.reload();
    await rig.says('Connected to vm1');
    const second = await rig.newPage();
    await second.goto(link);
    await rig.says('used already', second);
    // The cookie is this browser's, the key the first page's only.
    const third = await rig.newPage();
    await third.goto(stack.origin);
    await rig.says('needs a link', third);
    expect(stack.rig.gateway.sessions()).toHaveLength(1);
  });

  test('hostile output gets no answer, no clipboard, no title and no link', async () => {
    const { complaints, context, page, stack, vm } = rig;
    await page.goto(stack.server.newLink('vm1'));
    await rig.says('Connected to vm1');
    await page.evaluate(() => navigator.clipboard.writeText('mine'));
    vm.print(
      '\x1b]52;c;c3RvbGVu\x07\x1b]0;bank.example\x07\x1b]8;;http://evil.example/\x07click\x1b]8;;\x07' +
        '\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[>q\x1b[?1$p\x1b[4$p\x1b[18t\x1b[21t\x1bZ' +
        '\x1b]10;?\x07\x1b]4;1;?\x07\x1bP$qm\x1b\\\x1bP+q544e\x1b\\\x05 done',
    );
    await rig.shown('click done');
    await page.locator('.xterm-rows').getByText('click').click({ force: true });
    await page.keyboard.type('x');
    expect((await vm.inputReached(1)).toString()).toBe('x');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('mine');
    expect(await page.title()).toBe('vm1 · vsbypass');
    expect(context.pages()).toHaveLength(1);
    expect(complaints).toEqual([]);
  });

  test('says that a console is not secure before it opens it, and all the while', async () => {
    const { page, stack, vm } = rig;
    stack.unhooked = ['vm1'];
    await page.goto(stack.server.newLink('vm1'));
    await page.getByText('COM1 of vm1 is not shadowed.').waitFor();
    expect(stack.rig.gateway.sessions()).toEqual([]);
    await page.getByRole('button', { name: 'Open it all the same' }).click();
    await rig.says('Connected');
    expect(await page.locator('#security-text').textContent()).toBe('NOT SECURE');
    expect(await page.locator('#warning').isVisible()).toBe(true);
    expect(await page.title()).toBe('NOT SECURE: vm1 · vsbypass');
    stack.unhooked = [];
    await page.locator('#security-text').getByText('Secure', { exact: true }).waitFor();
    stack.unhooked = ['vm1'];
    await rig.says('not secure any more');
    await page.keyboard.type('secret');
    expect(vm.input.length).toBe(0);
  });

  test('has a mark that stays where L1 has seen L2 watch the VM, and none at another VM', async () => {
    const { complaints, page, vm } = rig;
    await rig.open();
    const mark = page.locator('#watched');
    expect(await mark.isVisible()).toBe(false);
    vm.update({ evidence: ['stepped'] });
    await mark.getByText(/L2 is watching this VM: single steps seen since [\d:]+ UTC\./).waitFor();
    vm.update({ evidence: [] });
    await mark.getByText(/L2 has watched this VM: single steps seen [\d:]+ to/).waitFor();
    await page.locator('#vm').selectOption('vm2');
    await rig.says('Connected to vm2');
    expect(await mark.isVisible()).toBe(false);
    await page.locator('#vm').selectOption('vm1');
    await mark.waitFor();
    expect(complaints).toEqual([]);
  });

  test('a server that has come by the port is not believed', async () => {
    const { page, stack } = rig;
    await rig.open();
    const { port } = stack.server;
    await stack.server.close();
    await rig.says('does not answer');
    const stranger = new WebSocketServer({ port, host: '127.0.0.1' });
    const said: string[] = [];
    stranger.on('connection', (socket) => {
      socket.on('message', (data: Buffer) => said.push(data.toString()));
      socket.send(JSON.stringify({ type: 'challenge', nonce: 'n' }));
      socket.send(JSON.stringify({ type: 'welcome', proof: 'p' }));
      socket.send(JSON.stringify({ type: 'opened', vm: 'vm1', secure: true, session: 1 }));
      socket.send(Buffer.from('Password: '));
    });
    await page.getByRole('button', { name: 'Try now' }).click();
    await rig.says('Another server answers here');
    await page.keyboard.type('secret');
    expect(await page.locator('#security-text').textContent()).toBe('not connected');
    expect(said.join()).not.toContain('secret');
    for (const socket of stranger.clients) socket.terminate();
    await new Promise((resolve) => stranger.close(resolve));
    await stack.serve();
  });
});
