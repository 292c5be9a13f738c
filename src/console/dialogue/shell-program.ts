/** How a command travels to a shell over a terminal: a program for any POSIX shell, and what that reads. */

/** What a terminal in canonical mode surely takes for one line. */
const LINE = 400;
/** A command that was stopped by a signal (19 to 22, and 128) is the shell's job now. */
const endStopped = '[ $vsbl -lt 147 ]||kill -9 %% 2>&-';

/**
 * The first line that the shell reads: no echo, and none of the options that would end it when a command fails, or print
 * what it runs. Its mark tells which options were set, so that only those are typed again that were.
 */
export function quietLine(nonce: string, next: string): string {
  return `vsb=$-;set +exv;vsbn=${nonce};vsbt=$(stty -g);stty sane -echo;echo vsb$vsbn+$vsb;${next}`;
}

/**
 * Takes what is left of us out of the shell. One that has no such function may say so.
 * @param options what `$-` was
 */
export function forget(options: string): string {
  const had = options.replace(/[^exv]/g, '');
  return `unset vsb vsbl vsbn vsbt;unset -f vsbp 2>&-${had && `;set -${had}`}`;
}

/**
 * Ends a shell that was logged in to. Of two exits the second is obeyed where the command has left a stopped job. Where a VM
 * has not booted, an exit has it go on: root's password is asked for again instead.
 */
export const logOut = { login: 'exit;exit', sulogin: 'exec sulogin' };

/** One that needs no quoting but ', and is no longer than what it saves. */
const PLAIN = /^[ -&(-~]{1,200}$/;

/**
 * What the shell reads: a program that takes the command, checks its length, runs it, says how it ended; then the command
 * piece by piece, if it is not in the program. `vsbn` is the run's number there. Few characters: each byte takes a nested
 * VM 0.2 ms.
 * @param end ends the shell, or leaves it as it was
 */
export function programLines(command: string, end: string): string[] {
  const print = 'vsbp(){ printf "vsb$vsbn$1\\n";}';
  const run =
    'vsbp \\<;(eval "$vsb");vsbl=$?;echo;vsbp ">$vsbl.\\nvsb$vsbn>$vsbl.";' +
    `${endStopped};;*)vsbp !;esac;${end}`;
  if (PLAIN.test(command)) {
    return [`${print};vsb='${command}';case \${#vsb} in ${command.length})${run}`];
  }
  const take =
    'while IFS= read -r vsbl;do case $vsbl in =*)break;esac;vsbl=$(printf "$vsbl"x);vsb=$vsb${vsbl%x};vsbp +;done';
  const program = `${print};vsb=;vsbp +;${take};case $vsbl in *=\${#vsb}=*)${run}`;
  return [program, ...pieces(command), ending(command)];
}

/** The command as arguments of printf(1): no control characters, nothing that the terminal or the shell changes. */
function pieces(command: string): string[] {
  const characters = Array.from(Buffer.from(command).toString('latin1'), (character) =>
    /[ -$&-[\]-~]/.test(character) ? character : octal(character),
  );
  const all: string[] = [];
  let piece = '';
  for (const character of characters) {
    // One that begins with `=` is the end, and with `-` an option.
    const odd = piece === '' && (character === '=' || character === '-');
    piece += odd ? octal(character) : character;
    if (piece.length < LINE - 4) continue;
    all.push(piece);
    piece = '';
  }
  return piece === '' ? all : [...all, piece];
}

function octal(character: string): string {
  return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`;
}

/** Tells how long the command is: shells count characters or bytes. */
function ending(command: string): string {
  return `=${Array.from(command).length}=${Buffer.byteLength(command)}=`;
}
