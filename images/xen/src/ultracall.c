/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: ultracalls.
 *
 * The interrupt server is a program in L2's management VM that brings the line
 * of a user VM's IRQ 4 to the level that L1 wants, by the interface that L2 has
 * for that. It learns of a change by a call past its own kernel and hypervisor:
 * VMMCALL, or VMCALL, at CPL 3 exits to L1, which answers at once if there is
 * news, and otherwise blocks the vCPU as a HLT would. It then asks again by
 * itself: RIP stays at the call.
 *
 *   in      RAX  VSB_ULTRACALL
 *   out     RAX  0
 *           RDX  the level wanted, 0 or 1
 *           RSI, RDI  the user VM's UUID, as 16 bytes in memory
 *
 * What is told is told once. If it gets lost, with a server that dies say, L3
 * does not answer, and is told again (doorbell.c). For L2's kernel the server
 * is busy all the time, so it needs a vCPU of its own.
 *
 * Any process of L2 can call. It learns what L2 knows anyway, that one of its
 * own user VMs has an interrupt, and can keep it from who ought to know, as L2
 * can. A call costs a look at each slot, and blocks nobody but the caller.
 */

#include "vsb.h"

#include <asm/hvm/nestedhvm.h>

/* The slot after the one told of last: so each has its turn. */
static unsigned int turn;

static bool due(const struct vsb_vm *vm, uint16_t domid)
{
    return vsb_irq_mode == VSB_IRQ_ULTRACALL && vm->domid == domid &&
           vsb_doorbell_line_due(vm);
}

static bool tell(uint16_t domid, struct vsb_line *line)
{
    unsigned int i, first = turn;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        unsigned int slot = (first + i) % VSB_MAX_VMS;
        struct vsb_vm *vm = &vsb_vms[slot];
        unsigned long flags;
        bool told = false;

        if ( !due(vm, domid) )
            continue;

        spin_lock_irqsave(&vm->lock, flags);
        if ( due(vm, domid) )
        {
            memcpy(line->uuid, vm->uuid, sizeof(line->uuid));
            line->level = vsb_doorbell_tell_line(vm);
            turn = (slot + 1) % VSB_MAX_VMS;
            told = true;
        }
        spin_unlock_irqrestore(&vm->lock, flags);

        if ( told )
            return true;
    }

    return false;
}

bool vsb_ultracall_wait(struct vcpu *v, struct vsb_line *line)
{
    uint16_t domid = v->domain->domain_id;
    struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    unsigned int i;

    vsb_count.ultracalls++;
    if ( tell(domid, line) )
        return true;

    vsb_count.ultracall_waits++;
    cache->waiting = true;
    vcpu_block();

    /* What came in between found nobody to wake. */
    smp_mb();
    for ( i = 0; i < VSB_MAX_VMS; i++ )
        if ( due(&vsb_vms[i], domid) )
        {
            vcpu_unblock(v);
            break;
        }

    return false;
}

void vsb_ultracall_wake(const struct vsb_vm *vm)
{
    unsigned int i;
    struct vcpu *v;

    if ( !vsb_doorbell_line_due(vm) )
        return;

    for ( i = 0; i < vm->nr_vcpus && !vm->vcpus[i].v; i++ )
        ;
    if ( i == vm->nr_vcpus )
        return;

    smp_mb();
    for_each_vcpu ( vm->vcpus[i].v->domain, v )
    {
        struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;

        /*
         * Woken for an interrupt, it may be doing something else by now. If that
         * is a HLT, it ends early, once: L2 looks for work and halts again.
         */
        if ( cache->waiting )
        {
            cache->waiting = false;
            vcpu_unblock(v);
        }
    }
}
