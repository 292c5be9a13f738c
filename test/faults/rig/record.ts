/** What is written down of a fault: it goes with the test to the reporter, which makes the table of it. */

export interface FaultRecord {
  /** What was done. */
  injected: string;
  /** What the user was told. */
  told: string;
  /** What ran then. */
  left: string;
  /** How the next command ended. */
  next: string;
  /** Bytes of the console: checked, lost, damaged. */
  bytes: string;
}

declare module 'vitest' {
  interface TaskMeta {
    fault?: FaultRecord;
  }
}
