/** Carries `vsbypass sbom` out. */
import { join } from 'node:path';

import { VsbError } from '../../base/errors.js';
import { installed } from '../../base/installation.js';
import type { L2Kind } from '../../config/schema.js';
import { imageNames, namesIn, whereImages } from '../../images/build.js';
import { readManifest, type Manifest } from '../../images/manifest.js';
import { makeBom, type Bom, type Component } from '../../images/sbom/cyclonedx.js';
import { readNpmLock, runtimePackages } from '../../images/sbom/npm.js';
import { programHash } from '../../images/sbom/program.js';
import { programSources, staticLibrary } from '../../images/sbom/programs.js';
import { findRoots } from '../../state/roots.js';
import type { CliContext } from '../context.js';
import { printJson, printLines, table } from '../output.js';

/** @throws VsbError E_NOT_CACHED when an image was not built, E_FILE, E_BUILD; the signal's reason */
export async function showSbom(
  context: CliContext,
  kinds: readonly L2Kind[],
  json: boolean,
): Promise<void> {
  const root = installed();
  const { lock, self } = await readNpmLock(root);
  const bom = makeBom({
    npm: runtimePackages(lock, self),
    programHash: await programHash(root),
    programs: await programSources(root),
    libc: await staticLibrary(context.signal),
    manifests: await manifestsOf(kinds, findRoots().cache, context.signal),
  });
  if (json) printJson(context, bom);
  else printLines(context, describe(bom));
}

/** Of all images that these testbeds boot, and of those in them. */
async function manifestsOf(
  kinds: readonly L2Kind[],
  cacheDir: string,
  signal: AbortSignal,
): Promise<Manifest[]> {
  const names = [...new Set(kinds.flatMap((kind) => namesIn(imageNames(kind))))];
  const where = await whereImages(names, { cacheDir, signal, onProgress: () => undefined });
  const manifests = new Map<string, Manifest>();
  const waiting = names.map((name) => ({ name, directory: where.get(name) }));
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { name, directory } = next;
    const manifest = directory === undefined ? undefined : await readManifest(directory);
    if (directory === undefined || manifest === undefined) {
      throw new VsbError('E_NOT_CACHED', `the image ${name} was not built yet`, {
        layer: 'host',
        hint: 'vsbypass build',
      });
    }
    if (manifests.has(directory)) continue;
    manifests.set(directory, manifest);
    for (const { image, key } of manifest.images) {
      waiting.push({ name: image, directory: join(cacheDir, `${image}-${key}`) });
    }
  }
  return [...manifests.values()];
}

function describe({ metadata, components }: Bom): string[] {
  return table([
    ['TYPE', 'NAME', 'VERSION', 'HASH'],
    ...[metadata.component, ...components].flatMap((component) => [
      row(component),
      ...(component.type === 'operating-system' ? (component.components ?? []).map(row) : []),
    ]),
  ]);
}

function row(component: Component): string[] {
  const { type, name, version, hashes, purl } = component;
  const [hash] = hashes ?? [];
  return [
    purl?.startsWith('pkg:deb/') === true ? 'debian' : purl === undefined ? type : 'npm',
    name,
    version ?? '-',
    hash === undefined ? '-' : `${hash.alg.toLowerCase().replace('-', '')}:${hash.content}`,
  ];
}
