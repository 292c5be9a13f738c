/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: the doorbell.
 *
 * L3's interrupt controllers are emulated by L2, so only L2 can deliver IRQ 4
 * to the right vCPU with the right vector. It has a UART of its own for L3,
 * idle since all accesses are shadowed, whose line it drives. L1 makes L2 raise
 * that line by an I/O exit that L3 never made: OUT to IER of 0x02, which
 * enables the transmitter's interrupt while the transmitter is idle. OUT of
 * 0x00 lowers it. These constants are all that L2 ever sees, unless COM1 is left
 * to it: then the same way brings L3's IER to its UART.
 *
 * IRQ 4 is edge triggered, so an interrupt needs the line to go up. Each change
 * costs a full trip through L2, its device model included; hence:
 *  - Raise once for a burst: L3's handler reads IIR until it says "no
 *    interrupt", so until then it hears of everything.
 *  - Lower when L3 is idle, off the path of the next interrupt. L3's handler
 *    is done then, even if it is one that never asks for more: it is enough
 *    that it has dealt with what there was.
 *  - A transmitter that became empty is no news to an L3 which is still filling
 *    its buffer (a real one takes 1.4 ms at 115200 Bd for a FIFO): ring when L3
 *    goes idle, which it does when its buffer is full, or after that time.
 *
 * L2 may have reset its UART, and it may not deliver what it should: without
 * an answer the line is lowered and raised again, less and less often.
 *
 * Once the vector is known, an idle L3 gets it without L2 (direct.c).
 *
 * The same rules decide what an interrupt server in L2 is told where one is
 * used instead (vsb_irq_mode): the level that it is to bring the line to by L2's
 * own interface. Nothing has to wait for an opportunity then. Levels that follow
 * each other before the server hears of them become one; told "high" for a line
 * that is high already, it makes an edge.
 */

#include "vsb.h"

#include <xen/event.h>

/* A FIFO of 16 at 115200 Bd, 10 bits each. */
#define TX_DELAY        MICROSECS(1389)

/* L3 did not answer: first, and longest, time until the next try. */
#define ANSWER_FIRST    MILLISECS(100)
#define ANSWER_DOUBLED  6

/* The same for an interrupt that needs nobody but L3. */
#define ANSWER_DIRECT   MILLISECS(25)

enum vsb_irq_mode vsb_irq_mode = VSB_IRQ_DIRECT;

static bool asserted(const struct vsb_vm *vm)
{
    return vsb_uart_intr(&vm->uart);
}

static bool only_transmitter(const struct vsb_vm *vm)
{
    return (vsb_uart_pending(&vm->uart) & VSB_UART_IIR_ID) == VSB_UART_IIR_THRE;
}

void vsb_doorbell_reset(struct vsb_vm *vm)
{
    vm->bell = (struct vsb_doorbell){};
}

void vsb_doorbell_update(struct vsb_vm *vm)
{
    struct vsb_doorbell *bell = &vm->bell;
    bool now = asserted(vm);

    if ( now && !bell->asserted )
    {
        vm->count.irq_asserts++;
        if ( !bell->raised || bell->answered )
            bell->since = NOW();
    }
    else if ( !now && bell->asserted && bell->raised )
    {
        bell->served = true;
        bell->rerings = 0;
    }
    bell->asserted = now;
}

void vsb_doorbell_iir_read(struct vsb_vm *vm, uint8_t iir)
{
    struct vsb_doorbell *bell = &vm->bell;

    if ( !bell->raised || bell->answered )
        return;

    /* The handler is at work: no reason to ring again. */
    bell->since = NOW();
    bell->rerings = 0;
    bell->answered = iir & VSB_UART_IIR_NONE;
}

enum vsb_ring vsb_doorbell_next(const struct vsb_vm *vm, bool idle)
{
    const struct vsb_doorbell *bell = &vm->bell;
    s_time_t due = bell->since;

    if ( unlikely(!vm->hooked) )
        return bell->hand_over ? VSB_RING_HAND_OVER : VSB_RING_NOTHING;

    if ( bell->raised )
    {
        if ( (bell->answered || bell->served) && idle )
            return VSB_RING_LOWER;

        if ( !bell->asserted )
            return VSB_RING_NOTHING;

        if ( !bell->answered )
            due += bell->direct ? ANSWER_DIRECT
                                : ANSWER_FIRST << min_t(unsigned int,
                                                        bell->rerings,
                                                        ANSWER_DOUBLED);
        else if ( only_transmitter(vm) )
            due += TX_DELAY;

        return NOW() >= due ? VSB_RING_LOWER : VSB_RING_NOTHING;
    }

    if ( !bell->asserted )
        return VSB_RING_NOTHING;

    return idle || !only_transmitter(vm) || NOW() >= due + TX_DELAY
           ? VSB_RING_RAISE : VSB_RING_NOTHING;
}

void vsb_doorbell_done(struct vsb_vm *vm, enum vsb_ring ring)
{
    struct vsb_doorbell *bell = &vm->bell;

    if ( ring == VSB_RING_HAND_OVER )
    {
        bell->hand_over = false;
        return;
    }

    if ( ring == VSB_RING_RAISE )
    {
        vm->count.rings++;
        if ( bell->rerings )
            vm->count.rerings++;
        bell->raised = true;
        bell->iir_read = bell->answered = bell->served = false;
        bell->since = NOW();
        return;
    }

    if ( !bell->answered && !bell->served )
    {
        if ( bell->direct )
            vsb_direct_unanswered(vm);
        bell->rerings = min(bell->rerings + 1, ANSWER_DOUBLED);
    }
    bell->raised = bell->direct = false;
    /* What made it necessary to lower the line has waited already. */
    if ( bell->asserted )
        bell->since = NOW() - TX_DELAY;
}

bool vsb_doorbell_settled(const struct vsb_vm *vm)
{
    return vsb_doorbell_next(vm, false) == VSB_RING_NOTHING &&
           !vm->bell.line_due;
}

static bool wake_vcpu(struct vsb_vm *vm, unsigned int index)
{
    struct vsb_l3_vcpu *vcpu = &vm->vcpus[index];

    if ( !vsb_halted(vm, vcpu) )
        return false;

    vcpu->halted = false;
    vcpu_unblock(vcpu->v);

    return true;
}

static void wake(struct vsb_vm *vm)
{
    unsigned int i;

    /* Rather the one that needs no doorbell. */
    if ( vsb_direct_known(vm, vm->direct.vcpu) &&
         wake_vcpu(vm, vm->direct.vcpu) )
        return;

    for ( i = 0; i < vm->nr_vcpus; i++ )
        if ( wake_vcpu(vm, i) )
            return;

    /* It may be on its way back to L3 already, without a look at the doorbell. */
    if ( vsb_doorbell_next(vm, false) != VSB_RING_NOTHING )
        for ( i = 0; i < vm->nr_vcpus; i++ )
            if ( vsb_entered(vm, &vm->vcpus[i]) )
            {
                vcpu_kick(vm->vcpus[i].v);
                return;
            }
}

static bool all_idle(const struct vsb_vm *vm)
{
    unsigned int i;

    for ( i = 0; i < vm->nr_vcpus; i++ )
        if ( !vm->vcpus[i].idle && !vsb_halted(vm, &vm->vcpus[i]) )
            return false;

    return true;
}

bool vsb_doorbell_settle(struct vsb_vm *vm, bool idle)
{
    enum vsb_ring ring;
    unsigned int i;
    bool changed = false;

    /* Lowered for the next edge, it is to be raised at once. */
    for ( i = 0; i < 2; i++ )
    {
        ring = vsb_doorbell_next(vm, idle);
        if ( ring != VSB_RING_LOWER && ring != VSB_RING_RAISE )
            break;
        vsb_doorbell_done(vm, ring);
        changed = true;
    }

    if ( changed )
        vm->bell.line_due = true;
    /* If it could not be told before, as the VM had no name yet: now perhaps. */
    if ( vm->bell.line_due && vsb_irq_mode == VSB_IRQ_ULTRACALL )
        vsb_ultracall_wake(vm);

    return changed;
}

bool vsb_doorbell_tell_line(struct vsb_vm *vm)
{
    vm->bell.line_due = false;
    vm->count.lines_told++;

    return vm->bell.raised;
}

void vsb_doorbell_wake(struct vsb_vm *vm)
{
    if ( !vsb_irq_by_doorbell() )
    {
        vsb_doorbell_settle(vm, all_idle(vm));
        if ( !vm->bell.hand_over )
            return;
    }

    /* A line that only has to be lowered is not worth it. */
    if ( (vm->bell.asserted || vm->bell.hand_over) &&
         vsb_doorbell_next(vm, true) != VSB_RING_NOTHING )
        wake(vm);
}

void vsb_doorbell_hook(struct vsb_vm *vm, bool on)
{
    if ( vm->hooked == on )
        return;

    /* The shadow UART has followed L3's settings meanwhile: see ioio(). */
    vm->hooked = on;
    vsb_doorbell_reset(vm);
    vsb_direct_forget(vm);
    vm->bell.hand_over = !on;
    vsb_doorbell_update(vm);
    vsb_doorbell_wake(vm);
}
