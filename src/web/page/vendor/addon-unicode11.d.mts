/** The server serves the package's own file under this name. */
export { Unicode11Addon } from '@xterm/addon-unicode11';
