/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_HVM_SVM_SVM_H
#define SHIM_ASM_HVM_SVM_SVM_H

#include <xen/sched.h>

#define X86_CR4_PSE 0x10u
#define X86_CR0_PE  1u
#define X86_CR0_PG  0x80000000u

void set_in_cr4(unsigned long mask);
/* Goes behind an instruction, as in Xen: a single step's #DB may be due then. */
void __update_guest_eip(struct cpu_user_regs *regs, unsigned int len);

#endif /* SHIM_ASM_HVM_SVM_SVM_H */
