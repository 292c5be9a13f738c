/**
 * Limits of what an emulated machine does. They end what hangs and nothing else: the figures in the tests suit the machine
 * of docs/performance.md, and machines that take four times as long have been seen.
 */
const slack = 4;

/** Milliseconds, for this machine. */
export const patientMs = (milliseconds: number): number => milliseconds * slack;

/** Seconds as the argument of `--timeout`. */
export const patientSeconds = (seconds: number): string => String(seconds * slack);
