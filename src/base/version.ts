/** The version of this program. */
import { readFileSync } from 'node:fs';

import { installed } from './installation.js';

export function packageVersion(): string {
  const text = readFileSync(installed('package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
