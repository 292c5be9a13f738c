/** The server serves the package's own file under this name. */
export { FitAddon } from '@xterm/addon-fit';
