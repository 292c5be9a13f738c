/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_MSR_H
#define SHIM_ASM_MSR_H

#include <xen/types.h>

#define MSR_IA32_VMX_MISC 0x485

uint64_t shim_rdmsr(unsigned int msr);
#define rdmsrl(msr, val) ((val) = shim_rdmsr(msr))

#endif /* SHIM_ASM_MSR_H */
