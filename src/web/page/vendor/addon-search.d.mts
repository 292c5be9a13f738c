/** The server serves the package's own file under this name. */
export { SearchAddon } from '@xterm/addon-search';
