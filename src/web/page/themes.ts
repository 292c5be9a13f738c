/** Colours of the terminal, for light and for dark surroundings. Contrast is kept by xterm.js itself. */
import type { ITheme } from '@xterm/xterm';

// A selection without the focus is what the search has found just now: it stands out.

export const light: ITheme = {
  background: '#ffffff',
  foreground: '#1c2128',
  cursor: '#0b5cad',
  cursorAccent: '#ffffff',
  selectionBackground: '#b6d6f7',
  selectionInactiveBackground: '#ffb04d',
  black: '#1c2128',
  red: '#b42318',
  green: '#1a7f37',
  yellow: '#8a5a00',
  blue: '#0b5cad',
  magenta: '#8a3ab9',
  cyan: '#0a7285',
  white: '#6b7480',
  brightBlack: '#59636e',
  brightRed: '#c9372c',
  brightGreen: '#217a3c',
  brightYellow: '#946300',
  brightBlue: '#1f6fc4',
  brightMagenta: '#9a4fc9',
  brightCyan: '#147e92',
  brightWhite: '#3d454e',
};

export const dark: ITheme = {
  background: '#0f1318',
  foreground: '#dde3ea',
  cursor: '#6cb2ff',
  cursorAccent: '#0f1318',
  selectionBackground: '#27496d',
  selectionInactiveBackground: '#8f5200',
  black: '#2b333d',
  red: '#ff7b72',
  green: '#56d364',
  yellow: '#e3b341',
  blue: '#6cb2ff',
  magenta: '#d2a8ff',
  cyan: '#56d4dd',
  white: '#c5ced8',
  brightBlack: '#8b96a3',
  brightRed: '#ffa198',
  brightGreen: '#7ee787',
  brightYellow: '#f2cc60',
  brightBlue: '#9cccff',
  brightMagenta: '#e2c5ff',
  brightCyan: '#8be4ea',
  brightWhite: '#ffffff',
};

/** Of matches in the scrollback; `#RRGGBB`, as the search addon wants them. */
export const matches = {
  light: { match: '#ffe08a', active: '#ff9f43' },
  dark: { match: '#5c4a12', active: '#a35a00' },
} as const;
