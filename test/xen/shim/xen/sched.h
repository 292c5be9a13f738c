/* SPDX-License-Identifier: GPL-2.0-only */
/* Domains and vCPUs, as far as the shadow layer looks into them. */

#ifndef SHIM_XEN_SCHED_H
#define SHIM_XEN_SCHED_H

#include <xen/types.h>

#include <asm/hvm/vsb.h>

struct domain
{
    uint16_t domain_id;
};

struct nestedvcpu
{
    bool nv_guestmode;          /* L3's state is loaded, not L2's */
    struct vsb_vcpu nv_vsb;
};

struct vcpu
{
    struct domain *domain;
    struct
    {
        struct
        {
            struct nestedvcpu nvcpu;
        } hvm;
    } arch;
    unsigned int shim_unblocked; /* calls of vcpu_unblock() */
};

void vcpu_unblock(struct vcpu *v);

#endif /* SHIM_XEN_SCHED_H */
