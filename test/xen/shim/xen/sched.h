/* SPDX-License-Identifier: GPL-2.0-only */
/* Domains and vCPUs, as far as the shadow layer looks into them. */

#ifndef SHIM_XEN_SCHED_H
#define SHIM_XEN_SCHED_H

#include <xen/types.h>

#include <asm/hvm/vsb.h>

struct vcpu;

struct domain
{
    uint16_t domain_id;
    struct vcpu *shim_vcpus;    /* the first one */
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
    struct vcpu *next_in_list;
    unsigned int shim_unblocked; /* calls of vcpu_unblock() */
    unsigned int shim_kicked;    /* calls of vcpu_kick() */
    bool shim_blocked;
};

#define for_each_vcpu(d, v) \
    for ( (v) = (d)->shim_vcpus; (v); (v) = (v)->next_in_list )

/* Xen's blocks the current vCPU; the test says which one that is. */
extern struct vcpu *shim_current;
/* Called by vcpu_block() before it returns, if set. */
extern void (*shim_on_block)(void);
void vcpu_block(void);
void vcpu_unblock(struct vcpu *v);

#endif /* SHIM_XEN_SCHED_H */
