/** manifest.json of an image (images/lib/manifest.sh): what went into it and what came out. */
import { join } from 'node:path';

import { z } from 'zod';

import { readJson } from '../base/files.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Of any version: enough to tell whether an image is as it was built. */
export const outputsSchema = z.object({
  outputs: z.array(z.object({ file: z.string(), size: z.int().optional(), sha256 })),
});

const manifestSchema = outputsSchema.extend({
  schemaVersion: z.literal(2),
  image: z.string(),
  key: z.string(),
  /** Debian packages, binary or (architecture `source`) source ones. */
  inputs: z.array(
    z.object({
      package: z.string(),
      version: z.string(),
      architecture: z.string(),
      source: z.string(),
      sourceVersion: z.string(),
      file: z.string(),
      sha256,
    }),
  ),
  /** Own sources, patches among them, by their path in the package of this program. */
  sources: z.array(z.object({ file: z.string(), sha256 })),
  /** Images that are a part of it. */
  images: z.array(z.object({ image: z.string(), key: z.string() })),
  /** Programs of the host whose output is in it. */
  tools: z.array(z.object({ program: z.string(), version: z.string() })),
});
export type Manifest = z.output<typeof manifestSchema>;

/** Undefined when the image was not built. @throws VsbError E_FILE when it is damaged */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  return await readJson(join(directory, 'manifest.json'), manifestSchema);
}
