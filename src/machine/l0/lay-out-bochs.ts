/** What Bochs boots, in the instance's boot folder: its program, its configuration, and the images as it reads them into memory. */
import { open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { loadedSegment } from '../../formats/elf32.js';
import {
  bochsConfig,
  bochsFiles,
  bochsHandover,
  bochsNetwork,
  type BochsInputs,
} from '../../layers/l0-bochs.js';
import { link, type AssembleInputs } from '../assemble.js';
import { bootFiles } from '../plan.js';

/** More than the headers of any Xen take. */
const headBytes = 4096;

/** The boot files that every machine has are there by now. */
export async function layOutBochs(inputs: AssembleInputs, image: string): Promise<void> {
  const { paths, config, cpu, plan } = inputs;
  const inBoot = (file: string): string => join(paths.bootDir, file);
  for (const file of ['program', 'bios', 'bootRom'] as const) {
    await link(join(image, bochsFiles[file]), inBoot(bochsFiles[file]));
  }
  await link(paths.runtimeDir, inBoot(bochsFiles.sockets));
  const xen = await open(inBoot(bootFiles.xen), 'r');
  let parts: BochsInputs;
  try {
    const segment = loadedSegment(
      (await xen.read(Buffer.alloc(headBytes), 0, headBytes, 0)).buffer,
    );
    const content = Buffer.alloc(segment.bytes);
    await xen.read(content, 0, segment.bytes, segment.offset);
    await writeFile(inBoot(bochsFiles.xenImage), content);
    const module = async (
      file: string,
      commandLine: string,
    ): Promise<BochsInputs['modules'][number]> => ({
      file,
      bytes: (await stat(inBoot(file))).size,
      commandLine,
    });
    const modules = [
      await module(bootFiles.dom0Kernel, plan.dom0CommandLine),
      await module(bootFiles.dom0Initrd, ''),
    ];
    parts = { config, cpu, l2Disk: bootFiles.l2Disk, xen: segment, modules };
  } finally {
    await xen.close();
  }
  await writeFile(inBoot(bochsFiles.handover), bochsHandover(parts, plan.xenCommandLine));
  await writeFile(inBoot(bochsFiles.network), bochsNetwork());
  await writeFile(inBoot(bochsFiles.config), bochsConfig(parts));
}
