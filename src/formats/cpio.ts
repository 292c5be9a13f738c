/**
 * Writes cpio archives in the "newc" format (cpio(5), the kernel's initramfs buffer format): what an
 * instance adds to an image's initrd. The kernel unpacks archives that stand behind each other, later
 * files replacing earlier ones.
 */
export interface CpioFile {
  /** Path inside the archive, absolute or relative; stored without a leading slash. */
  readonly path: string;
  readonly content: string | Buffer;
  /** Permission bits, default 0o644. */
  readonly mode?: number;
}

/** The kernel wants each archive of an initrd to start at a multiple of 4; cpio(1) itself pads to 512. */
const blockBytes = 512;
const maximumFileBytes = 0xffff_ffff;

/**
 * Packs files, owner root, with every parent folder (mode 0755) before its first file. The result is
 * the same for the same input: no times, inode numbers count from 1.
 */
export function packCpio(files: readonly CpioFile[]): Buffer {
  const entries: Buffer[] = [];
  const directories = new Set<string>();
  let inode = 0;
  const add = (path: string, mode: number, content: Buffer): void => {
    entries.push(packEntry(++inode, path, mode, content));
  };
  for (const file of files) {
    const path = normalise(file.path);
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const directory = parts.slice(0, depth).join('/');
      if (directories.has(directory)) continue;
      directories.add(directory);
      add(directory, 0o040_755, Buffer.alloc(0));
    }
    add(path, 0o100_000 | (file.mode ?? 0o644), Buffer.from(file.content));
  }
  entries.push(packEntry(0, 'TRAILER!!!', 0, Buffer.alloc(0)));
  return pad(Buffer.concat(entries), blockBytes);
}

function normalise(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.length === 0 || parts.some((part) => part === '.' || part === '..')) {
    throw new RangeError(`not a path for an archive: ${path}`);
  }
  return parts.join('/');
}

function packEntry(inode: number, path: string, mode: number, content: Buffer): Buffer {
  if (content.length > maximumFileBytes) throw new RangeError(`${path} is too large for newc`);
  const name = Buffer.from(`${path}\0`);
  const isDirectory = (mode & 0o170_000) === 0o040_000;
  const fields = [
    inode,
    mode,
    0, // uid
    0, // gid
    isDirectory ? 2 : 1, // links
    0, // modification time
    content.length,
    0, // device of the file, major and minor
    0,
    0, // device number, major and minor
    0,
    name.length,
    0, // check sum, unused in this variant
  ];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([
    pad(Buffer.concat([Buffer.from(header, 'ascii'), name]), 4),
    pad(content, 4),
  ]);
}

function pad(data: Buffer, alignment: number): Buffer {
  const missing = (alignment - (data.length % alignment)) % alignment;
  return missing === 0 ? data : Buffer.concat([data, Buffer.alloc(missing)]);
}
