/* SPDX-License-Identifier: GPL-2.0-only */
/* The current VMCS, which is L3's as Xen made it. */

#ifndef SHIM_ASM_HVM_VMX_VMX_H
#define SHIM_ASM_HVM_VMX_VMX_H

#include <asm/hvm/vmx/vmcs.h>

#define EXIT_REASON_EXTERNAL_INTERRUPT  1
#define EXIT_REASON_PENDING_VIRT_INTR   7
#define EXIT_REASON_CPUID               10
#define EXIT_REASON_HLT                 12
#define EXIT_REASON_DR_ACCESS           29
#define EXIT_REASON_IO_INSTRUCTION      30
#define EXIT_REASON_MSR_WRITE           32
#define EXIT_REASON_APIC_ACCESS         44
#define EXIT_REASON_EPT_VIOLATION       48
#define EXIT_REASON_EPT_MISCONFIG       49
#define EXIT_REASON_VMX_PREEMPTION_TIMER_EXPIRED 52

#define INTR_INFO_VECTOR_MASK           0x000000ffu
#define INTR_INFO_INTR_TYPE_MASK        0x00000700u
#define INTR_INFO_VALID_MASK            0x80000000u

#define X86_EVENTTYPE_EXT_INTR          0u
#define X86_EVENTTYPE_NMI               2u

#define X86_CR0_PE                      1u

void __vmread(unsigned long field, unsigned long *val);
void __vmwrite(unsigned long field, unsigned long val);
/* By the length of the instruction that exited. */
void update_guest_eip(void);

#endif /* SHIM_ASM_HVM_VMX_VMX_H */
