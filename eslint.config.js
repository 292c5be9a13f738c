import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import js from '@eslint/js';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * The rooms of src, from the ground up: a file may import from its own room and from those before it. What each
 * holds: docs/architecture.md.
 */
const rooms = [
  ...['base', 'formats', 'config', 'contract', 'link', 'host', 'state', 'layers', 'images'],
  ...['console', 'machine', 'instance', 'daemon', 'web', 'verify', 'bench', 'cli', 'boots'],
];

/** The same within the console; what two of them share lies beside them. */
const consoleRooms = ['hub', 'gateway', 'client', 'dialogue'];

const unknown = readdirSync(join(import.meta.dirname, 'src')).filter(
  (name) => name !== 'index.ts' && !rooms.includes(name),
);
if (unknown.length > 0)
  throw new Error(`no place in the order of rooms: src/${unknown.join(', src/')}`);

/** For import-x/no-restricted-paths: what of `folder` the rooms in it may not import. */
function downwardsOnly(folder, names) {
  return names.slice(0, -1).map((name, index) => ({
    target: `${folder}/${name}`,
    from: names.slice(index + 1).map((above) => `${folder}/${above}`),
    message: `${folder}/${name} is below it: what both need goes further down.`,
  }));
}

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', 'images/', 'node_modules/'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: {
          allowDefaultProject: ['eslint.config.js', 'bin/vsbypass.js', 'scripts/*.mjs'],
        },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      // Numbers read as they are meant to; `() => stop()` says what it does, whatever it returns.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-invalid-void-type': ['error', { allowAsThisParameter: true }],
      // It takes what was looked at before an `await` for what is true after it, and believes all that libraries declare.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    files: ['src/**'],
    plugins: { 'import-x': importX },
    settings: {
      // Imports name the file that the compiler makes.
      'import-x/resolver-next': [createNodeResolver({ extensionAlias: { '.js': ['.ts', '.js'] } })],
    },
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'TSImportType[source.value=/^[.]/]',
          message: 'The order of rooms is checked for import statements: use `import type`.',
        },
      ],
      'import-x/no-restricted-paths': [
        'error',
        {
          basePath: import.meta.dirname,
          zones: [
            ...downwardsOnly('src', [...rooms, 'index.ts']),
            ...downwardsOnly('src/console', consoleRooms),
            {
              target: 'src/daemon',
              from: 'src/instance',
              message: 'The daemon and its clients share the contract and the machine.',
            },
            {
              target: ['src/console/client', 'src/console/dialogue'],
              from: ['src/console/hub', 'src/console/gateway'],
              message:
                'The two ends of a console share what lies beside their rooms, and the contract.',
            },
            {
              target: 'src/web/page',
              from: 'src',
              except: ['./web/page', './web/messages.ts'],
              message: 'The page runs in a browser.',
            },
          ],
        },
      ],
    },
  },
  { files: ['**/*.js', '**/*.mjs'], ...tseslint.configs.disableTypeChecked },
  {
    files: ['bin/*.js', 'scripts/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
      },
    },
  },
);
