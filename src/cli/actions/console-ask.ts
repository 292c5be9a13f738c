/** Asks the gateway one thing about a VM's console. */
import { askGateway } from '../../console/client/gateway-client.js';
import { gatewayLogin } from '../../console/client/open.js';
import type { KeyOptions } from '../commands/console-key-options.js';
import type { CliContext } from '../context.js';

/** @throws VsbError what the gateway refuses it with, and what keeps it from being reached */
export async function askConsole(
  context: CliContext,
  vm: string,
  verb: string,
  options: KeyOptions,
): Promise<void> {
  const access = await context.instance();
  const { signal, env, stdout } = context;
  const credentials = { ...options, agentSocket: env['SSH_AUTH_SOCK'] };
  const login = await gatewayLogin({ access, vm, credentials, signal });
  stdout.write(await askGateway(login, verb));
}
