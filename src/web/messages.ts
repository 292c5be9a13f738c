/**
 * What the page and its server say to each other over the WebSocket. Text messages are these documents;
 * binary messages are console bytes, the VM's output one way and its input the other.
 */
import { z } from 'zod';

import { OUTPUT_WINDOW } from './page/limits.js';

/** From the page. */
export const pageMessageSchema = z.discriminatedUnion('type', [
  /** The first one: shows that this page, and not only its browser, was admitted. */
  z.strictObject({
    type: z.literal('hello'),
    nonce: z.string().min(16).max(64),
    proof: z.string().max(128),
  }),
  /** Opens the console of a VM, in place of the one open now. */
  z.strictObject({
    type: z.literal('open'),
    vm: z.string().min(1).max(64),
    /** The user has been told that this console is not secure, and wants it all the same. */
    notSecure: z.boolean(),
  }),
  /** So many bytes of output of that session are on the screen. */
  z.strictObject({
    type: z.literal('shown'),
    session: z.int(),
    bytes: z
      .int()
      .min(1)
      .max(2 * OUTPUT_WINDOW),
  }),
  /** Are you there? The browser does not tell a page of the pings of RFC 6455. */
  z.strictObject({ type: z.literal('ping') }),
  z.strictObject({ type: z.literal('break') }),
  /** Who is at the console? */
  z.strictObject({ type: z.literal('who') }),
  /** Types from now on, also if somebody else does. */
  z.strictObject({ type: z.literal('take') }),
  /** A BREAK, then this key: Linux's SysRq over a serial line. */
  z.strictObject({ type: z.literal('sysrq'), key: z.string().regex(/^[0-9a-z]$/) }),
]);
export type PageMessage = z.output<typeof pageMessageSchema>;

/** One VM as the page lists it. */
export interface VmView {
  readonly name: string;
  /** False while its COM1 is left to L2, whose operator then reads and changes its console. */
  readonly secure: boolean;
  /** What L1 has seen of an L2 that watches it, a sentence each. */
  readonly watched: readonly string[];
}

/** What the page needs of the gateway's answer to the verb `who json`. */
export const whoSchema = z.object({
  sessions: z.array(
    z.object({
      who: z.string(),
      you: z.boolean(),
      may: z.enum(['write', 'watch']),
      writes: z.boolean(),
    }),
  ),
});
export type Attached = z.output<typeof whoSchema>['sessions'][number];

/** From the server. */
export type ServerMessage =
  /** The first one. */
  | { readonly type: 'challenge'; readonly nonce: string }
  /** The answer to `hello`: shows that this is the server that admitted the page. */
  | { readonly type: 'welcome'; readonly proof: string }
  /** The answer to `ping`. */
  | { readonly type: 'pong' }
  /** After `welcome`, and whenever something has changed. */
  | { readonly type: 'instance'; readonly name: string; readonly vms: readonly VmView[] }
  | {
      readonly type: 'opened';
      readonly vm: string;
      readonly secure: boolean;
      /** Counts the consoles of this connection. */
      readonly session: number;
    }
  /** The console of that VM is not secure, and the page has not said that the user wants it. */
  | { readonly type: 'not-secure'; readonly vm: string }
  /** Who is at the console; after it was opened, when roles have changed, and when asked. */
  | { readonly type: 'who'; readonly sessions: readonly Attached[] }
  /** From the gateway, beside the VM's output. */
  | { readonly type: 'notice'; readonly text: string }
  /** So many bytes of input are on their way to the VM. */
  | { readonly type: 'taken'; readonly bytes: number }
  /** The console is not open any more, or could not be opened. */
  | {
      readonly type: 'ended';
      readonly message: string;
      readonly hint?: string;
      /** Whether another attempt may do better without anything being changed by the user. */
      readonly retry: boolean;
      /** It ended because nobody typed: only the user opens another one. */
      readonly idle?: true;
    };
