/** Whether text for people may have colours. */

/** By the conventions of no-color.org, and by what the terminal says it is. */
export function wantsColor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !isSet(env['NO_COLOR']) && env['TERM'] !== 'dumb';
}

/** Whether an environment variable has a value. */
export function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}
