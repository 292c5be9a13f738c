/** `vsbypass console --web`: serves the console's page until it is told to stop. */
import { once } from 'node:events';

import { VsbError } from '../../base/errors.js';
import { hintOfKnown } from '../../base/suggest.js';
import { isShadowed, openConsole, runningGateway, vmMeant } from '../../console/client/open.js';
import { LINK_MS } from '../../web/admission.js';
import { loadAssets } from '../../web/assets.js';
import { vmViews, type ConsoleProvider } from '../../web/provider.js';
import { startWebServer } from '../../web/server.js';
import type { CliContext } from '../context.js';

export interface WebOptions {
  readonly identity?: string | undefined;
  readonly agent?: true | undefined;
  readonly watch?: true | undefined;
  readonly take?: true | undefined;
  /** 0: any free one. */
  readonly webPort: number;
  /** Folder of the page's compiled scripts; by default the build's. */
  readonly scripts?: string;
}

/**
 * Prints the link on stdout and serves until the signal of the context.
 * @param vm the VM to show first
 * @throws VsbError E_INSTANCE_NOT_RUNNING, E_VM_UNKNOWN, E_PORT_TAKEN; the signal's reason
 */
export async function serveWeb(
  context: CliContext,
  vm: string | undefined,
  options: WebOptions,
): Promise<void> {
  const { stdin, stdout, stderr, signal, global } = context;
  const access = await context.instance();
  runningGateway(access);
  const first = vm === undefined ? undefined : vmMeant(access, vm);
  if (vm !== undefined && first === undefined) {
    throw new VsbError('E_VM_UNKNOWN', `instance '${access.name}' has no VM '${vm}'`, {
      hint: hintOfKnown(vm, access.vms),
    });
  }
  const provider = consoleProvider(context, options);
  const server = await startWebServer({
    provider,
    assets: await loadAssets(options.scripts),
    port: options.webPort,
  });
  const printLink = (): void => void stdout.write(`${server.newLink(first)}\n`);
  const interactive = stdin.isTTY === true;
  try {
    if (!global.quiet) {
      const more = interactive ? 'Enter prints another, ' : '';
      stderr.write(
        `The page for the consoles of instance '${access.name}'. The link works once, within ` +
          `${LINK_MS / 60_000} minutes; ${more}Ctrl-C ends.\n`,
      );
    }
    printLink();
    if (interactive) stdin.on('data', printLink);
    if (!signal.aborted) await once(signal, 'abort');
    // Ctrl-C is how this command is meant to end, but scripts see what ended it.
    throw signal.reason;
  } finally {
    stdin.off('data', printLink);
    await server.close();
  }
}

/** The instance as the command line finds it, anew each time: it may have been restarted. */
function consoleProvider(context: CliContext, options: WebOptions): ConsoleProvider {
  const credentials = { ...options, agentSocket: context.env['SSH_AUTH_SOCK'] };
  const as = options.watch === true ? 'watch' : options.take === true ? 'take' : 'auto';
  // The page's terminal makes the screen of them, and has them as its scrollback.
  const attach = { as, replay: 'lines', sanitize: false } as const;
  // The gateway needs no more of it than that it is a terminal.
  const size = { columns: 80, rows: 24 };
  return {
    instance: async () => {
      const access = await context.instance();
      return { name: access.name, vms: vmViews(access) };
    },
    find: async (vm) => {
      const access = await context.instance();
      return {
        secure: isShadowed(access, vm),
        open: (signal) => openConsole({ access, vm, attach, size, credentials, signal }),
      };
    },
  };
}
