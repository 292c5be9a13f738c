/** The user VMs of a testbed, one for each way of its console. */
export const testbedVms = { shadowed: 'vm1', leftToL2: 'vm2' } as const;
