/** What the gateway reports, for the audit log; never anything that was typed or printed. */
import type { Role } from './access.js';

/** Who is meant: one that has logged in. */
export interface Who {
  readonly peer: string;
  readonly vm: string;
  /** The key's comment or the certificate's id, else the fingerprint. */
  readonly key: string;
  readonly fingerprint: string;
}

export type GatewayEvent =
  | { readonly type: 'listening'; readonly host: string; readonly port: number }
  | { readonly type: 'key-ignored'; readonly line: number; readonly reason: string }
  | { readonly type: 'connection-dropped'; readonly peer: string; readonly reason: string }
  | { readonly type: 'auth-failed'; readonly peer: string; readonly attempts: number }
  | ({ readonly type: 'auth-accepted' } & Who)
  | ({ readonly type: 'session-refused'; readonly reason: string } & Who)
  | ({ readonly type: 'session-opened'; readonly role: Role; readonly writes: boolean } & Who)
  /** It types now, or somebody else does. */
  | ({ readonly type: 'session-writes'; readonly writes: boolean } & Who)
  | ({ readonly type: 'break' } & Who)
  | ({ readonly type: 'verb'; readonly verb: string } & Who)
  | ({
      readonly type: 'session-closed';
      readonly reason: string;
      /** Output bytes that the session was too slow for. */
      readonly missed: number;
    } & Who);
