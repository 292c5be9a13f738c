/* SPDX-License-Identifier: GPL-2.0-only */
/* What a test of vmx.c itself sees of the processor around it. */

#ifndef SHIM_VMX_H
#define SHIM_VMX_H

#include <asm/hvm/vmx/vmx.h>
#include <asm/hvm/vmx/vvmx.h>

/* IA32_VMX_MISC: the preemption timer counts once in 2^5 ticks of the TSC. */
#define SHIM_TIMER_SHIFT 5u

extern uint64_t shim_vmcs[SHIM_VMCS_FIELDS];    /* with which L3 runs */
extern uint64_t shim_vvmcs[SHIM_VMCS_FIELDS];   /* L2's for L3 */
/* With the APIC virtualised: of L2's interrupts, one came into service by an exit. */
extern unsigned int shim_in_service;
extern uint8_t shim_vapic[PAGE_SIZE];           /* L3's virtual APIC */

#endif /* SHIM_VMX_H */
