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
export type {
  Counters,
  HookResult,
  InstanceState,
  InstanceStatus,
  OperatorVm,
  Proof,
  VmStatus,
} from './contract/control.js';
export type { UpEvent } from './contract/events.js';
