/**
 * The machine that runs L1: one interface for all makes of it. What is above asks a machine what it can do, never of which make it is.
 */
import type { Exchange, PlaceInFile } from '../saved/transfer.js';
import type { Uuids } from '../saved/uuids.js';
import type { MachineProcess } from './process.js';

export interface L0Machine {
  /** Its make, for people. */
  readonly make: string;
  /** What the first phase of a boot waits for. */
  readonly opening: { readonly phase: string; readonly awaited: string };
  readonly process: MachineProcess;

  /**
   * Waits until it can be told what to do. Its guest does not run yet, unless it ran before.
   *
   * @throws VsbError what it does not answer; the signal's reason
   */
  open(signal: AbortSignal, limitMs: number): Promise<void>;
  readonly isOpen: boolean;
  /** Lets its guest run, once all that it prints is read. */
  run(signal: AbortSignal): Promise<void>;

  /** Which free port of this host was taken to lead to one of its network. */
  forwards(signal: AbortSignal): Promise<PortFinder>;
  /** How often its disks were read or written; undefined where nobody counts. */
  diskRequests(): Promise<number | undefined>;
  /** Whether it does its part, by what it answers. */
  health(limitMs: number): Promise<{ readonly ok: boolean; readonly detail: string }>;
  /** What shows where it stands: names of files, and what goes into each. */
  evidence(signal: AbortSignal): readonly Evidence[];

  /** Whether L1 must run no guest at the moment at which it is stopped. */
  readonly stopsBetweenGuestsOnly: boolean;
  stop(signal: AbortSignal): Promise<void>;
  /** Lets it go on, also where it was not stopped. */
  continue(): Promise<void>;

  /**
   * Writes the state of the stopped machine, which can be told to go on however this ends. Returns where in the file the UUIDs are.
   *
   * @throws VsbError E_SKIPPED where it keeps none
   */
  save(file: string, signal: AbortSignal, uuids?: Uuids): Promise<readonly PlaceInFile[]>;
  /** Takes a state, instead of a boot. */
  restore(file: string, signal: AbortSignal, exchange: Exchange): Promise<void>;

  /** Closes the connection to it; it goes on. */
  release(): void;
  /** Ends it as it likes best, else by signals. */
  end(): Promise<void>;
}

/** @throws VsbError E_QMP where no port leads there */
export type PortFinder = (address: string, port: number) => number;

export interface Evidence {
  readonly file: string;
  readonly content: () => Promise<string>;
}
