/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_HVM_SUPPORT_H
#define SHIM_ASM_HVM_SUPPORT_H

#include <xen/types.h>

#include <asm/x86-defns.h>

enum hvm_translation_result
{
    HVMTRANS_okay,
    HVMTRANS_bad_gfn_to_mfn,
};

void hvm_inject_hw_exception(unsigned int vector, int errcode);

enum hvm_translation_result hvm_copy_from_guest_phys(void *buf, paddr_t paddr,
                                                     unsigned int size);

#endif /* SHIM_ASM_HVM_SUPPORT_H */
