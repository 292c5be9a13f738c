/** The page of `vsbypass console --web`: puts its parts together. */
import type { VmView } from '../messages.js';
import { seekAdmission, takeLink } from './admission.js';
import { showNotAdmitted, state, VmConsole } from './console.js';
import { styleThroughObjects } from './csp.js';
import { byId, confirm, onClick } from './dom.js';
import { KeyRow } from './key-row.js';
import { fillSysRqMenu, placeMenus } from './menus.js';
import { cleanPaste, excerpt, needsQuestion } from './paste.js';
import { Screen } from './screen.js';
import { SearchBar } from './search.js';
import { wireFullScreen, wireKeyRow, wireOption } from './settings.js';

styleThroughObjects();
const link = takeLink();
const encoder = new TextEncoder();
let vmConsole: VmConsole | undefined;

const screen: Screen = new Screen(byId('terminal', HTMLDivElement), {
  onInput: (bytes) => vmConsole?.type(keys.apply(bytes)),
  onPaste: (text) => void paste(text),
  onSize: showSize,
  onKey: (event) => {
    // With Alt as well it is AltGr on Windows, which makes characters.
    if (!event.ctrlKey || !event.shiftKey || event.altKey) return false;
    const run = shortcuts[event.code];
    if (run !== undefined) event.preventDefault();
    run?.();
    // The browser's own paste: its event comes with the text, without asking for permission.
    return run !== undefined || event.code === 'KeyV';
  },
});
const search = new SearchBar(screen);
const keyRow = byId('keys', HTMLDivElement);
const keys = new KeyRow(
  keyRow,
  (text) => screen.terminal.input(text),
  () => screen.terminal.modes.applicationCursorKeysMode,
);

/** With Ctrl and Shift, by the place of the key. */
const shortcuts: Readonly<Record<string, () => void>> = {
  KeyF: () => search.open(),
  KeyC: () => {
    copy().catch(() => state('The browser does not let this page copy.'));
  },
  Period: () => byId('find', HTMLButtonElement).focus(),
};

function showSize(columns: number, rows: number): void {
  byId('size-text', HTMLSpanElement).textContent = `${columns} × ${rows}`;
  byId('stty-command', HTMLElement).textContent = sttyCommand();
}

function sttyCommand(): string {
  const { columns, rows } = screen.size;
  return `stty rows ${rows} cols ${columns}`;
}

async function copy(): Promise<void> {
  const text = screen.terminal.getSelection();
  if (text === '') return;
  await navigator.clipboard.writeText(text);
  state(`${text.length} characters copied.`);
}

async function paste(clipboard: string): Promise<void> {
  const text = cleanPaste(clipboard);
  if (text === '') {
    state('There is no text on the clipboard.');
    return;
  }
  const sure =
    !needsQuestion(text) ||
    (await confirm({
      title: 'Paste several lines?',
      text: 'Each line end runs what stands before it.',
      detail: excerpt(text),
      yes: 'Paste',
    }));
  if (sure) screen.terminal.paste(text);
  screen.terminal.focus();
}

function download(): void {
  const name = vmConsole === undefined || vmConsole.vm === '' ? 'console' : vmConsole.vm;
  const at = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  const anchor = document.createElement('a');
  anchor.download = `${name}-${at}.txt`;
  anchor.href = URL.createObjectURL(new Blob([screen.text()], { type: 'text/plain' }));
  anchor.click();
  URL.revokeObjectURL(anchor.href);
  state(`The scrollback was saved as ${anchor.download}.`);
  screen.terminal.focus();
}

function showVms(instance: string, vms: readonly VmView[]): void {
  byId('instance', HTMLHeadingElement).textContent = instance;
  const select = byId('vm', HTMLSelectElement);
  select.replaceChildren(
    ...vms.map(({ name, secure }) => new Option(secure ? name : `${name} (not secure)`, name)),
  );
  select.disabled = vms.length === 0;
  if (vmConsole !== undefined) select.value = vmConsole.vm;
}

function enableTools(open: boolean): void {
  const buttons = document.querySelectorAll<HTMLButtonElement>('button[data-needs="console"]');
  for (const button of buttons) button.disabled = !open;
  if (vmConsole !== undefined) byId('vm', HTMLSelectElement).value = vmConsole.vm;
}

function wireTools(): void {
  onClick('find', () => search.open());
  onClick('download', download);
  onClick('paste', () => {
    navigator.clipboard.readText().then(paste, () => {
      state('The browser does not give the clipboard away: use Ctrl+Shift+V in the terminal.');
      screen.terminal.focus();
    });
  });
  onClick('break', () => {
    vmConsole?.sendBreak();
    screen.terminal.focus();
  });
  fillSysRqMenu(byId('sysrq-menu', HTMLDivElement), byId('sysrq-keys', HTMLDivElement), (key) => {
    vmConsole?.sendSysRq(key);
    screen.terminal.focus();
  });
  placeMenus();
  byId('who-menu', HTMLDivElement).addEventListener('toggle', (event) => {
    if (event.newState === 'open') vmConsole?.askWho();
  });
  onClick('take', () => {
    byId('who-menu', HTMLDivElement).hidePopover();
    vmConsole?.take();
    screen.terminal.focus();
  });
  for (const radio of document.querySelectorAll<HTMLInputElement>('input[name="fit"]')) {
    radio.addEventListener('change', () => screen.fitWindow(radio.value === 'window'));
  }
  onClick('smaller', () => screen.changeFontSize(-1));
  onClick('larger', () => screen.changeFontSize(1));
  byId('screen-reader', HTMLInputElement).addEventListener('change', ({ target }) => {
    screen.terminal.options.screenReaderMode = (target as HTMLInputElement).checked;
  });
  wireFullScreen(() => {
    byId('size-menu', HTMLDivElement).hidePopover();
    screen.terminal.focus();
  });
  wireKeyRow(keyRow, () => screen.terminal.focus());
  wireOption((isMeta) => {
    screen.terminal.options.macOptionIsMeta = isMeta;
  });
  onClick('stty', () => {
    byId('size-menu', HTMLDivElement).hidePopover();
    vmConsole?.type(encoder.encode(`${sttyCommand()}\r`));
    screen.terminal.focus();
  });
  byId('vm', HTMLSelectElement).addEventListener('change', ({ target }) => {
    vmConsole?.choose((target as HTMLSelectElement).value);
  });
  byId('tools', HTMLDivElement).addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') screen.terminal.focus();
  });
}

function guardTyping(): void {
  // Ctrl+W is a word less in a shell, but a tab less in a browser, and a new tab needs a new link.
  window.addEventListener('beforeunload', (event) => {
    if (vmConsole?.isOpen === true) event.preventDefault();
  });
  // A click beside the terminal takes the focus away: what is typed then goes where it seems to go.
  document.addEventListener('keydown', ({ target, key, ctrlKey, altKey, metaKey }) => {
    const types = (key.length === 1 || key === 'Enter') && !ctrlKey && !altKey && !metaKey;
    if (types && target === document.body && vmConsole?.isOpen === true) screen.terminal.focus();
  });
}

async function start(): Promise<void> {
  const admittance = await seekAdmission(link);
  if (admittance.kind === 'refused') {
    showNotAdmitted(admittance.why);
    return;
  }
  const vm = link?.vm ?? sessionStorage.getItem('vm') ?? undefined;
  vmConsole = new VmConsole(admittance.key, vm, screen, {
    onInstance: showVms,
    onOpen: enableTools,
  });
}

wireTools();
guardTyping();
enableTools(false);
showSize(screen.size.columns, screen.size.rows);
start().catch(() => showNotAdmitted('The server of this page does not answer.'));
