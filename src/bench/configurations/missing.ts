/** Configurations that the benchmark cannot bring up yet, with the reason. */
import type { MissingConfiguration } from './configuration.js';

const noXen = 'the benchmark does not boot an L2 with stock Xen yet';

const ways = [
  ['traditional', "the user VM on an unpatched Xen in L1, console through dom0's device model"],
  ['nested', "the user VM in L2, console through L2's device model"],
  ['VSBypass', 'the shadow UART, interrupts by an interrupt server in L2, called directly'],
  ['VSBypass (net)', 'the same, told over the network'],
  ['vsbypass', 'the shadow UART, interrupts as by default'],
] as const;

const idOf = (title: string): string => title.toLowerCase().replace(/ \((\w+)\)$/, '-$1');

export const missingConfigurations: readonly MissingConfiguration[] = ways.map(
  ([title, about]) => ({
    ...({ l2: 'xen', title, about, missing: noXen } as const),
    id: title.startsWith('VSBypass') ? `xen/paper-${idOf(title)}` : `xen/${idOf(title)}`,
  }),
);
