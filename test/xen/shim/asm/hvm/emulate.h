/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_HVM_EMULATE_H
#define SHIM_ASM_HVM_EMULATE_H

#include <xen/types.h>

#define X86EMUL_OKAY 0

typedef bool hvm_emulate_validate_t(void);
hvm_emulate_validate_t x86_insn_is_portio;

/* Runs the string instruction of shim_string(). */
bool hvm_emulate_one_insn(hvm_emulate_validate_t *validate, const char *descr);

#endif /* SHIM_ASM_HVM_EMULATE_H */
