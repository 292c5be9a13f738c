/**
 * The console as the operator of the virtualized system opens it: SSH to L2, and there `xl console`, or the socket of the
 * VM's serial port in QEMU (KVM). Only for a VM whose COM1 is not shadowed, and not secure: L2 reads all of it.
 */
import { once } from 'node:events';
import type { Writable } from 'node:stream';

import { wantsColor } from '../../base/color.js';
import { VsbError } from '../../base/errors.js';
import type { AttachRequest } from '../../contract/gateway.js';
import { printableLines } from '../../formats/ansi.js';
import { openRemote, shellQuote, type SshTarget } from '../../host/ssh.js';
import { l2VmPaths } from '../../layers/l2-paths.js';
import type { ConsoleConnection } from '../connection.js';
import { restricted } from './restricted.js';

export interface OperatorTarget {
  readonly l2: SshTarget;
  readonly vm: string;
  /** In L2's shell, where L2 is none that this project builds. */
  readonly command?: string | undefined;
  /** What to see first: what QEMU has logged of it, or only what comes from now on. */
  readonly history: 'all' | 'none';
  /** To look on only, or without what attacks a terminal; undefined: neither. */
  readonly restrict?: Pick<AttachRequest, 'as' | 'sanitize'>;
  readonly signal: AbortSignal;
}

/**
 * Opens it. L2 serves one connection at a time: a second one gets nothing, or a part, until the first ends.
 * @throws VsbError E_SSH; the signal's reason when it is aborted
 */
export async function connectOperator(target: OperatorTarget): Promise<ConsoleConnection> {
  const { l2, vm, history, restrict, signal } = target;
  const open = target.command ?? `exec vm console ${shellQuote(vm)}`;
  const replay = history === 'all' ? `cat ${shellQuote(l2VmPaths(vm).consoleLog)}; ` : '';
  const remote = await openRemote(l2, `${replay}${open}`, { signal });
  const { channel } = remote;
  let notices = '';
  let noticeListener: ((text: string) => void) | undefined;
  channel.stderr.on('data', (bytes: Buffer) => {
    // Not the VM's output, which may command a terminal.
    const text = printableLines(bytes.toString('utf8'));
    notices = (notices + text).slice(-4096);
    // L2's programs say it for no terminal, and the user's is raw.
    noticeListener?.(text.replace(/\r?\n/g, '\r\n'));
  });
  let told = false;
  const tellNotTyped = (): void => {
    if (!told) noticeListener?.('\r\n[vsbypass: not typed: this session only looks on]\r\n');
    told = true;
  };
  let code: number | undefined;
  const closed = remote.closed.then((exitCode) => {
    code = exitCode;
  });
  return {
    title: `NOT SECURE: console of ${vm} the operator's way`,
    channel: restrict === undefined ? channel : restricted(channel, restrict, tellNotTyped),
    closed,
    onNotice: (listener) => {
      noticeListener = listener;
    },
    sendBreak: () => noticeListener?.("\r\n[vsbypass: L2's console carries no BREAK]\r\n"),
    resize: () => {},
    ask: () => {
      const message = "the operator's console knows no such thing";
      return Promise.reject(new VsbError('E_CONSOLE_REFUSED', message, { layer: 'console' }));
    },
    close: async (limitMs) => {
      const late = AbortSignal.timeout(limitMs);
      late.addEventListener('abort', remote.destroy, { once: true });
      channel.end();
      await closed;
      const orderly = !late.aborted;
      late.removeEventListener('abort', remote.destroy);
      return orderly;
    },
    destroy: remote.destroy,
    refused: () => false,
    checkEnd: () => {
      const said = notices.replace(/[\r\n]+/g, ' ').trim();
      const why = said || (code === undefined ? 'the connection was cut' : 'L2 closed it');
      throw new VsbError('E_CONSOLE_CLOSED', `the operator's console of ${vm} ended: ${why}`, {
        layer: 'console',
        hint: '`vsbypass vm list` shows whether the VM runs',
      });
    },
  };
}

/** The warning before such a console, in red where colours are wanted. */
export async function warnNotSecure(
  stderr: Writable & { isTTY?: boolean },
  env: NodeJS.ProcessEnv,
  vm: string,
): Promise<void> {
  const text =
    `vsbypass: NOT SECURE: COM1 of ${vm} is not shadowed. This console goes the operator's way: ` +
    'the virtualized system reads all of it and can change it.';
  const { Chalk } = await import('chalk');
  const red = new Chalk({ level: wantsColor(stderr, env) ? 1 : 0 }).red;
  if (!stderr.write(`${red(text)}\n`)) await once(stderr, 'drain');
}
