/** What a run of `vsbypass verify` finds, as data: the JSON document, and what the verdict is made from. */

import type { EvidenceKind } from './watched.js';

/** Forms in which a canary counts as found. */
export const encodings = [
  'plain',
  'reversed',
  'hex',
  'base64',
  /** Any byte after each one: UTF-16 of both byte orders is the case in which it is a zero. */
  'interleaved',
  'interleaved, reversed',
] as const;
export type Encoding = (typeof encodings)[number];

/** How a canary came to be on the console. */
export const canaryKinds = ['echoed', 'hidden', 'printed'] as const;
/**
 * `echoed`: typed at a shell prompt. `hidden`: typed with the echo off, as a password is. `printed`: put
 * out by the user VM, never typed in this form. `planted`: put into a channel by the self-test.
 */
export type CanaryKind = (typeof canaryKinds)[number] | 'planted';

/** Where the console goes during a part of the run. */
export type PhaseMode = 'baseline' | 'shadow';

export interface Hit {
  readonly canary: CanaryKind;
  readonly encoding: Encoding;
  readonly count: number;
  /** The first few places, for people. */
  readonly where: readonly string[];
}

export interface ChannelEvidence {
  readonly layer: 'L1' | 'L2';
  readonly channel: string;
  readonly method: string;
  readonly bytesSearched: number;
  /** Bytes that could not be read: mappings of devices and the like. */
  readonly bytesUnread: number;
  readonly seconds: number;
  readonly hits: readonly Hit[];
}

/** Bytes written into the VM's serial backend in L2. */
export interface InjectionEvidence {
  readonly bytes: number;
  /** Times that the user VM has answered what was injected. */
  readonly reached: number;
  /** Whether the console still works afterwards. */
  readonly consoleAnswers: boolean;
}

export interface PhaseEvidence {
  readonly mode: PhaseMode;
  readonly channels: readonly ChannelEvidence[];
  readonly injection: InjectionEvidence;
  /** L3's accesses to COM1 that L2's hypervisor has seen. */
  readonly com1Accesses: {
    /** Characters read and written. */
    readonly data: number;
    /** Accesses to other registers: shadowed, only the doorbell's two writes to 0x3f9. */
    readonly others: Readonly<Record<string, number>>;
  };
  readonly seconds: number;
}

/** Something that an operator did beyond looking on. */
export interface ActiveEvidence {
  readonly name: string;
  readonly method: string;
  /** What L1 was to notice, and how often it did: entries of the VM. */
  readonly raises: EvidenceKind;
  readonly seen: number;
}

/** `protected`: nothing found. `leak`: something found. `inconclusive`: the search has not shown that it would find. */
export type Verdict = 'protected' | 'leak' | 'inconclusive';

export interface VerifyReport {
  readonly schemaVersion: 1;
  readonly vm: string;
  readonly verdict: Verdict;
  /** Why, if it is not `protected`. */
  readonly reasons: readonly string[];
  readonly seconds: number;
  readonly phases: readonly PhaseEvidence[];
  /** Only where it was asked for. */
  readonly active?: readonly ActiveEvidence[];
}

export interface SelfTestReport {
  readonly schemaVersion: 1;
  readonly vm: string;
  /** Whether the search found a canary in every channel. */
  readonly passed: boolean;
  /** Channels in which it did not. */
  readonly missed: readonly string[];
  readonly seconds: number;
  readonly channels: readonly ChannelEvidence[];
}
