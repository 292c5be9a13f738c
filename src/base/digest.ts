/** Digests of files that are too large to be read whole. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** A program that is hashed is some 18 MB. */
const pieceBytes = 1_048_576;

/** @returns SHA-256, in hexadecimal */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const content = createReadStream(path, { highWaterMark: pieceBytes });
  for await (const chunk of content) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
