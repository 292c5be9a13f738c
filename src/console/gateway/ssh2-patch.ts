/**
 * What ssh2's server lacks, added to one connection through its (private) protocol and table of message
 * handlers; test/console/gateway fails if a new version of ssh2 moves them.
 *
 * - `break` channel requests (RFC 4335), OpenSSH's `~B`: ssh2 has no event for them.
 * - The flow control window of what a client sends: ssh2 goes on accepting data beyond it, so that a
 *   client could fill this process's memory.
 * - The reason why a connection is dropped (RFC 4253, 11.1).
 */
import type { Connection, Session as SshSession } from 'ssh2';

interface ChannelState {
  readonly incoming: { readonly window: number };
}

/** A session as ssh2 keeps it: its channel exists once the shell was accepted. */
interface SessionState {
  readonly _channel?: ChannelState;
  readonly _chanInfo: ChannelState & { readonly outgoing: { readonly id: number } };
}

interface Protocol {
  readonly _handlers: {
    CHANNEL_REQUEST: (
      protocol: Protocol,
      recipient: number,
      type: string,
      wantReply: boolean,
      data: unknown,
    ) => void;
    CHANNEL_DATA: (protocol: Protocol, recipient: number, data: Buffer) => void;
  };
  channelSuccess(channel: number): void;
  channelFailure(channel: number): void;
  disconnect(reason: number): void;
}

interface ConnectionState {
  readonly _protocol: Protocol;
  readonly _chanMgr: { get(channel: number): unknown };
}

export interface ConnectionHooks {
  /** A BREAK is asked for; says whether the session can take one. */
  onBreak(session: SshSession): boolean;
  /** The client has sent more than its window allows. */
  onWindowViolation(): void;
}

export function patchConnection(connection: Connection, hooks: ConnectionHooks): void {
  const { _protocol: protocol, _chanMgr: channels } = connection as unknown as ConnectionState;
  const handlers = protocol._handlers;
  const { CHANNEL_REQUEST: onRequest, CHANNEL_DATA: onData } = handlers;

  handlers.CHANNEL_REQUEST = (self, recipient, type, wantReply, data) => {
    const session = channels.get(recipient);
    if (type !== 'break' || !isSession(session)) {
      onRequest(self, recipient, type, wantReply, data);
      return;
    }
    const taken = hooks.onBreak(session as unknown as SshSession);
    if (!wantReply) return;
    const { id } = session._chanInfo.outgoing;
    if (taken) protocol.channelSuccess(id);
    else protocol.channelFailure(id);
  };

  handlers.CHANNEL_DATA = (self, recipient, data) => {
    const session = channels.get(recipient);
    const window = isSession(session) ? session._channel?.incoming.window : undefined;
    if (window !== undefined && data.length > window) hooks.onWindowViolation();
    else onData(self, recipient, data);
  };
}

/** Says why the connection is about to be dropped. */
export function sayDisconnect(connection: Connection, reason: number): void {
  (connection as unknown as ConnectionState)._protocol.disconnect(reason);
}

function isSession(value: unknown): value is SessionState {
  return typeof value === 'object' && value !== null && '_chanInfo' in value;
}
