/** The package as a library: `import { createTestbed } from 'vsbypass'`. */
export {
  createTestbed,
  openTestbed,
  TestbedHandle,
  type ConfigInput,
  type ScriptOptions,
  type TestbedOptions,
} from './instance/testbed-handle.js';
export { ExitCode, VsbError, type ErrorCode } from './errors/index.js';
export type { ScriptStep } from './console/script.js';
export type {
  Counters,
  HookResult,
  InstanceState,
  InstanceStatus,
  OperatorVm,
  Proof,
  VmStatus,
} from './daemon/protocol.js';
export type { UpEvent } from './events/boot.js';
