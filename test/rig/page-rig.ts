/** The page in a real Chromium, over the fake L1. */
import { existsSync } from 'node:fs';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest';

import type { FakeVm } from './fake-vm.js';
import { WebStack } from './web-stack.js';

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

/** Describes tests with a page. Each has a context of its own in the browser, and servers of its own. */
export function inChromium(tests: (rig: PageRig) => void): void {
  describe.skipIf(!existsSync(executablePath))('the page in Chromium, if it is installed', () => {
    const rig = new PageRig();
    let browser: Browser;

    beforeAll(async () => {
      browser = await chromium.launch({ executablePath, args: quiet });
    });

    afterAll(async () => {
      await browser.close();
    });

    beforeEach(async () => {
      await rig.start(browser);
    });

    afterEach(async () => {
      await rig.stop();
    });

    tests(rig);
  });
}

/** What a test finds; all of it is new for each. */
export class PageRig {
  stack!: WebStack;
  context!: BrowserContext;
  /** Opened, and empty yet. */
  page!: Page;
  /** What the browser complained about: scripts, styles and requests that its policy forbids, above all. */
  complaints!: string[];

  async start(browser: Browser): Promise<void> {
    this.stack = await WebStack.start();
    this.complaints = [];
    this.context = await browser.newContext({
      viewport: { width: 1024, height: 700 },
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    this.page = await this.newPage();
  }

  async stop(): Promise<void> {
    await this.context.close();
    await this.stack.stop();
  }

  get vm(): FakeVm {
    return this.stack.vm1;
  }

  async newPage(): Promise<Page> {
    const opened = await this.context.newPage();
    opened.setDefaultTimeout(5000);
    opened.on('console', (message) => {
      if (message.type() !== 'log') this.complaints.push(message.text());
    });
    opened.on('pageerror', (error) => this.complaints.push(error.message));
    return opened;
  }

  /** Waits until the page says so in the line of its state. */
  async says(text: string | RegExp, of: Page = this.page): Promise<void> {
    await of.locator('#state', { hasText: text }).waitFor();
  }

  /** Waits until the terminal shows that. */
  async shown(text: string): Promise<void> {
    await this.page.locator('.xterm-rows', { hasText: text }).waitFor();
  }

  /** The console of vm1. */
  async open(link = this.stack.server.newLink('vm1')): Promise<void> {
    await this.page.goto(link);
    await this.says('Connected to vm1');
  }
}
