/** Keys that browsers and systems have a use of their own for, and where they go. */
import { expect, test, vi } from 'vitest';

import { inChromium } from '../rig/page-rig.js';

inChromium((rig) => {
  test('a tab with an open console is not closed without a question, one without is', async () => {
    const { page, stack } = rig;
    await rig.open();
    await page.keyboard.type('x');
    const asked = page.waitForEvent('dialog');
    await page.close({ runBeforeUnload: true });
    const dialog = await asked;
    expect(dialog.type()).toBe('beforeunload');
    await dialog.dismiss();
    await rig.says('Connected to vm1');
    await stack.rig.gateway.close();
    await rig.says('going down');
    const closed = page.waitForEvent('close');
    await page.close({ runBeforeUnload: true });
    await closed;
    await stack.rig.startGateway();
  });

  test('a row of keys types what a desktop browser keeps for itself, and is remembered', async () => {
    const { page, vm } = rig;
    await rig.open();
    const control = page.locator('#keys').getByRole('button', { name: 'Ctrl' });
    expect(await control.isVisible()).toBe(false);
    await page.locator('#show-keys').click();
    await control.click();
    await page.keyboard.type('ww');
    expect((await vm.inputReached(2)).toString()).toBe('\x17w');
    page.on('dialog', (dialog) => void dialog.accept());
    await page.reload();
    await rig.says('Connected to vm1');
    expect(await control.isVisible()).toBe(true);
    await page.locator('#show-keys').click();
    expect(await control.isVisible()).toBe(false);
  });

  test('fills the screen, asks for the keys that it is to have there, and comes back', async () => {
    const { complaints, page, vm } = rig;
    const locked: unknown[] = [];
    await page.exposeFunction('locked', (codes: unknown) => void locked.push(codes));
    await page.addInitScript(() => {
      const { keyboard } = navigator as unknown as { keyboard: { lock: unknown } };
      keyboard.lock = (window as unknown as { locked: unknown }).locked;
    });
    await rig.open();
    const isFull = () => page.evaluate(() => document.fullscreenElement !== null);
    const press = async () => {
      await page.locator('#size').click();
      await page.locator('#full-screen').click();
    };
    await press();
    await vi.waitFor(async () => expect(await isFull()).toBe(true));
    await vi.waitFor(() => expect(locked).toEqual([['Escape', 'KeyN', 'KeyT', 'KeyW']]));
    await page.keyboard.type('x');
    expect((await vm.inputReached(1)).toString()).toBe('x');
    await press();
    await vi.waitFor(async () => expect(await isFull()).toBe(false));
    expect(complaints).toEqual([]);
  });

  test('Option is Meta on macOS when told to, and only there is it offered', async () => {
    const { context, page, vm } = rig;
    page.on('dialog', (dialog) => void dialog.accept());
    await rig.open();
    await page.locator('#size').click();
    expect(await page.locator('#option-is-meta').isVisible()).toBe(false);
    const devtools = await context.newCDPSession(page);
    const userAgent = await page.evaluate(() => navigator.userAgent);
    await devtools.send('Emulation.setUserAgentOverride', { userAgent, platform: 'MacIntel' });
    await page.reload();
    await rig.says('Connected to vm1');
    await page.locator('#size').click();
    await page.locator('#option-is-meta').check();
    await page.keyboard.press('Escape');
    await page.locator('.xterm-helper-textarea').focus();
    await page.keyboard.press('Alt+b');
    expect((await vm.inputReached(2)).toString()).toBe('\x1bb');
    await page.reload();
    await rig.says('Connected to vm1');
    await page.keyboard.press('Alt+f');
    expect((await vm.inputReached(4)).toString()).toBe('\x1bb\x1bf');
    await page.locator('#size').click();
    await page.locator('#option-is-meta').uncheck();
    await page.keyboard.press('Escape');
    await page.locator('.xterm-helper-textarea').focus();
    // On a Mac it makes a character by itself.
    await page.keyboard.press('Alt+d');
    await page.keyboard.type('x');
    expect((await vm.inputReached(5)).toString().slice(4)).not.toContain('\x1b');
  });

  test('what is typed after a click beside the terminal, or after a download, goes to the VM', async () => {
    const { page, vm } = rig;
    await rig.open();
    await page.locator('footer').click();
    await page.keyboard.type('ls');
    await page.locator('footer').click();
    await page.keyboard.press('Enter');
    expect((await vm.inputReached(3)).toString()).toBe('ls\r');
    await page.locator('#download').click();
    await page.keyboard.press('Enter');
    expect((await vm.inputReached(4)).toString()).toBe('ls\r\r');
  });
});
