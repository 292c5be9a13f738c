import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { Ajv } from 'ajv';
import { expect, it } from 'vitest';

import type { Manifest } from '../../../src/images/manifest.js';
import { makeBom, type Bom, type Component } from '../../../src/images/sbom/cyclonedx.js';
import { readNpmLock, runtimePackages } from '../../../src/images/sbom/npm.js';
import { programSources } from '../../../src/images/sbom/programs.js';

const root = join(import.meta.dirname, '../../..');
const hash = (digit: string): string => digit.repeat(64);
const tools = [{ program: 'gcc', version: 'gcc (Debian 12.2.0-14) 12.2.0' }];

const xen: Manifest = {
  schemaVersion: 2,
  image: 'xen',
  key: '0011223344556677',
  inputs: ['xen_4.17.5-1.dsc', 'xen_4.17.5.orig.tar.xz'].map((file, index) => ({
    package: 'xen',
    version: '4.17.5-1',
    architecture: 'source',
    source: 'xen',
    sourceVersion: '4.17.5-1',
    file,
    sha256: hash(String(index)),
  })),
  sources: [
    { file: 'images/xen/patches/0001-x86-a-fix.patch', sha256: hash('a') },
    { file: 'images/xen/src/link.c', sha256: hash('b') },
  ],
  images: [],
  tools,
  outputs: [{ file: 'xen', size: 5, sha256: hash('c') }],
};
const busybox = {
  package: 'busybox-static',
  version: '1:1.35.0-4+b1',
  architecture: 'amd64',
  source: 'busybox',
  sourceVersion: '1:1.35.0-4',
  file: 'busybox-static_1%3a1.35.0-4+b1_amd64.deb',
  sha256: hash('d'),
};
const l3: Manifest = {
  ...{ ...xen, image: 'l3', key: '8899aabbccddeeff', inputs: [busybox] },
  sources: [{ file: 'images/lib/image.sh', sha256: hash('e') }],
  outputs: [{ file: 'initrd', size: 6, sha256: hash('f') }],
};
const l2: Manifest = { ...l3, image: 'l2-kvm', images: [{ image: 'l3', key: l3.key }] };

const libc = { ...busybox, package: 'libc6-dev' };

async function bom(manifests = [xen, l2, l3]): Promise<Bom> {
  const { lock, self } = await readNpmLock(root);
  const npm = runtimePackages(lock, self);
  const programs = await programSources(root);
  return makeBom({ npm, programHash: hash('7'), programs, libc, manifests });
}

/** What is wrong with a document, by the schema of CycloneDX 1.5. */
async function complaints(document: unknown): Promise<unknown[]> {
  const main = createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json');
  const [schema, ...others] = await Promise.all(
    ['bom-1.5', 'spdx', 'jsf-0.82'].map(async (name) => {
      const path = join(dirname(main), 'res/schema', `${name}.SNAPSHOT.schema.json`);
      return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    }),
  );
  const formats = {
    uri: true,
    'iri-reference': true,
    'idn-email': true,
    'date-time': true,
    email: true,
  } as const;
  const ajv = new Ajv({ strict: false, formats });
  others.forEach((other, index) =>
    ajv.addSchema(
      other,
      `http://cyclonedx.org/schema/${['spdx', 'jsf-0.82'][index]}.SNAPSHOT.schema.json`,
    ),
  );
  const validate = ajv.compile(schema ?? {});
  validate(document);
  return validate.errors ?? [];
}

function all(components: readonly Component[]): Component[] {
  return components.flatMap((one) => [one, ...all(one.components ?? [])]);
}

it('makeBom is valid by the schema of CycloneDX 1.5, which finds what is wrong', async () => {
  const document = await bom();
  expect(await complaints(document)).toEqual([]);
  expect(await complaints({ ...document, specVersion: 1.5 })).not.toEqual([]);
  const [first, ...rest] = document.components;
  const bad = { ...first, hashes: [{ alg: 'SHA-256', content: 'no' }] };
  expect(await complaints({ ...document, components: [bad, ...rest] })).not.toEqual([]);
});

it('makeBom gives each component once, and every reference leads to one', async () => {
  const { metadata, components, dependencies } = await bom();
  const refs = all([metadata.component, ...components]).map((one) => one['bom-ref']);
  expect(new Set(refs).size).toBe(refs.length);
  expect(dependencies.map(({ ref }) => ref)).toHaveLength(
    new Set(dependencies.map(({ ref }) => ref)).size,
  );
  for (const { ref, dependsOn } of dependencies) {
    expect(refs).toEqual(expect.arrayContaining([ref, ...dependsOn]));
  }
});

it('makeBom names a Debian package with its source package and hash', async () => {
  const { components, dependencies } = await bom();
  const purl = 'pkg:deb/debian/busybox-static@1:1.35.0-4%2Bb1?arch=amd64';
  expect(components.filter((one) => one.name === 'busybox-static')).toEqual([
    {
      type: 'library',
      'bom-ref': purl,
      name: 'busybox-static',
      version: '1:1.35.0-4+b1',
      hashes: [{ alg: 'SHA-256', content: hash('d') }],
      purl,
      properties: [
        { name: 'vsbypass:debian:file', value: busybox.file },
        { name: 'vsbypass:debian:architecture', value: 'amd64' },
        { name: 'vsbypass:debian:source', value: 'busybox' },
        { name: 'vsbypass:debian:source-version', value: '1:1.35.0-4' },
      ],
    },
  ]);
  expect(dependencies.find(({ ref }) => ref === `image:l2-kvm@${l2.key}`)?.dependsOn).toEqual(
    expect.arrayContaining([purl, `image:l3@${l3.key}`, 'file:images/lib/image.sh']),
  );
});

it("makeBom names Xen's source, its archives, the patches and their hashes", async () => {
  const { components } = await bom();
  const source = components.find((one) => one.name === 'xen');
  expect(source).toMatchObject({
    version: '4.17.5-1',
    hashes: [{ alg: 'SHA-256', content: hash('0') }],
    pedigree: { patches: [{ type: 'unofficial', diff: { url: xen.sources[0]?.file } }] },
  });
  expect(source?.components?.map(({ name }) => name)).toEqual(xen.inputs.map(({ file }) => file));
  expect(components.find((one) => one.name === xen.sources[0]?.file)).toMatchObject({
    hashes: [{ alg: 'SHA-256', content: hash('a') }],
  });
});

it('makeBom gives the same document for the same inputs, and another number for others', async () => {
  const first = await bom();
  expect(await bom()).toEqual(first);
  const changed = { ...xen, outputs: [{ file: 'xen', size: 5, sha256: hash('9') }] };
  const other = await bom([changed, l2, l3]);
  expect(other.serialNumber).not.toBe(first.serialNumber);
  expect(first.serialNumber).toMatch(
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});

it('makeBom names the sources of the programs, and the library that is linked into them', async () => {
  const { components, dependencies } = await bom();
  const search = dependencies.find(({ ref }) => ref === 'program:search')?.dependsOn;
  expect(search).toEqual([
    'file:images/programs/search/build',
    'file:images/programs/search/search.c',
    'pkg:deb/debian/libc6-dev@1:1.35.0-4%2Bb1?arch=amd64',
  ]);
  const source = await readFile(join(root, 'images/programs/search/search.c'));
  expect(components.find((one) => one.name === 'images/programs/search/search.c')?.hashes).toEqual([
    { alg: 'SHA-256', content: createHash('sha256').update(source).digest('hex') },
  ]);
  expect(components.find((one) => one.name === 'libc6-dev')).not.toHaveProperty('hashes');
});
