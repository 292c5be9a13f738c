/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The learned vector (direct.c): when it is believed, whom it is for, and what
 * makes it forgotten. L3's handler and L2's injections are played.
 */

#include "shim.h"
#include "tap.h"

#include <asm/hvm/nestedhvm.h>

#define VECTOR 0x25
#define TIMER  0xec

static struct domain l2 = { .domain_id = 1 };
static struct vcpu cpu[2];
static struct vsb_vm *vm;

static void enter(unsigned int index, uint8_t vector)
{
    struct vsb_entry entry = { .vmcx = 0x1000 + index, .root = 0x2000 };

    shim_enter(&cpu[index], &entry, vector);
}

static void write(unsigned int reg, uint8_t val)
{
    shim_out(&cpu[0], reg, val);
}

static void start(void)
{
    unsigned int i;

    shim_reset();
    vsb_irq_mode = VSB_IRQ_DIRECT;
    for ( i = 0; i < 2; i++ )
    {
        cpu[i] = (struct vcpu){ .domain = &l2 };
        enter(i, 0);
    }
    vm = cpu[0].arch.hvm.nvcpu.nv_vsb.vm;
    vm->label_tries = VSB_LABEL_TRIES;
    write(VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    write(VSB_UART_MCR, VSB_UART_MCR_OUT2);
    write(VSB_UART_IER, VSB_UART_IER_RDA);
}

/* An opportunity with an idle vCPU. True: by injection. */
static bool raise(unsigned int index)
{
    unsigned int before = shim_cpu.injected, presented = shim_cpu.presented;
    unsigned int i, ier = 0;

    /* L2's line may have to be lowered for it. */
    for ( i = 0; i < 2 && !ier && shim_cpu.injected == before; i++ )
    {
        vm->vcpus[index].idle = true;
        ier = shim_opportunity(&cpu[index]) % SHIM_NO_EXIT;
        enter(index, 0);
    }
    tap_ok(shim_cpu.injected + shim_cpu.presented > before + presented &&
           vm->bell.raised, "an interrupt is due");

    return shim_cpu.injected > before;
}

/* L3's handler on vCPU @index, after L2 has injected @vector, or nobody (0). */
static void handle(unsigned int index, uint8_t vector)
{
    enter(index, vector);
    shim_cpu.regs.eflags &= ~X86_EFLAGS_IF;
    while ( !(shim_in(&cpu[index], VSB_UART_IIR) & VSB_UART_IIR_NONE) )
        shim_in(&cpu[index], VSB_UART_RBR);
    shim_cpu.regs.eflags |= X86_EFLAGS_IF;
}

static bool key(unsigned int index, uint8_t vector)
{
    bool direct;

    shim_type(vm);
    direct = raise(index);
    handle(index, direct ? 0 : vector);

    return direct;
}

static void learn(void)
{
    start();
    key(0, VECTOR);
    key(0, VECTOR);
}

static void learning(void)
{
    start();
    tap_ok(!key(0, VECTOR) && !key(0, VECTOR), "twice by the doorbell");
    tap_ok(key(0, 0) && vm->direct.vector == VECTOR, "then the vector is known");
    tap_ok(key(0, 0) && vm->count.directs == 2 && !vm->count.directs_unanswered,
           "and is used from then on");
    shim_type(vm);
    tap_ok(!raise(1), "not for another vCPU");

    start();
    key(0, VECTOR);
    key(0, TIMER);
    tap_ok(!key(0, VECTOR), "another vector in between: from the start");
    start();
    key(0, VECTOR);
    key(1, VECTOR);
    tap_ok(!key(1, VECTOR), "another vCPU in between: from the start");
    start();
    key(0, 3);
    key(0, 3);
    tap_ok(!key(0, 3), "an exception is no interrupt");

    start();
    handle(0, VECTOR);
    handle(0, VECTOR);
    tap_ok(!vm->direct.seen, "a look at IIR without need says nothing");

    learn();
    vsb_irq_mode = VSB_IRQ_DOORBELL;
    tap_ok(!key(0, VECTOR), "by the doorbell alone, if that is what is wanted");
}

static void forgetting(void)
{
    unsigned long flags;

    learn();
    write(VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    tap_ok(key(0, 0), "new settings change nothing");
    write(VSB_UART_FCR, VSB_UART_FCR_ENABLE | VSB_UART_FCR_RX_RESET);
    tap_ok(!key(0, VECTOR) && !key(0, VECTOR) && key(0, 0),
           "a driver that begins: to be learned again");

    shim_fault(&cpu[0], 0xfec00010);
    tap_ok(!key(0, VECTOR + 1) && !key(0, VECTOR + 1) && key(0, 0) &&
           vm->direct.vector == VECTOR + 1, "so it is when the vector moves");

    spin_lock_irqsave(&vm->lock, flags);
    vsb_com1_reset(vm);
    spin_unlock_irqrestore(&vm->lock, flags);
    tap_ok(!vm->direct.seen && !vm->bell.raised, "a reset");
    write(VSB_UART_MCR, VSB_UART_MCR_OUT2);
    write(VSB_UART_IER, VSB_UART_IER_RDA);

    learn();
    spin_lock_irqsave(&vm->lock, flags);
    vsb_doorbell_hook(vm, false);
    vsb_doorbell_hook(vm, true);
    spin_unlock_irqrestore(&vm->lock, flags);
    tap_ok(!vm->direct.seen, "COM1 was L2's meanwhile");
}

/* An injected one to which nobody answers. */
static bool lose(void)
{
    bool direct;

    shim_type(vm);
    direct = raise(0);
    shim_now += SECONDS(60);

    return direct;
}

static void failing(void)
{
    unsigned int i;

    learn();
    tap_ok(lose(), "injected, and not answered");
    tap_ok(!raise(0) && vm->count.directs_unanswered == 1,
           "the doorbell is rung instead");
    handle(0, VECTOR);
    tap_ok(!key(0, VECTOR) && key(0, 0) && !vm->direct.failures,
           "learned again, answered: all is well");

    learn();
    for ( i = 0; i < 3; i++ )
    {
        tap_ok(lose(), "not answered");
        raise(0);
        handle(0, VECTOR);
        key(0, VECTOR);
    }
    tap_ok(!key(0, VECTOR) && vm->count.directs == 3,
           "after some such failures it is left alone");
}

static void waking(void)
{
    unsigned long flags;

    learn();
    vm->vcpus[0].halted = vm->vcpus[1].halted = true;
    shim_type(vm);
    tap_ok(!vm->vcpus[0].halted && vm->vcpus[1].halted,
           "of two that are halted it wakes the one that was learned");

    start();
    key(1, VECTOR);
    key(1, VECTOR);
    vm->vcpus[0].halted = vm->vcpus[1].halted = true;
    shim_type(vm);
    tap_ok(vm->vcpus[0].halted && !vm->vcpus[1].halted, "whichever that is");

    raise(1);
    handle(1, 0);
    vm->vcpus[0].halted = true;
    vm->vcpus[1].halted = false;
    shim_type(vm);
    tap_ok(!vm->vcpus[0].halted, "another if that one runs");
    spin_lock_irqsave(&vm->lock, flags);
    tap_ok(!vsb_direct_known(vm, 0), "which needs the doorbell");
    spin_unlock_irqrestore(&vm->lock, flags);
}

/* L2 is destroyed with L3 in a captured HLT and a character on its way. */
static void dying(void)
{
    learn();
    vm->vcpus[0].halted = true;
    cpu[0].arch.hvm.nvcpu.nv_guestmode = false;
    shim_type(vm);
    tap_ok(vm->bell.asserted && vm->vcpus[0].halted, "L2 is at work");

    vsb_domain_relinquish(&l2);
    cpu[0].arch.hvm.nvcpu.nv_guestmode = true;
    cpu[0].shim_unblocked = 0;
    shim_housekeeping();
    tap_ok(!cpu[0].shim_unblocked, "who learned it is not there to be woken");
}

int main(void)
{
    learning();
    forgetting();
    failing();
    waking();
    dying();

    return tap_done();
}
