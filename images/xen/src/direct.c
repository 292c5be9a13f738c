/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: an idle L3's interrupt, without L2.
 *
 * A doorbell costs two trips through L2 and its device model. But L2 injects
 * the same vector each time, and L3 shows which one it is: the last that L2
 * injected before L3's handler, with interrupts off, reads IIR of a UART whose
 * line was just raised. Seen twice in a row on one vCPU, it is injected here.
 *
 * L2 does not know of such an interrupt, so it is for a vCPU alone that has
 * nothing in service: one that waits in a HLT with interrupts enabled. The
 * end-of-interrupt of an x2APIC is kept from L2, too; that of an xAPIC and of a
 * PIC, which L2 does see, finds nothing in service and does nothing.
 *
 * The vector moves when L3 writes to its IOAPIC (another affinity), and another
 * kernel (kexec) or driver has another one: both are seen, and it is to be
 * learned again. Where that were missed, the interrupt would go unanswered. Then
 * the doorbell is rung, and after some such failures it is all that is used. So
 * it is where L2 tells of IRQ 4 by other means than its vector, Xen's event
 * channels say.
 */

#include "vsb.h"

/* How often in a row before it is believed. */
#define CONFIRMED 2

/* In a row, before it is left alone until L3 is reset. */
#define FAILURES 3

/* Those below are the processor's own exceptions. */
#define FIRST_VECTOR 16

void vsb_direct_reset(struct vsb_vm *vm)
{
    vm->direct = (struct vsb_direct){};
}

void vsb_direct_forget(struct vsb_vm *vm)
{
    vm->direct.seen = 0;
}

void vsb_direct_iir_read(struct vsb_vm *vm, unsigned int index)
{
    struct vsb_direct *direct = &vm->direct;
    uint8_t vector = vm->vcpus[index].vector;

    if ( !vm->bell.raised || vm->bell.iir_read )
        return;
    vm->bell.iir_read = true;

    if ( vm->bell.direct )
    {
        direct->failures = 0;
        return;
    }

    if ( vector < FIRST_VECTOR )
        return;

    if ( !direct->seen || direct->vector != vector || direct->vcpu != index )
    {
        direct->vector = vector;
        direct->vcpu = index;
        direct->seen = 0;
    }
    if ( direct->seen < CONFIRMED )
        direct->seen++;
}

bool vsb_direct_known(const struct vsb_vm *vm, unsigned int index)
{
    const struct vsb_direct *direct = &vm->direct;

    return vsb_irq_mode == VSB_IRQ_DIRECT && direct->seen == CONFIRMED &&
           direct->vcpu == index && direct->failures < FAILURES;
}

void vsb_direct_done(struct vsb_vm *vm)
{
    vsb_doorbell_done(vm, VSB_RING_RAISE);
    vm->bell.direct = true;
    vm->count.directs++;
}

void vsb_direct_unanswered(struct vsb_vm *vm)
{
    vm->count.directs_unanswered++;
    if ( vm->direct.failures < FAILURES )
        vm->direct.failures++;
    vsb_direct_forget(vm);
}
