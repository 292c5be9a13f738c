/** The page in a real Chromium, over the fake L1: what a user does with it. */
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';

import type { FakeVm } from '../rig/fake-vm.js';
import { WebStack } from '../rig/web-stack.js';

const executablePath = '/usr/bin/chromium';
/** Without them Chromium looks for hosts that are none of its business here. */
const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

describe.skipIf(!existsSync(executablePath))('the page in Chromium, if it is installed', () => {
  let browser: Browser;
  let context: BrowserContext;
  let stack: WebStack;
  let vm: FakeVm;
  let page: Page;
  /** What the browser complained about: scripts, styles and requests that its policy forbids, above all. */
  let complaints: string[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: quiet });
  });

  afterAll(async () => {
    await browser.close();
  });

  beforeEach(async () => {
    stack = await WebStack.start();
    vm = stack.vm1;
    complaints = [];
    context = await browser.newContext({
      viewport: { width: 1024, height: 700 },
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    page = await newPage();
  });

  afterEach(async () => {
    await context.close();
    await stack.stop();
  });

  async function newPage(): Promise<Page> {
    const opened = await context.newPage();
    opened.setDefaultTimeout(5000);
    opened.on('console', (message) => {
      if (message.type() !== 'log') complaints.push(message.text());
    });
    opened.on('pageerror', (error) => complaints.push(error.message));
    return opened;
  }

  const stateOf = (of: Page = page) => of.locator('#state').textContent();
  const says = async (text: string | RegExp, of: Page = page) => {
    await of.locator('#state', { hasText: text }).waitFor();
  };
  const shown = async (text: string) => {
    await page.locator('.xterm-rows', { hasText: text }).waitFor();
  };

  async function open(link = stack.server.newLink('vm1')): Promise<void> {
    await page.goto(link);
    await says('Connected to vm1');
  }

  test('shows the history, types, echoes, and complains of nothing', async () => {
    vm.onInput = (bytes) => vm.print(bytes);
    vm.print('\x1b[1mDebian\x1b[0m \x1b[38;2;200;10;99mtrue colour\x1b[0m\r\nlogin: ');
    await open();
    await shown('login:');
    const colour = await page.evaluate(() => {
      const spans = [...document.querySelectorAll('.xterm-rows span')];
      const found = spans.find((span) => span.textContent.includes('true colour'));
      return found === undefined ? 'none' : getComputedStyle(found).color;
    });
    expect(colour).toBe('rgb(200, 10, 99)');
    await page.keyboard.type('root');
    await shown('login: root');
    expect(vm.input.toString()).toBe('root');
    await page.keyboard.press('Control+c');
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowUp');
    expect((await vm.inputReached(9)).toString()).toBe('root\x03\t\x1b[A');
    expect(await page.locator('#security-text').textContent()).toBe('Secure');
    expect(await page.title()).toBe('vm1 · vsbypass');
    expect(complaints).toEqual([]);
  });

  test('the token leaves the address bar, works once, and a reload needs none', async () => {
    const link = stack.server.newLink('vm1');
    await open(link);
    expect(page.url()).toBe(`${stack.origin}/`);
    const cookies = await context.cookies(`${stack.origin}/console/`);
    expect(cookies).toMatchObject([{ httpOnly: true, sameSite: 'Strict', path: '/console' }]);
    expect(await page.evaluate(() => document.cookie)).toBe('');
    await page.reload();
    await says('Connected to vm1');
    const second = await newPage();
    await second.goto(link);
    await says('used already', second);
    // The cookie is this browser's, the key the first page's only.
    const third = await newPage();
    await third.goto(stack.origin);
    await says('needs a link', third);
    expect(stack.rig.gateway.sessions()).toHaveLength(1);
  });

  test('pastes a line at once, several lines when asked, and no control characters', async () => {
    await open();
    const pasteText = async (text: string) => {
      await page.evaluate((value) => navigator.clipboard.writeText(value), text);
      await page.locator('.xterm-helper-textarea').focus();
      await page.keyboard.press('Control+Shift+V');
    };
    await pasteText('one \x1b[201~line');
    expect((await vm.inputReached(13)).toString()).toBe('one [201~line');
    await pasteText('rm\n-rf\n');
    await page.locator('#confirm').getByRole('button', { name: 'Cancel' }).click();
    await page.locator('#paste').click();
    expect(await page.locator('#confirm-detail').textContent()).toBe('rm\n-rf\n');
    await page.locator('#confirm').getByRole('button', { name: 'Paste' }).click();
    expect((await vm.inputReached(20)).toString()).toBe('one [201~linerm\r-rf\r');
  });

  test('a large paste arrives whole', async () => {
    await open();
    const text = Array.from({ length: 20_000 }, (_, index) => `${index} `).join('');
    await page.evaluate((value) => navigator.clipboard.writeText(value), text);
    await page.locator('#paste').click();
    expect((await vm.inputReached(text.length)).toString()).toBe(text);
  });

  test('searches the scrollback and saves it', async () => {
    for (let line = 0; line < 300; line++) vm.print(`line ${line} ${'-'.repeat(120)}\r\n`);
    await open();
    await shown('line 299');
    await page.keyboard.press('Control+Shift+F');
    await page.keyboard.type('line 17');
    const count = page.locator('#search-count');
    await count.getByText('11 of 11').waitFor();
    await page.keyboard.press('Shift+Enter');
    await count.getByText('10 of 11').waitFor();
    await page.locator('#search-regex').click();
    await page.locator('#search-text').fill('line 1[0-9]{2} ');
    await count.getByText('of 100').waitFor();
    await page.locator('#search-text').fill('line (');
    await count.getByText('no regular expression').waitFor();
    await page.keyboard.press('Escape');
    expect(await page.locator('#search').isVisible()).toBe(false);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('#download').click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^vm1-[\dT-]+\.txt$/);
    const lines = (await readFile(await download.path(), 'utf8')).split('\n');
    expect(lines).toHaveLength(301);
    expect(lines[17]).toBe(`line 17 ${'-'.repeat(120)}`);
    expect(vm.input.length).toBe(0);
  });

  test('BREAK and SysRq reach the VM, grave ones after a question', async () => {
    await open();
    await page.locator('#break').click();
    await vm.requested('break');
    await page.locator('#sysrq').click();
    await page.getByRole('button', { name: 't list all tasks' }).click();
    await vm.inputReached(1);
    await page.locator('#sysrq').click();
    await page.getByRole('button', { name: 'b reboot at once' }).click();
    await page.locator('#confirm').getByRole('button', { name: 'Cancel' }).click();
    await page.locator('#sysrq').click();
    await page.getByRole('button', { name: 'c crash' }).click();
    await page.getByRole('button', { name: 'Send SysRq c' }).click();
    expect((await vm.inputReached(2)).toString()).toBe('tc');
    expect(vm.requests.filter(({ type }) => type === 'break')).toHaveLength(3);
  });

  test('shows the size, and types stty only when told to', async () => {
    await open();
    const size = page.locator('#size-text');
    const [columns, rows] = ((await size.textContent()) ?? '').split(' × ');
    expect(Number(columns)).toBeGreaterThan(90);
    await page.setViewportSize({ width: 800, height: 500 });
    await vi.waitFor(async () => expect(await size.textContent()).not.toBe(`${columns} × ${rows}`));
    expect(vm.input.length).toBe(0);
    await page.locator('#size').click();
    await page.getByLabel('80 × 24').check();
    await size.getByText('80 × 24').waitFor();
    await page.locator('#stty').click();
    expect((await vm.inputReached(21)).toString()).toBe('stty rows 24 cols 80\r');
  });

  test('hostile output gets no answer, no clipboard, no title and no link', async () => {
    await page.goto(stack.server.newLink('vm1'));
    await says('Connected to vm1');
    await page.evaluate(() => navigator.clipboard.writeText('mine'));
    vm.print(
      '\x1b]52;c;c3RvbGVu\x07\x1b]0;bank.example\x07\x1b]8;;http://evil.example/\x07click\x1b]8;;\x07' +
        '\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[>q\x1b[?1$p\x1b[4$p\x1b[18t\x1b[21t\x1bZ' +
        '\x1b]10;?\x07\x1b]4;1;?\x07\x1bP$qm\x1b\\\x1bP+q544e\x1b\\\x05 done',
    );
    await shown('click done');
    await page.locator('.xterm-rows').getByText('click').click({ force: true });
    await page.keyboard.type('x');
    expect((await vm.inputReached(1)).toString()).toBe('x');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('mine');
    expect(await page.title()).toBe('vm1 · vsbypass');
    expect(context.pages()).toHaveLength(1);
    expect(complaints).toEqual([]);
  });

  test('says that a console is not secure before it opens it, and all the while', async () => {
    stack.unhooked = ['vm1'];
    await page.goto(stack.server.newLink('vm1'));
    await page.getByText('COM1 of vm1 is not shadowed.').waitFor();
    expect(stack.rig.gateway.sessions()).toEqual([]);
    await page.getByRole('button', { name: 'Open it all the same' }).click();
    await says('Connected');
    expect(await page.locator('#security-text').textContent()).toBe('NOT SECURE');
    expect(await page.locator('#warning').isVisible()).toBe(true);
    expect(await page.title()).toBe('NOT SECURE: vm1 · vsbypass');
    stack.unhooked = [];
    await page.locator('#security-text').getByText('Secure', { exact: true }).waitFor();
    stack.unhooked = ['vm1'];
    await says('not secure any more');
    await page.keyboard.type('secret');
    expect(vm.input.length).toBe(0);
  });

  test('has a mark that stays where L1 has seen L2 watch the VM, and none at another VM', async () => {
    await open();
    const mark = page.locator('#watched');
    expect(await mark.isVisible()).toBe(false);
    vm.update({ evidence: ['stepped'] });
    await mark.getByText(/L2 is watching this VM: single steps seen since [\d:]+ UTC\./).waitFor();
    vm.update({ evidence: [] });
    await mark.getByText(/L2 has watched this VM: single steps seen [\d:]+ to/).waitFor();
    await page.locator('#vm').selectOption('vm2');
    await says('Connected to vm2');
    expect(await mark.isVisible()).toBe(false);
    await page.locator('#vm').selectOption('vm1');
    await mark.waitFor();
    expect(complaints).toEqual([]);
  });

  test('the loss of the gateway and of the server is said, and both come back', async () => {
    vm.print('before');
    await open();
    await shown('before');
    await stack.rig.gateway.close();
    await says('the gateway is going down');
    await stack.rig.startGateway();
    vm.print(' after');
    await page.getByRole('button', { name: 'Try now' }).click();
    await shown('before after');
    const { port } = stack.server;
    await stack.server.close();
    await says('does not answer');
    await stack.serve(port);
    await page.getByRole('button', { name: 'Try now' }).click();
    // Another server knows nobody.
    await says('does not know this page');
  });

  test('a server that has come by the port is not believed', async () => {
    await open();
    const { port } = stack.server;
    await stack.server.close();
    await says('does not answer');
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
    await says('Another server answers here');
    await page.keyboard.type('secret');
    expect(await page.locator('#security-text').textContent()).toBe('not connected');
    expect(said.join()).not.toContain('secret');
    for (const socket of stranger.clients) socket.terminate();
    await new Promise((resolve) => stranger.close(resolve));
    await stack.serve();
  });

  test('says who is there, and takes over when told to', async () => {
    await open();
    await page.locator('#role').getByText('You type', { exact: true }).waitFor();
    const second = await newPage();
    await second.goto(stack.server.newLink('vm1'));
    await second.locator('#role').getByText('You look on +1').waitFor();
    await second.keyboard.type('x');
    await says('not typed', second);
    await second.locator('#role').click();
    await vi.waitFor(async () => expect(await second.locator('#who-list li').count()).toBe(2));
    await second.locator('#take').click();
    await second.locator('#role').getByText('You type +1').waitFor();
    await page.locator('#role').getByText('You look on +1').waitFor();
    await says('types here now');
    await second.keyboard.type('y');
    expect((await vm.inputReached(1)).toString()).toBe('y');
  });

  test('another VM is chosen, and nothing of the first stays', async () => {
    vm.print('first');
    stack.vm2.print('second');
    await open();
    await shown('first');
    await page.locator('#vm').selectOption('vm2');
    await says('Connected to vm2');
    await shown('second');
    expect(await page.locator('.xterm-rows').textContent()).not.toContain('first');
    await page.keyboard.type('x');
    await stack.vm2.inputReached(1);
    expect(vm.input.length).toBe(0);
  });

  test('all of it can be done by keyboard', async () => {
    await open();
    await page.locator('#role').getByText('You type').waitFor();
    await page.keyboard.press('Control+Shift+Period');
    const focused = () => page.evaluate(() => document.activeElement?.id);
    const visited = [await focused()];
    for (let turn = 0; turn < 6; turn++) {
      await page.keyboard.press('Tab');
      visited.push(await focused());
    }
    expect(visited).toEqual(['find', 'download', 'paste', 'break', 'sysrq', 'role', 'size']);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect((await vm.inputReached(1)).toString()).toBe('h');
    await page.keyboard.press('Control+Shift+Period');
    await page.keyboard.press('Escape');
    await page.keyboard.type('y');
    expect((await vm.inputReached(2)).toString()).toBe('hy');
  });

  test('fits a phone and has the keys that a phone lacks', async () => {
    await page.setViewportSize({ width: 390, height: 780 });
    await open();
    const overflow = () =>
      page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(await overflow()).toBe(0);
    await page.locator('#keys').getByRole('button', { name: 'Up' }).click();
    await page.locator('#keys').getByRole('button', { name: 'Ctrl' }).click();
    await page.keyboard.type('cc');
    expect((await vm.inputReached(5)).toString()).toBe('\x1b[A\x03c');
    for (const menu of ['#sysrq', '#size']) {
      await page.locator(menu).click();
      const box = await page.locator(`${menu}-menu`).boundingBox();
      expect((box?.x ?? -1) >= 0 && (box?.x ?? 0) + (box?.width ?? 999) <= 390).toBe(true);
      await page.keyboard.press('Escape');
    }
    expect(await overflow()).toBe(0);
  });

  test.each(['light', 'dark'] as const)('is legible in %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    await open();
    const ratios = await page.evaluate(() => {
      const luminance = (colour: string): number => {
        const [r = 0, g = 0, b = 0] = (colour.match(/[\d.]+/g) ?? []).map((part) => {
          const value = Number(part) / 255;
          return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const groundOf = (element: Element | null): string => {
        const colour =
          element === null ? 'rgb(255, 255, 255)' : getComputedStyle(element).backgroundColor;
        return colour === 'rgba(0, 0, 0, 0)' ? groundOf(element?.parentElement ?? null) : colour;
      };
      // WCAG 2.1, 1.4.3.
      return [
        ...document.querySelectorAll('h1, .badge, #tools button, #state, #hint, .xterm-rows'),
      ].map((element) => {
        const pair = [getComputedStyle(element).color, groundOf(element)].map(luminance);
        const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        return { id: element.id || element.className, ratio };
      });
    });
    expect(ratios.length).toBeGreaterThan(8);
    expect(ratios.filter(({ ratio }) => ratio < 4.5)).toEqual([]);
    expect(await stateOf()).toBe('Connected to vm1.');
  });
});
