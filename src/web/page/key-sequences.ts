/** What the page's own keys type. */

/** By the name of the key (ECMA-48; cursor keys also in the mode that a program may have chosen, DECCKM). */
export const sequences: Readonly<Record<string, (application: boolean) => string>> = {
  Escape: () => '\x1b',
  Tab: () => '\t',
  ArrowUp: (application) => (application ? '\x1bOA' : '\x1b[A'),
  ArrowDown: (application) => (application ? '\x1bOB' : '\x1b[B'),
  ArrowRight: (application) => (application ? '\x1bOC' : '\x1b[C'),
  ArrowLeft: (application) => (application ? '\x1bOD' : '\x1b[D'),
};

/** What the control key makes of a character; undefined if nothing. */
export function withControl(text: string): string | undefined {
  if (!/^[@-_a-z ]$/.test(text)) return undefined;
  return text === ' ' ? '\0' : String.fromCharCode(text.toUpperCase().charCodeAt(0) & 0x1f);
}
