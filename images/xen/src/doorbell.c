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

/*
 * How L2, or L3 without it, hears of the line: one entry a path. raise() and
 * lower() return true if it is done, and false if it takes an exit to L2. wake()
 * is for when something changed while L3 may not be running.
 */
struct irq_path
{
    bool (*raise)(struct vsb_vm *vm);
    bool (*lower)(struct vsb_vm *vm);
    void (*wake)(struct vsb_vm *vm);
};

static bool cf_check by_exit(struct vsb_vm *vm)
{
    return false;
}

/* L2 has no line to lower where it was raised for L3 alone. */
static bool cf_check direct_lower(struct vsb_vm *vm)
{
    if ( !vm->bell.direct )
        return false;

    vsb_doorbell_done(vm, VSB_RING_LOWER);

    return true;
}

/* A captured HLT is woken if there is a reason; an L3 that runs comes by. */
static void cf_check wake_l3(struct vsb_vm *vm)
{
    /* A line that only has to be lowered is not worth it. */
    if ( (vm->bell.asserted || vm->bell.hand_over) &&
         vsb_doorbell_next(vm, true) != VSB_RING_NOTHING )
        wake(vm);
}

static bool cf_check server_raise(struct vsb_vm *vm)
{
    vsb_doorbell_done(vm, VSB_RING_RAISE);
    vm->bell.line_due = true;

    return true;
}

static bool cf_check server_lower(struct vsb_vm *vm)
{
    vsb_doorbell_done(vm, VSB_RING_LOWER);
    vm->bell.line_due = true;

    return true;
}

/* Nothing has to wait for L3, but what takes an exit all the same. */
static void cf_check wake_server(struct vsb_vm *vm)
{
    bool told;

    if ( vsb_doorbell_settle(vm, all_idle(vm), &told) != VSB_RING_NOTHING )
        wake_l3(vm);
}

static const struct irq_path paths[] = {
    [VSB_IRQ_DOORBELL] = { by_exit, by_exit, wake_l3 },
    [VSB_IRQ_DIRECT] = { by_exit, direct_lower, wake_l3 },
    [VSB_IRQ_ULTRACALL] = { server_raise, server_lower, wake_server },
    [VSB_IRQ_NET] = { server_raise, server_lower, wake_server },
};

enum vsb_ring vsb_doorbell_settle(struct vsb_vm *vm, bool idle, bool *told)
{
    const struct irq_path *path = &paths[vsb_irq_mode];
    enum vsb_ring ring;
    unsigned int i;

    *told = false;

    /* Lowered for the next edge, it is to be raised at once. */
    for ( i = 0; i < 2; i++ )
    {
        ring = vsb_doorbell_next(vm, idle);
        if ( likely(ring == VSB_RING_NOTHING) || ring == VSB_RING_HAND_OVER ||
             !(ring == VSB_RING_RAISE ? path->raise : path->lower)(vm) )
            break;
        *told = vsb_irq_mode == VSB_IRQ_NET;
        ring = VSB_RING_NOTHING;
    }

    /* If it could not be told before, as the VM had no name yet: now perhaps. */
    if ( unlikely(vm->bell.line_due) && vsb_irq_mode == VSB_IRQ_ULTRACALL )
        vsb_ultracall_wake(vm);

    return ring;
}

bool vsb_doorbell_tell_line(struct vsb_vm *vm)
{
    vm->bell.line_due = false;
    vm->count.lines_told++;

    return vm->bell.raised;
}

void vsb_doorbell_wake(struct vsb_vm *vm)
{
    paths[vsb_irq_mode].wake(vm);
}

void vsb_doorbell_hook(struct vsb_vm *vm, bool on)
{
    if ( vm->hooked == on )
        return;

    /* The shadow UART has followed L3's settings meanwhile: see vsb_io_exit(). */
    vm->hooked = on;
    vsb_doorbell_reset(vm);
    vsb_direct_forget(vm);
    vm->bell.hand_over = !on;
    vsb_doorbell_update(vm);
    vsb_doorbell_wake(vm);
}
