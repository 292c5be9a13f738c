/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_X86_DEFNS_H
#define SHIM_ASM_X86_DEFNS_H

#define X86_EXC_BP 3
#define X86_EXC_GP 13

#endif /* SHIM_ASM_X86_DEFNS_H */
