/** Brings a program into a managed layer. */
import { VsbError } from '../../base/errors.js';
import { runRemote, shellQuote, type SshTarget } from '../../host/ssh.js';

/** In memory there, gone with the layer. */
const directory = '/run/vsbypass-bench';

/**
 * @returns where it is there
 * @throws VsbError E_SSH; the signal's reason
 */
export async function install(
  target: SshTarget,
  name: string,
  program: Buffer,
  signal: AbortSignal,
): Promise<string> {
  const path = `${directory}/${name}`;
  const quoted = shellQuote(path);
  const command = `mkdir -p ${directory} && cat >${quoted} && chmod 700 ${quoted}`;
  const { code, stderr } = await runRemote(target, command, { signal, stdin: program });
  if (code === 0) return path;
  const message = `cannot bring ${name} to ${target.layer}: ${stderr.trim()}`;
  throw new VsbError('E_SSH', message, { layer: target.layer });
}
