/** The package as a library: `import { createTestbed } from 'vsbypass'`. */
export {
  createTestbed,
  openTestbed,
  TestbedHandle,
  type ConfigInput,
  type ScriptOptions,
  type TestbedOptions,
} from './instance/handle.js';
export { ExitCode, VsbError, type ErrorCode } from './base/errors.js';
export type { ScriptStep } from './console/dialogue/script.js';
export type { Counters, HookResult, OperatorVm, Proof } from './contract/answers.js';
export type { InstanceState, InstanceStatus, VmStatus } from './contract/status.js';
export type { UpEvent } from './contract/events.js';
