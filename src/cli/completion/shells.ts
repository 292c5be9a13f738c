/**
 * The shells' side. Each script asks the program itself, so that it knows every command, option and name
 * of the version that is installed, and those of the VMs that there are now.
 */
import type { Completion } from './words.js';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** A line that stands for "files". It is no candidate: those never begin so. */
const FILES = ':files';

/** What `vsbypass complete` prints for a shell: a candidate a line. */
export function renderCandidates(shell: Shell, last: string, completion: Completion): string[] {
  if (completion === 'files') return [FILES];
  return completion.map(({ value, description }) => {
    switch (shell) {
      case 'bash':
        return afterWordBreak(value, last);
      case 'zsh':
        // _describe(): a colon ends the candidate.
        return `${value.replace(/[\\:]/g, '\\$&')}:${description}`;
      case 'fish':
        return description === '' ? value : `${value}\t${description}`;
    }
  });
}

/**
 * bash breaks words at `=` and `:` (COMP_WORDBREAKS) and replaces only what comes after the last of them.
 * @returns the candidate without what stays
 */
function afterWordBreak(value: string, last: string): string {
  const at = Math.max(last.lastIndexOf('='), last.lastIndexOf(':'));
  return value.slice(at + 1);
}

/** Words that bash has broken at `=` and `:`, whole again. */
export function joinWordBreaks(words: readonly string[]): string[] {
  const joined: string[] = [];
  let open = false;
  for (const word of words) {
    const separator = word === ':' || word === '=';
    if (joined.length > 0 && (open || separator)) joined.push(`${joined.pop()}${word}`);
    else joined.push(word);
    open = separator;
  }
  return joined;
}

const bash = `# bash completion for vsbypass. To have it in every shell:
#   vsbypass completion bash > ~/.local/share/bash-completion/completions/vsbypass
_vsbypass() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == '${FILES}' ]]; then
      compopt -o default
      return
    fi
    COMPREPLY+=("$line")
  done < <("\${COMP_WORDS[0]}" complete bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _vsbypass vsbypass
`;

const zsh = `#compdef vsbypass
# zsh completion for vsbypass. To have it in every shell, in a folder of $fpath:
#   vsbypass completion zsh > ~/.zfunc/_vsbypass
_vsbypass() {
  local -a lines
  lines=("\${(@f)$("\${(Q)words[1]}" complete zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "\${lines[1]}" == '${FILES}' ]]; then
    _files
  elif [[ -n "\${lines[1]}" ]]; then
    _describe vsbypass lines
  fi
}
if [[ "\${funcstack[1]}" == _vsbypass ]]; then
  _vsbypass "$@"
else
  compdef _vsbypass vsbypass
fi
`;

const fish = `# fish completion for vsbypass. To have it in every shell:
#   vsbypass completion fish > ~/.config/fish/completions/vsbypass.fish
function __vsbypass_complete
  set -l words (commandline -opc)
  set -l lines ($words[1] complete fish -- $words[2..-1] (commandline -ct) 2>/dev/null)
  if test "$lines[1]" = '${FILES}'
    __fish_complete_path (commandline -ct)
  else if test -n "$lines[1]"
    printf '%s\\n' $lines
  end
end
complete -c vsbypass -f -a '(__vsbypass_complete)'
`;

export const shellScripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
