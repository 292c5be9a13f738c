/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: which HLT of L3 is not reflected.
 *
 * While L3 waits in HLT, L2 does not run it, and L1 has no opportunity to ring
 * the doorbell: input would wait for L3's next timer. A captured HLT leaves the
 * vCPU blocked in L1 with L3 still entered, as KVM does for a guest whose HLT
 * exits are disabled; L2's interrupts and the doorbell wake it. The price: L2
 * believes that L3 is running, so an L2 with other work on that CPU shares it.
 * Hence the adaptive default: while somebody is typing, and of an L3 that listens
 * and may have no timer that ends a HLT. It would never hear the first key. One
 * vCPU is enough for that, and Linux is left out: its heartbeat comes by.
 */

#include "vsb.h"

#include <asm/hvm/nestedhvm.h>

/* After the last key. */
#define TYPING SECONDS(5)

bool vsb_entered(const struct vsb_vm *vm, const struct vsb_l3_vcpu *vcpu)
{
    struct vcpu *v = vcpu->v;

    return v && nestedhvm_vcpu_in_guestmode(v) &&
           vcpu_nestedhvm(v).nv_vsb.vm == vm &&
           &vm->vcpus[vcpu_nestedhvm(v).nv_vsb.index] == vcpu;
}

bool vsb_halted(const struct vsb_vm *vm, const struct vsb_l3_vcpu *vcpu)
{
    return vcpu->halted && vsb_entered(vm, vcpu);
}

/* L3's driver wants to be interrupted for input, and L1 alone can do that. */
static bool listens(const struct vsb_vm *vm)
{
    return (vm->uart.ier & VSB_UART_IER_RDA) && vsb_irq_by_doorbell();
}

static bool any_halted(const struct vsb_vm *vm)
{
    unsigned int i;

    for ( i = 0; i < vm->nr_vcpus; i++ )
        if ( vsb_halted(vm, &vm->vcpus[i]) )
            return true;

    return false;
}

bool vsb_halt_wanted(const struct vsb_vm *vm)
{
    switch ( vm->halt_policy )
    {
    case VSB_HALT_ALWAYS:
        return true;

    case VSB_HALT_ATTACHED:
        return vm->sessions;

    case VSB_HALT_ADAPTIVE:
        return (vm->last_input && NOW() - vm->last_input < TYPING) ||
               (listens(vm) && !vm->heartbeat && !any_halted(vm));

    case VSB_HALT_NEVER:
        break;
    }

    return false;
}
