// A user VM's console at the gateway, for scripts that measure or load it: ssh2, and a deadline for all that is waited for.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

import ssh2 from 'ssh2';

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @returns {Promise<import('ssh2').Client>} */
export function connect(address, username, keyFile) {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    client.on('ready', () => resolve(client)).on('error', reject);
    client.connect({ ...address, username, privateKey: readFileSync(keyFile) });
  });
}

/** A session that types at the console, and has seen all that it showed before. */
export class Console {
  #stream;
  #text = '';
  #wake = () => {};
  async open(client) {
    this.#stream = await new Promise((resolve, reject) =>
      client.exec('attach write lines', (error, stream) =>
        error ? reject(error) : resolve(stream),
      ),
    );
    this.#stream.on('data', (bytes) => {
      this.#text += bytes.toString('latin1');
      this.#wake();
    });
    return this;
  }
  send(text) {
    this.#stream.write(text);
  }
  /** All that came up to and with the pattern. */
  async until(pattern, seconds = 60) {
    const match = await this.appears(pattern, seconds);
    const taken = this.#text.slice(0, match.index + match[0].length);
    this.#text = this.#text.slice(taken.length);
    return taken;
  }
  /** The match, which stays to be taken. */
  async appears(pattern, seconds = 60) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) return match;
      const left = end - Date.now();
      if (left <= 0)
        throw new Error(`no ${pattern} within ${seconds} s: ${this.#text.slice(-300)}`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
  /** Logs in unless somebody is: what a console shows first is its history. */
  async logInOnce(password) {
    this.send('\r');
    await pause(3000);
    if (/login: $/.test(this.#text)) await this.logIn(password);
    else await this.run('dmesg -n 1; stty cols 1000');
  }
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
