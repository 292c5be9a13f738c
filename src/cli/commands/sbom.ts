/** `vsbypass sbom`: what the program and its images are made of. */
import { Command, Option } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { l2Kinds } from '../options.js';

const examples = `
The bill of materials of the images as they were built, and of this program: Debian packages and their source packages,
Xen's source and the patches, own sources, compilers and tools, packages of npm, each with version and hash.

Examples:
  $ vsbypass sbom                       a table
  $ vsbypass sbom --json >bom.json      CycloneDX 1.5; the same images give the same document
  $ vsbypass sbom --l2 kvm              only what a testbed with KVM as L2 boots`;

export function sbomCommand(context: CliContext): Command {
  const command = new Command('sbom')
    .description('list what program and images are made of, with versions and hashes')
    .addOption(
      new Option('--l2 <kind>', 'only what this virtualized system needs').choices(l2Kinds),
    )
    .option('--json', 'print a CycloneDX document', false)
    .addHelpText('after', examples)
    .action(async ({ l2, json }) => {
      const { showSbom } = await import('../actions/sbom.js');
      await showSbom(context, l2 === undefined ? l2Kinds : [l2], json);
    });
  return command;
}
