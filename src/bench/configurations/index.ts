/** All configurations, in the order of the report: those of the paper and ours, for both kinds of L2. */
import { bootKvmHost } from '../stacks/kvm-host.js';
import type { Configuration, MissingConfiguration, StackBoot, StackName } from './configuration.js';
import { kvmNested } from './kvm-nested.js';
import { bootKvmServers, kvmPaper } from './kvm-paper.js';
import { bootKvmTestbed } from './kvm-testbed.js';
import { kvmTraditional } from './kvm-traditional.js';
import { kvmVsbypass } from './kvm-vsbypass.js';
import { missingConfigurations } from './missing.js';

export const configurations: readonly (Configuration | MissingConfiguration)[] = [
  kvmTraditional,
  kvmNested,
  ...kvmPaper,
  kvmVsbypass,
  ...missingConfigurations,
];

export const stackBoots: Readonly<Record<StackName, StackBoot>> = {
  testbed: bootKvmTestbed,
  servers: bootKvmServers,
  'kvm-host': bootKvmHost,
};

export function isMeasurable(
  configuration: Configuration | MissingConfiguration,
): configuration is Configuration {
  return !('missing' in configuration);
}
