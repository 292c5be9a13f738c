/** `--require`: an accelerator without which the testbed is not wanted. */
import { VsbError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import type { Accel } from './accel.js';

/**
 * The configuration with it.
 * @throws VsbError E_USAGE when another one is configured
 */
export function withRequiredAccel(config: Config, required: Accel | undefined): Config {
  if (required === undefined || config.accel === required) return config;
  if (config.accel === 'auto') return { ...config, accel: required };
  throw new VsbError(
    'E_USAGE',
    `--require ${required} contradicts the accelerator ${config.accel}`,
    {
      hint: 'Look at --accel and at `accel` in the configuration.',
    },
  );
}

/**
 * That an instance which runs already is what is required.
 * @throws VsbError E_ACCEL
 */
export function assertRunsWith(
  required: Accel | undefined,
  running: {
    readonly name: string;
    readonly accel?: { readonly accel: string; readonly why: string } | undefined;
  },
): void {
  const { name, accel } = running;
  if (required === undefined || accel?.accel === required) return;
  const found = accel === undefined ? 'an unknown accelerator' : `${accel.accel} (${accel.why})`;
  throw new VsbError(
    'E_ACCEL',
    `${required} is required, and instance '${name}' runs with ${found}`,
    {
      layer: 'host',
      hint: `\`vsbypass up --require ${required}\` brings up such a one, or says why not.`,
    },
  );
}
