/** What the page has beside its terminal: paste, search, BREAK and SysRq, sizes. */
import { readFile } from 'node:fs/promises';

import { expect, test, vi } from 'vitest';

import { inChromium } from '../rig/page-rig.js';

inChromium((rig) => {
  test('pastes a line at once, several lines when asked, and no control characters', async () => {
    const { page, vm } = rig;
    await rig.open();
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
    const { page, vm } = rig;
    await rig.open();
    const text = Array.from({ length: 20_000 }, (_, index) => `${index} `).join('');
    await page.evaluate((value) => navigator.clipboard.writeText(value), text);
    await page.locator('#paste').click();
    expect((await vm.inputReached(text.length)).toString()).toBe(text);
  });

  test('searches the scrollback and saves it', async () => {
    const { page, vm } = rig;
    for (let line = 0; line < 300; line++) vm.print(`line ${line} ${'-'.repeat(120)}\r\n`);
    await rig.open();
    await rig.shown('line 299');
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
    const { page, vm } = rig;
    await rig.open();
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
    const { page, vm } = rig;
    await rig.open();
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
});
