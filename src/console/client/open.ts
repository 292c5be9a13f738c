/**
 * Opens the console of a VM the way that it goes now: through the gateway, or, while its COM1 is left to
 * L2, as L2's operator. All front ends (terminal, script, web page) come this way.
 */
import { VsbError } from '../../base/errors.js';
import type { ScreenSize } from '../../base/terminal-size.js';
import type { AttachRequest } from '../../contract/gateway.js';
import { accessToL2 } from '../../state/management-targets.js';
import type { ConsoleConnection } from '../connection.js';
import { meantBy } from '../../config/vm-names.js';
import type { GatewayLogin } from './gateway-client.js';
import type { GatewayAccess, InstanceAccess } from './instance-access.js';

/** Which key to log in to the gateway with; by default the instance's own. */
export interface CredentialChoice {
  /** Path of a private key. */
  readonly identity?: string | undefined;
  /** Use the SSH agent at `agentSocket`. */
  readonly agent?: boolean | undefined;
  readonly agentSocket?: string | undefined;
}

export interface OpenConsoleOptions {
  readonly access: InstanceAccess;
  readonly vm: string;
  readonly attach: AttachRequest;
  /** The user's terminal, if there is one. */
  readonly size?: ScreenSize | undefined;
  readonly credentials: CredentialChoice;
  readonly signal: AbortSignal;
}

/** Whether the console is the secure one: L1 shadows the VM's COM1, or the VM does not run. */
export function isShadowed(access: InstanceAccess, word: string): boolean {
  return (
    access.unhooked?.includes(vmMeant(access, word) ?? word) !== true ||
    access.management === undefined
  );
}

/** The VM's name for its name, its UUID, or the beginning of that; undefined where that is none or several. */
export function vmMeant({ vms, uuids }: InstanceAccess, word: string): string | undefined {
  const [meant, ...others] = meantBy(
    word,
    vms.map((name) => ({ name, uuid: uuids?.get(name) })),
  );
  return others.length === 0 ? meant?.name : undefined;
}

/**
 * @returns the instance's gateway
 * @throws VsbError E_INSTANCE_NOT_RUNNING
 */
export function runningGateway(access: InstanceAccess): GatewayAccess {
  if (access.gateway !== undefined) return access.gateway;
  throw new VsbError('E_INSTANCE_NOT_RUNNING', `instance '${access.name}' is not running`, {
    hint: 'start it with `vsbypass up`',
  });
}

/**
 * Opens it. Whether it is secure, {@link isShadowed} says beforehand.
 * Its checkEnd() throws E_VM_GONE for a VM that is configured and was not seen yet.
 * @throws VsbError E_INSTANCE_NOT_RUNNING, E_USAGE (no agent), and what {@link connectGateway} and
 *   {@link connectOperator} throw
 */
export async function openConsole(options: OpenConsoleOptions): Promise<ConsoleConnection> {
  const { access, attach, size, signal } = options;
  const vm = vmMeant(access, options.vm);
  if (!isShadowed(access, options.vm) && access.management !== undefined) {
    const { connectOperator } = await import('./operator.js');
    const history = attach.replay === 'none' ? 'none' : 'all';
    const l2 = accessToL2(access.management);
    return await connectOperator({
      ...{ l2, vm: vm ?? options.vm, history, signal },
      restrict: attach,
    });
  }
  const { connectGateway } = await import('./gateway-client.js');
  const connection = await connectGateway({ ...(await gatewayLogin(options)), attach, size });
  if (vm === undefined) return connection;
  const checkEnd = (): void => {
    try {
      connection.checkEnd();
    } catch (error) {
      throw notThereYet(error, vm) ?? error;
    }
  };
  return { ...connection, checkEnd };
}

/** For a VM that the configuration knows, and the gateway does not. */
function notThereYet(cause: unknown, vm: string): VsbError | undefined {
  if (!(cause instanceof VsbError) || cause.code !== 'E_VM_UNKNOWN') return undefined;
  return new VsbError('E_VM_GONE', `${vm} does not run, or has not used its serial port yet`, {
    ...{ layer: 'L3', cause },
    hint: '`vsbypass status --watch` shows when it is there.',
  });
}

/**
 * How to log in to the instance's gateway.
 * @throws VsbError E_INSTANCE_NOT_RUNNING, E_USAGE (no agent), E_CONSOLE_KEY
 */
export async function gatewayLogin({
  access,
  vm,
  credentials,
  signal,
}: Pick<OpenConsoleOptions, 'access' | 'vm' | 'credentials' | 'signal'>): Promise<GatewayLogin> {
  const { host, port, hostKeyFingerprint, clientKeyPath } = runningGateway(access);
  const login = await readCredentials(credentials, clientKeyPath);
  return { ...login, host, port, hostKeyFingerprint, vm, signal };
}

async function readCredentials(
  { identity, agent, agentSocket }: CredentialChoice,
  ownKeyPath: string,
): Promise<{ privateKeyPem: string } | { agent: string }> {
  if (agent === true) {
    if (agentSocket === undefined) {
      throw new VsbError('E_USAGE', '--agent: SSH_AUTH_SOCK is not set');
    }
    return { agent: agentSocket };
  }
  const { readKey } = await import('../../formats/keys/key-files.js');
  const { privatePem } = await readKey(identity ?? ownKeyPath);
  return { privateKeyPem: privatePem };
}
