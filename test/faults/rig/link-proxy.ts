/** Stands between the daemon and the link's end at QEMU, and does to what passes what a fault would: cuts it, damages it, holds it. */
import { renameSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

import type { Random } from '../../../src/bench/statistics/random.js';

export class LinkProxy {
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #server: Server;
  readonly #random: Random;
  #garble = 0;
  #stalled = false;
  /** Chunks that were damaged or dropped. */
  damaged = 0;

  /** @param socketPath QEMU's end of the link, which this takes the place of */
  constructor(socketPath: string, random: Random) {
    this.#random = random;
    const behind = `${socketPath}.qemu`;
    renameSync(socketPath, behind);
    this.#server = createServer((daemon) => this.#join(daemon, createConnection(behind)));
    this.#server.listen(socketPath);
  }

  /** Ends the connections there are; new ones are taken. */
  cut(): void {
    for (const ends of this.#pairs) for (const end of ends) end.destroy();
  }
  /** @param share of the chunks that get a changed byte, lose one, gain some, or do not arrive */
  garble(share: number): void {
    this.#garble = share;
  }
  /** Nothing passes, and nobody is told. */
  stall(on: boolean): void {
    this.#stalled = on;
    for (const ends of this.#pairs) for (const end of ends) end[on ? 'pause' : 'resume']();
  }
  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(daemon: Socket, qemu: Socket): void {
    const ends = [daemon, qemu] as const;
    this.#pairs.add(ends);
    for (const [end, other] of [ends, [qemu, daemon] as const]) {
      end.on('data', (bytes: Buffer) => other.write(this.#pass(bytes)));
      end.on('error', () => undefined);
      end.on('close', () => {
        this.#pairs.delete(ends);
        other.destroy();
      });
      if (this.#stalled) end.pause();
    }
  }

  #pass(bytes: Buffer): Buffer {
    if (this.#random() >= this.#garble) return bytes;
    this.damaged++;
    const at = Math.floor(this.#random() * bytes.length);
    const head = bytes.subarray(0, at);
    switch (Math.floor(this.#random() * 4)) {
      case 0: {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(at) ^ (1 + Math.floor(this.#random() * 255)), at);
        return changed;
      }
      case 1:
        return Buffer.concat([head, bytes.subarray(at + 1)]);
      case 2:
        return Buffer.concat([head, Buffer.from([0xc0, 0xdb, 0xff, 0x03]), bytes.subarray(at)]);
      default:
        return Buffer.alloc(0);
    }
  }
}
