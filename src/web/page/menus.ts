/** The menus under the buttons: where they open, and what is in the one for SysRq. */
import { confirm } from './dom.js';
import { sysRqs, type SysRq } from './sysrq.js';

/** Puts each menu below the button that opens it, within the window. */
export function placeMenus(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>('button[popovertarget]')) {
    const menu = button.popoverTargetElement as HTMLElement;
    menu.addEventListener('toggle', (event) => {
      const open = event.newState === 'open';
      button.setAttribute('aria-expanded', String(open));
      if (!open) return;
      const { left, bottom } = button.getBoundingClientRect();
      const room = document.documentElement.clientWidth - menu.offsetWidth - 8;
      menu.style.left = `${Math.max(8, Math.min(left, room))}px`;
      menu.style.top = `${bottom + 4}px`;
    });
  }
}

/** Fills the menu of SysRq keys; grave ones are asked about. */
export function fillSysRqMenu(menu: HTMLElement, list: HTMLElement, send: (key: string) => void) {
  const choose = async ({ key, what, grave }: SysRq): Promise<void> => {
    menu.hidePopover();
    const sure =
      grave !== true ||
      (await confirm({
        title: `SysRq ${key}: ${what}?`,
        text: 'The kernel of the VM does this at once, without asking its programs.',
        yes: `Send SysRq ${key}`,
      }));
    if (sure) send(key);
  };
  for (const sysRq of sysRqs) {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset['grave'] = String(sysRq.grave === true);
    const key = document.createElement('kbd');
    key.textContent = sysRq.key;
    button.append(key, ` ${sysRq.what}`);
    button.addEventListener('click', () => void choose(sysRq));
    list.append(button);
  }
}
