/* SPDX-License-Identifier: GPL-2.0-only */
/* The nested page table's walk; the fake memory maps L3 to L2 one to one. */

#ifndef SHIM_ASM_HVM_HVM_H
#define SHIM_ASM_HVM_HVM_H

#include <xen/sched.h>

enum hvm_intsrc
{
    hvm_intsrc_none,
    hvm_intsrc_pic,
    hvm_intsrc_lapic,
};

struct npfec
{
    unsigned int read_access:1;
};

/* Of L2, which calls. */
int hvm_guest_x86_mode(struct vcpu *v);
unsigned int hvm_get_cpl(struct vcpu *v);

int nhvm_hap_walk_L1_p2m(struct vcpu *v, paddr_t l2_gpa, paddr_t *l1_gpa,
                         unsigned int *page_order, uint8_t *p2m_access,
                         struct npfec npfec);

#endif /* SHIM_ASM_HVM_HVM_H */
