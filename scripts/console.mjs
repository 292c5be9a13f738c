// A user VM's console at the gateway, for scripts that measure or load it: ssh2, and a deadline for all that is waited for.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

import ssh2 from 'ssh2';

/** @type {(ms: number) => Promise<void>} */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @param {{ host: string, port: number }} address of the gateway
 * @param {string} username the VM's name
 * @param {string} keyFile
 * @returns {Promise<import('ssh2').Client>}
 */
export function connect(address, username, keyFile) {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    client.on('ready', () => resolve(client)).on('error', reject);
    client.connect({ ...address, username, privateKey: readFileSync(keyFile) });
  });
}

/** A session that types at the console, and has seen all that it showed before. */
export class Console {
  /** @type {import('ssh2').ClientChannel | undefined} */
  #stream;
  #text = '';
  /** What the gateway said beside the console, and that the session is over. */
  #said = '';
  #closed = false;
  #wake = () => {};
  /** @param {import('ssh2').Client} client */
  async open(client) {
    /** @type {import('ssh2').ClientChannel} */
    const stream = await new Promise((resolve, reject) =>
      client.exec('attach write lines', (error, channel) =>
        error ? reject(error) : resolve(channel),
      ),
    );
    stream.on('data', (/** @type {Buffer} */ bytes) => {
      this.#text += bytes.toString('latin1');
      this.#wake();
    });
    stream.stderr.on('data', (/** @type {Buffer} */ bytes) => (this.#said += bytes.toString()));
    stream.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
    this.#stream = stream;
    return this;
  }
  /** @param {string} text */
  send(text) {
    this.#stream?.write(text);
  }
  /**
   * All that came up to and with the pattern.
   *
   * @param {RegExp} pattern
   */
  async until(pattern, seconds = 60) {
    const match = await this.appears(pattern, seconds);
    const taken = this.#text.slice(0, match.index + match[0].length);
    this.#text = this.#text.slice(taken.length);
    return taken;
  }
  /**
   * The match, which stays to be taken.
   *
   * @param {RegExp} pattern
   */
  async appears(pattern, seconds = 60) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) return match;
      const left = end - Date.now();
      if (this.#closed) throw new Error(`the session is over: ${this.#said}`);
      if (left <= 0)
        throw new Error(`no ${pattern} within ${seconds} s: ${this.#text.slice(-300)}`);
      await new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
  /**
   * Logs in unless somebody is: what a console shows first is its history.
   *
   * @param {string} password root's
   * @param {number} seconds for a prompt to come: the VM may boot
   */
  async logInOnce(password, seconds = 60) {
    const [, name] = await this.#prompt(seconds);
    if (name === 'login:') await this.logIn(password);
    else await this.run('dmesg -n 1; stty cols 1000');
  }
  /**
   * What waits for somebody. It is asked again and again: what the kernel says may follow a prompt.
   *
   * @param {number} seconds
   */
  async #prompt(seconds) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      this.send('\r');
      try {
        // A line editor asks where the cursor is: ESC [ 6 n.
        return await this.appears(/(login:|[#$]) \S{0,4}$/, 5);
      } catch (error) {
        if (this.#closed || Date.now() > end) throw error;
      }
    }
  }
  /** @param {string} password root's */
  async logIn(password) {
    this.send('\r');
    await this.until(/login: $/);
    this.send('root\r');
    await this.until(/assword: /);
    // Nothing on the console tells when login has turned the echo off, and dropped what was typed before.
    await pause(500);
    this.send(`${password}\r`);
    await this.until(/# /);
    // Wide, so that the shell does not break the commands that it echoes. Without echo it would read its input in a way
    // in which the end of a background job is taken for the end of the input.
    await this.run('dmesg -n 1; stty cols 1000');
  }
  clear() {
    this.#text = '';
  }
  /** What has come and was not taken. */
  get text() {
    return this.#text;
  }
  /**
   * What a command of the shell prints.
   *
   * @param {string} command
   */
  async run(command, seconds = 60) {
    const mark = randomBytes(6).toString('hex');
    this.clear();
    this.send(`${command}; echo "${mark.slice(0, 6)}""${mark.slice(6)}"\r`);
    const text = await this.until(new RegExp(`\n?${mark}\r?\n`), seconds);
    // What is typed before the shell reads with its line editor is echoed twice, by the terminal and by the editor.
    await this.until(/# /);
    return text.slice(text.indexOf('\n') + 1).replace(new RegExp(`${mark}\\s*$`), '');
  }
}
