/** How a command travels to a shell over a terminal: a program for any POSIX shell, and what that reads. */

/** What a terminal in canonical mode surely takes for one line. */
const LINE = 400;
/** A command that was stopped by a signal (19 to 22, and 128) is the shell's job now. */
const endStopped = '[ $vsb -lt 147 ]||kill -9 %% 2>/dev/null';

/**
 * What the shell runs: takes the command piece by piece, checks its length, runs it, says how it ended.
 * @param exit then the shell ends; otherwise it gives the terminal back
 */
export function program(nonce: string, { exit }: { exit: boolean }): string {
  const mark = (kind: string): string => `printf 'vsb%s${kind}\\n' ${nonce}`;
  return (
    `vsb=;${mark('+')};` +
    `while IFS= read -r vsbl;do case $vsbl in =*)break;;esac;vsbl=$(printf "$vsbl"x);vsb=$vsb\${vsbl%x};${mark('+')};done;` +
    `case $vsbl in *=\${#vsb}=*)${mark('<')};(eval "$vsb");vsb=$?;` +
    `printf "\\nvsb%s>$vsb.\\nvsb%s>$vsb.\\n" ${nonce} ${nonce};${endStopped};;*)${mark('!')};;esac;` +
    // Only the second is obeyed where the command has left a stopped job.
    (exit ? 'exit;exit' : 'stty "$vsbt";unset vsb vsbl vsbt')
  );
}

/** The command as arguments of printf(1): no control characters, nothing that the terminal or the shell changes. */
export function pieces(command: string): string[] {
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
export function ending(command: string): string {
  return `=${Array.from(command).length}=${Buffer.byteLength(command)}=`;
}
