/**
 * The bill of materials in the form of CycloneDX 1.5 (ECMA-424's predecessor; JSON). The same inputs give
 * the same document: it has no time, and its serial number is a hash of its content.
 */
import { createHash } from 'node:crypto';

import { uuidText } from '../../base/uuid.js';
import type { Manifest } from '../manifest.js';
import type { NpmPackage } from './npm.js';
import type { InstalledPackage, ProgramSources } from './programs.js';

interface Hash {
  readonly alg: 'SHA-256' | 'SHA-512' | 'SHA-384' | 'SHA-1';
  readonly content: string;
}

export interface Component {
  readonly type: 'application' | 'library' | 'operating-system' | 'file';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version?: string;
  readonly scope?: 'required' | 'excluded';
  readonly hashes?: readonly Hash[];
  readonly licenses?: readonly { readonly license: { readonly id: string } }[];
  readonly purl?: string;
  readonly pedigree?: {
    readonly patches: readonly {
      readonly type: 'unofficial';
      readonly diff: { readonly url: string };
    }[];
  };
  /** Parts of it. */
  readonly components?: readonly Component[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

export interface Bom {
  readonly $schema: string;
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: '1.5';
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
}

export interface BomInputs {
  /** This program first, see `runtimePackages`. */
  readonly npm: readonly NpmPackage[];
  /** See `programHash`. */
  readonly programHash: string;
  readonly programs: readonly ProgramSources[];
  /** Linked into the programs. */
  readonly libc: InstalledPackage | undefined;
  /** Of the images and of those that are in them. */
  readonly manifests: readonly Manifest[];
}

export function makeBom(inputs: BomInputs): Bom {
  const { npm, programHash, programs, libc, manifests } = inputs;
  const [self, ...libraries] = npm;
  if (self === undefined) throw new TypeError('the program itself is a package');
  const program: Component = {
    type: 'application',
    'bom-ref': npmRef(self),
    name: self.name,
    version: self.version,
    hashes: [{ alg: 'SHA-256', content: programHash }],
    licenses: [{ license: { id: 'GPL-2.0-only' } }],
    purl: npmRef(self),
  };
  const byPath = new Map(npm.map((one) => [one.path, npmRef(one)]));
  const components = [
    ...manifests.map((manifest) => imageComponent(manifest)),
    ...manifests.flatMap((manifest) => inputComponents(manifest)),
    ...manifests.flatMap((manifest) => manifest.tools.map((tool) => toolComponent(tool))),
    ...manifests.flatMap((manifest) => manifest.sources.map((source) => fileComponent(source))),
    ...programs.map(({ name }) => programComponent(name)),
    ...programs.flatMap(({ sources }) => sources.map((source) => fileComponent(source))),
    // The hash of a package that was installed before is not known.
    ...(libc === undefined ? [] : [debianComponent(libc)]),
    ...libraries.map((library) => npmComponent(library)),
  ];
  const dependencies: Dependency[] = [
    ...npm.map((one) => ({
      ref: npmRef(one),
      dependsOn: [
        ...one.dependencies.flatMap((path) => byPath.get(path) ?? []),
        ...(one === self ? manifests.map((manifest) => imageRef(manifest)) : []),
        ...(one === self ? programs.map(({ name }) => programComponent(name)['bom-ref']) : []),
      ],
    })),
    ...manifests.map((manifest) => ({
      ref: imageRef(manifest),
      dependsOn: [
        ...manifest.images.map((part) => imageRef(part)),
        ...inputComponents(manifest).map((input) => input['bom-ref']),
        ...manifest.tools.map((tool) => toolComponent(tool)['bom-ref']),
        ...manifest.sources.map((source) => fileComponent(source)['bom-ref']),
      ],
    })),
  ];
  dependencies.push(
    ...programs.map(({ name, sources }) => ({
      ref: programComponent(name)['bom-ref'],
      dependsOn: [
        ...sources.map((source) => fileComponent(source)['bom-ref']),
        ...(libc === undefined ? [] : [debianComponent(libc)['bom-ref']]),
      ],
    })),
  );
  const content = {
    metadata: { component: program },
    components: unique(components, (component) => component['bom-ref']),
    dependencies: merged(dependencies),
  };
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(content))}`,
    version: 1,
    ...content,
  };
}

function imageRef({ image, key }: { readonly image: string; readonly key: string }): string {
  return `image:${image}@${key}`;
}

function imageComponent(manifest: Manifest): Component {
  return {
    type: 'operating-system',
    'bom-ref': imageRef(manifest),
    name: `vsbypass-${manifest.image}`,
    version: manifest.key,
    components: manifest.outputs.map(({ file, sha256 }) => ({
      type: 'file',
      'bom-ref': `${imageRef(manifest)}/${file}`,
      name: file,
      hashes: [{ alg: 'SHA-256', content: sha256 }],
    })),
  };
}

/** Debian's packages; the files of a source package as one component, with our patches as its pedigree. */
function inputComponents({ inputs, sources }: Manifest): Component[] {
  const binaries = inputs
    .filter(({ architecture }) => architecture !== 'source')
    .map((input) => debianComponent(input, input));
  const parts = inputs.filter(({ architecture }) => architecture === 'source');
  const dsc = parts.find(({ file }) => file.endsWith('.dsc'));
  if (dsc === undefined) return binaries;
  const purl = debianPurl(dsc.source, dsc.sourceVersion, 'source');
  const patches = sources.filter(({ file }) => file.endsWith('.patch'));
  return [
    ...binaries,
    {
      type: 'application',
      'bom-ref': purl,
      name: dsc.source,
      version: dsc.sourceVersion,
      hashes: [{ alg: 'SHA-256', content: dsc.sha256 }],
      purl,
      ...(patches.length === 0
        ? {}
        : {
            pedigree: {
              // Their hashes stand with the files of that name.
              patches: patches.map(({ file }) => ({ type: 'unofficial', diff: { url: file } })),
            },
          }),
      components: parts.map(({ file, sha256 }) => ({
        type: 'file',
        'bom-ref': `${purl}#${file}`,
        name: file,
        hashes: [{ alg: 'SHA-256', content: sha256 }],
      })),
    },
  ];
}

function debianComponent(
  { package: name, version, architecture, source, sourceVersion }: InstalledPackage,
  downloaded?: { readonly file: string; readonly sha256: string },
): Component {
  const purl = debianPurl(name, version, architecture);
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    ...(downloaded === undefined
      ? {}
      : { hashes: [{ alg: 'SHA-256', content: downloaded.sha256 }] }),
    purl,
    properties: [
      ...(downloaded === undefined
        ? []
        : [{ name: 'vsbypass:debian:file', value: downloaded.file }]),
      { name: 'vsbypass:debian:architecture', value: architecture },
      { name: 'vsbypass:debian:source', value: source },
      { name: 'vsbypass:debian:source-version', value: sourceVersion },
    ],
  };
}

/** Of its own; it is compiled when a command needs it. */
function programComponent(name: string): Component {
  return { type: 'application', 'bom-ref': `program:${name}`, name: `vsbypass-${name}` };
}

function toolComponent({ program, version }: Manifest['tools'][number]): Component {
  // It made what is in the images, but is not in them.
  const ref = `tool:${program}@${version}`;
  return { type: 'application', 'bom-ref': ref, name: program, version, scope: 'excluded' };
}

function fileComponent({ file, sha256 }: Manifest['sources'][number]): Component {
  const hashes: Hash[] = [{ alg: 'SHA-256', content: sha256 }];
  return { type: 'file', 'bom-ref': `file:${file}`, name: file, hashes };
}

function npmComponent(one: NpmPackage): Component {
  const hashes = (one.integrity ?? '').split(' ').flatMap((text) => integrityHash(text));
  return {
    type: 'library',
    'bom-ref': npmRef(one),
    name: one.name,
    version: one.version,
    ...(hashes.length === 0 ? {} : { hashes }),
    purl: npmRef(one),
  };
}

const algorithms = {
  sha512: 'SHA-512',
  sha384: 'SHA-384',
  sha256: 'SHA-256',
  sha1: 'SHA-1',
} as const;

/** Subresource Integrity as a hash of CycloneDX, which is hexadecimal. */
function integrityHash(text: string): Hash[] {
  const [name = '', base64 = ''] = text.split(/-(.*)/s);
  const alg = Object.entries(algorithms).find(([known]) => known === name)?.[1];
  return alg === undefined ? [] : [{ alg, content: Buffer.from(base64, 'base64').toString('hex') }];
}

/** Package URLs (purl-spec): types `npm` and `deb`. */
function npmRef({ name, version }: NpmPackage): string {
  return `pkg:npm/${name.split('/').map(encode).join('/')}@${encode(version)}`;
}

function debianPurl(name: string, version: string, architecture: string): string {
  return `pkg:deb/debian/${encode(name)}@${encode(version)}?arch=${encode(architecture)}`;
}

/** The specification leaves `:` as it is. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':');
}

function unique<T>(list: readonly T[], keyOf: (one: T) => string): T[] {
  return [...new Map(list.map((one) => [keyOf(one), one])).values()];
}

/** One for each reference. npm may have a package twice, whose copies find other packages. */
function merged(list: readonly Dependency[]): Dependency[] {
  const byRef = new Map<string, Set<string>>();
  for (const { ref, dependsOn } of list) {
    byRef.set(ref, new Set([...(byRef.get(ref) ?? []), ...dependsOn]));
  }
  return [...byRef].map(([ref, all]) => ({ ref, dependsOn: [...all].sort() }));
}

/** A UUID of version 8 (RFC 9562, 5.8), whose bits are those of a SHA-256. */
function uuidOf(content: string): string {
  const bytes = createHash('sha256').update(content).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuidText(bytes);
}
