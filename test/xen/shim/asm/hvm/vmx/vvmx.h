/* SPDX-License-Identifier: GPL-2.0-only */
/* The VMCS that L2 has for L3. */

#ifndef SHIM_ASM_HVM_VMX_VVMX_H
#define SHIM_ASM_HVM_VMX_VVMX_H

#include <xen/sched.h>

#define vcpu_2_nvmx(v) (vcpu_nestedhvm(v).u.nvmx)

uint64_t get_vvmcs(const struct vcpu *v, unsigned long field);
void set_vvmcs(const struct vcpu *v, unsigned long field, uint64_t val);
uint64_t nvmx_vcpu_eptp_base(struct vcpu *v);
/* From L3 to L2. */
void virtual_vmexit(struct cpu_user_regs *regs);

#endif /* SHIM_ASM_HVM_VMX_VVMX_H */
