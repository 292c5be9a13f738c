/** What an L2 that this project builds knows a user VM by: it has the tool `vm` (images/l2). */
import { shellQuote } from '../host/ssh.js';
import type { SoughtVm } from './ground.js';

export function lookUpByTool({ name, memoryBytes }: SoughtVm): string {
  const vm = shellQuote(name);
  return `vm status ${vm} | cut -f 3 && vm device-model ${vm} && printf '%s\\n' ${memoryBytes} ${vm}`;
}
