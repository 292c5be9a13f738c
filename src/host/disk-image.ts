/** Disk images that users bring: what they must not do, and how one is left as it is. */
import { open } from 'node:fs/promises';

import { execa } from 'execa';

import { VsbError, messageOf } from '../base/errors.js';

export interface DiskImage {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
}

/** QEMU's docs/interop/qcow2.txt. */
const magic = 0x514649fb;
const dataFileFeature = 1n << 2n;
/** Of an image that is as long as it says. */
const longestName = 1023;

/**
 * An image of the format qcow2 can name other files, which QEMU would open and show to whoever has the image.
 *
 * @throws VsbError E_DISK_IMAGE: it does, or it is none; E_FILE
 */
export async function assertSelfContained({ path, format }: DiskImage): Promise<void> {
  if (format === 'raw') return;
  const header = await readStart(path, 104);
  if (header.length < 72 || header.readUInt32BE(0) !== magic) {
    throw new VsbError('E_DISK_IMAGE', `${path} is no qcow2 image`, {
      hint: '`qemu-img info FILE` tells its format; "format": "raw" takes it as it is.',
    });
  }
  const version = header.readUInt32BE(4);
  const backingOffset = header.readBigUInt64BE(8);
  const features = version >= 3 && header.length >= 104 ? header.readBigUInt64BE(72) : 0n;
  const backing =
    backingOffset === 0n ? undefined : await nameAt(path, backingOffset, header.readUInt32BE(16));
  const other =
    backing !== undefined
      ? `has a backing file (${backing})`
      : (features & dataFileFeature) !== 0n
        ? 'keeps its data in another file'
        : undefined;
  if (other === undefined) return;
  throw new VsbError(
    'E_DISK_IMAGE',
    `${path} ${other}: whoever made the image could read any file of this host`,
    {
      hint: `Make it one file, if you trust it: \`qemu-img convert -O qcow2 ${path} NEW\`.`,
      details: { path, ...(backing === undefined ? {} : { backing }) },
    },
  );
}

async function nameAt(path: string, offset: bigint, length: number): Promise<string> {
  const bytes = await readAt(path, Number(offset), Math.min(length, longestName));
  return bytes.toString('latin1').replace(/[^\x20-\x7e]/g, '?');
}

/**
 * The first bytes of the disk that an image is.
 *
 * @throws VsbError E_DISK_IMAGE when qemu-img cannot read it; E_FILE; the signal's reason
 */
export async function readDisk(
  { path, format }: DiskImage,
  bytes: number,
  options: { readonly scratch: string; readonly signal: AbortSignal },
): Promise<Buffer> {
  if (format === 'raw') return await readStart(path, bytes);
  const sectors = ['bs=512', `count=${Math.ceil(bytes / 512)}`];
  // It knows no pipe as its output.
  const files = [`if=${path}`, `of=${options.scratch}`];
  await qemuImg(['dd', '-f', format, '-O', 'raw', ...sectors, ...files], options.signal);
  return await readStart(options.scratch, bytes);
}

/**
 * An image beside another that takes all that is written.
 *
 * @throws VsbError E_DISK_IMAGE, E_NO_SPACE, E_PACKAGE_MISSING; the signal's reason
 */
export async function createOverlay(
  { path, format }: DiskImage,
  overlay: string,
  signal: AbortSignal,
): Promise<void> {
  await qemuImg(['create', '-q', '-f', 'qcow2', '-F', format, '-b', path, overlay], signal);
}

async function qemuImg(words: readonly string[], signal: AbortSignal): Promise<void> {
  const result = await execa('qemu-img', words, {
    reject: false,
    cancelSignal: signal,
    stdin: 'ignore',
  });
  signal.throwIfAborted();
  if (result.exitCode === 0) return;
  if (result.code === 'ENOENT') {
    throw new VsbError(
      'E_PACKAGE_MISSING',
      'qemu-img is needed for disks of a system of your own',
      {
        layer: 'host',
        hint: 'apt-get install qemu-utils',
      },
    );
  }
  const said = result.stderr?.trim() || (result.shortMessage ?? 'it failed');
  const full = said.includes('No space left');
  throw new VsbError(full ? 'E_NO_SPACE' : 'E_DISK_IMAGE', said, {
    layer: 'host',
    hint: full
      ? 'Make room there, or set XDG_STATE_HOME to a larger disk.'
      : '`qemu-img check FILE` looks for damage.',
  });
}

async function readStart(path: string, bytes: number): Promise<Buffer> {
  return await readAt(path, 0, bytes);
}

async function readAt(path: string, offset: number, bytes: number): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, offset);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new VsbError('E_FILE', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}
