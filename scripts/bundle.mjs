// Puts the command line and the libraries that it starts with into few files, dist/program: of some 300 ms that a command took to
// start, 100 went into finding and linking 400 modules. What is loaded late, or is CommonJS, stays a package of its own.
// Part of `npm run build`, after the compiler.
import { dirname } from 'node:path';

import { rolldown } from 'rolldown';
import license from 'rollup-plugin-license';

const root = dirname(import.meta.dirname);
const program = `${root}/dist/program`;
const apart = /^(?:ssh2|ws|@xterm\/.*)$/;

const bundle = await rolldown({
  input: {
    main: `${root}/dist/cli/main.js`,
    // Started by its path, beside the module that starts it.
    'screen-worker': `${root}/dist/console/gateway/screen-worker.js`,
  },
  platform: 'node',
  external: apart,
  plugins: [license({ cwd: root, thirdParty: { output: `${program}/third-party-licenses.txt` } })],
  onLog: (level, { message }) => {
    process.stderr.write(`bundle: ${level}: ${message}\n`);
    if (level === 'warn') process.exitCode = 1;
  },
});
await bundle.write({ dir: program, format: 'esm', chunkFileNames: '[name]-[hash].js' });
