/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_HVM_SVM_EMULATE_H
#define SHIM_ASM_HVM_SVM_EMULATE_H

#include <xen/sched.h>

#define INSTR_HLT   1
#define INSTR_WRMSR 2

/* 0: it cannot be read, and L3 has got an exception. */
unsigned int svm_get_insn_len(struct vcpu *v, unsigned int instr);

#endif /* SHIM_ASM_HVM_SVM_EMULATE_H */
