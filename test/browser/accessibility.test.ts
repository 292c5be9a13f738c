/** The page by keyboard, on a phone, in light and dark. */
import { expect, test } from 'vitest';

import { inChromium } from '../rig/page-rig.js';

inChromium((rig) => {
  test('all of it can be done by keyboard', async () => {
    const { page, vm } = rig;
    await rig.open();
    await page.locator('#role').getByText('You type').waitFor();
    await page.keyboard.press('Control+Shift+Period');
    const focused = () => page.evaluate(() => document.activeElement?.id);
    const visited = [await focused()];
    for (let turn = 0; turn < 7; turn++) {
      await page.keyboard.press('Tab');
      visited.push(await focused());
    }
    expect(visited).toEqual([
      'find',
      'download',
      'paste',
      'break',
      'sysrq',
      'show-keys',
      'role',
      'size',
    ]);
    for (let turn = 0; turn < 3; turn++) await page.keyboard.press('Shift+Tab');
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
    const { page, vm } = rig;
    await page.setViewportSize({ width: 390, height: 780 });
    await rig.open();
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
    const { page } = rig;
    await page.emulateMedia({ colorScheme });
    await rig.open();
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
    expect(await page.locator('#state').textContent()).toBe('Connected to vm1.');
  });
});
