/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is done about L3's exits (exits.c), on a processor that the test plays:
 * which accesses are shadowed, which HLT and which end of interrupt L2 never
 * sees, and what it sees instead.
 */

#include "shim.h"
#include "tap.h"

#include <asm/hvm/emulate.h>
#include <asm/hvm/io.h>
#include <asm/hvm/nestedhvm.h>

#define VECTOR      0x31
#define X2APIC_EOI  0x80b

static const struct vsb_entry entry = { .vmcx = 0x1000, .root = 0x2000 };
static struct domain l2;
static struct vcpu cpu;
static struct vsb_vm *vm;

static void start(void)
{
    shim_reset();
    l2 = (struct domain){ .domain_id = 1 };
    cpu = (struct vcpu){ .domain = &l2 };
    shim_enter(&cpu, &entry, 0);
    vm = cpu.arch.hvm.nvcpu.nv_vsb.vm;
    vm->label_tries = VSB_LABEL_TRIES;
    shim_out(&cpu, VSB_UART_MCR, VSB_UART_MCR_OUT2);
    shim_out(&cpu, VSB_UART_IER, VSB_UART_IER_RDA);
}

static void hook(bool on)
{
    unsigned long flags;

    spin_lock_irqsave(&vm->lock, flags);
    vsb_doorbell_hook(vm, on);
    spin_unlock_irqrestore(&vm->lock, flags);
}

static uint32_t read(unsigned int port, unsigned int size)
{
    uint32_t val = 0x12345678;

    CHECK(shim_io(&cpu, port, size, true, &val));

    return val;
}

static bool is_ours(unsigned int port, unsigned int size)
{
    uint32_t val = 0;

    return shim_io(&cpu, port, size, true, &val);
}

/* L3's interrupt handler, after an interrupt of L2's or of ours (0). */
static void handle(uint8_t vector)
{
    if ( vector )
        shim_enter(&cpu, &entry, vector);
    shim_cpu.regs.eflags = 0;
    while ( !(shim_in(&cpu, VSB_UART_IIR) & VSB_UART_IIR_NONE) )
        shim_in(&cpu, VSB_UART_RBR);
    shim_cpu.regs.eflags = X86_EFLAGS_IF;
}

static void ports(void)
{
    uint32_t val = 0x0b0a;
    unsigned int before;

    start();
    tap_ok(!is_ours(0x3f7, 1) && !is_ours(0x400, 1) && !is_ours(0x3f4, 4) &&
           !is_ours(0x80, 2), "the ports beside COM1 are L2's");
    tap_ok(is_ours(0x3f8, 1) && is_ours(0x3ff, 1) && is_ours(0x3f5, 4) &&
           is_ours(0x3ff, 4), "all that overlaps it is not");
    before = shim_cpu.completed;
    tap_ok(shim_io(&cpu, 0x3fe, 2, false, &val) && vm->uart.scr == 0x0b,
           "a word is two bytes");
    tap_ok(shim_cpu.completed == before + 1, "and one instruction");
    tap_ok(read(0x3ff, 1) == 0x1234560b, "IN of a byte leaves the others alone");
    tap_ok(read(0x3ff, 2) == 0x1234ff0b, "a lane beside COM1 reads as ones");
    shim_cpu.regs.rax = ~0ull;
    tap_ok(read(0x3ff, 4) == 0xffffff0b && shim_cpu.regs.rax >> 32 == 0,
           "IN of 32 bits clears the rest of RAX");
    tap_ok(vm->count.refused_wide >= 4, "what was refused is counted");

    hook(false);
    tap_ok(!is_ours(0x3f8, 1), "unhooked: L2's");
    cpu.arch.hvm.nvcpu.nv_vsb.vm = NULL;
    tap_ok(read(0x3f8, 1) == 0x123456ff && vsb_count.accesses_refused == 1,
           "a VM that is not tracked has a dead port, not L2's");
    vsb_enabled = false;
    tap_ok(!is_ours(0x3f8, 1), "nothing is shadowed without a link");
    vsb_enabled = true;
}

static void short_way(void)
{
    const struct vsb_exit out = {
        .kind = VSB_EXIT_IO, .port = VSB_COM1, .size = 1,
    };
    bool settled = false;
    uint32_t val = 'x';

    start();
    shim_io(&cpu, VSB_COM1, 1, false, &val);
    cpu.arch.hvm.nvcpu.nv_vmexit_pending = true;
    shim_cpu.regs.rax = 'y';
    vsb_io_exit(&cpu, &shim_cpu.regs, shim_begin_exit(&cpu, &out), &settled);
    tap_ok(vm->out_end == 2 && !settled,
           "a single step's exit to L2 does not wait");
    cpu.arch.hvm.nvcpu.nv_vmexit_pending = false;
    vsb_io_exit(&cpu, &shim_cpu.regs, shim_begin_exit(&cpu, &out), &settled);
    tap_ok(settled, "else a character changes nothing that is looked at");
}

/* The slot is another user VM's, one whose COM1 is left to L2. */
static void give_away(void)
{
    vm->generation++;
    vm->hooked = false;
}

static void strings(void)
{
    struct vcpu others[NR_IO_HANDLERS];
    uint32_t val = 'z';
    unsigned int i;

    start();
    tap_ok(shim_string(&cpu, VSB_COM1, 1, false, &val) &&
           vm->out[0] == 'z' && vm->count.string_accesses == 1, "OUTS");
    tap_ok(shim_string(&cpu, VSB_COM1 + 1, 1, true, &val) &&
           val == VSB_UART_IER_RDA, "INS");
    tap_ok(l2.arch.hvm.io_handler_count == 1, "one handler for all of them");
    tap_ok(!shim_string(&cpu, 0x80, 1, false, &val), "at other ports: L2's");

    cpu.arch.hvm.nvcpu.nv_guestmode = false;
    tap_ok(!l2.arch.hvm.io_handler[0].ops->accept(
               &l2.arch.hvm.io_handler[0],
               &(ioreq_t){ .addr = VSB_COM1, .size = 1 }),
           "L2's own INS and OUTS are not L3's");
    cpu.arch.hvm.nvcpu.nv_guestmode = true;

    hook(false);
    tap_ok(!shim_string(&cpu, VSB_COM1, 1, false, &val), "unhooked: L2's");
    hook(true);
    cpu.arch.hvm.nvcpu.nv_vsb.vm = NULL;
    tap_ok(shim_string(&cpu, VSB_COM1, 1, false, &val) &&
           shim_cpu.exceptions == 1, "not tracked: #GP");

    start();
    for ( i = 0; i < NR_IO_HANDLERS; i++ )
    {
        others[i] = (struct vcpu){ .domain = &l2 };
        others[i].arch.hvm.nvcpu.nv_guestmode = true;
        hvm_next_io_handler(&l2)->ops = &(struct hvm_io_ops){ 0 };
    }
    tap_ok(shim_string(&others[0], VSB_COM1, 1, false, &val) &&
           shim_cpu.exceptions == 1, "no room for a handler: #GP");
}

static void given_away(void)
{
    uint32_t val = 0;

    start();
    shim_on_emulate = give_away;
    tap_ok(shim_string(&cpu, VSB_COM1, 1, true, &val) && val == 0xffffffff &&
           !shim_cpu.exceptions,
           "the slot given away meanwhile: a dead port, not L2's device model");
}

static void halts(void)
{
    unsigned int before;

    start();
    shim_out(&cpu, VSB_UART_IER, 0);
    tap_ok(!shim_hlt(&cpu) && !cpu.shim_blocked,
           "nobody types, nobody listens: L2 gets the HLT");
    shim_out(&cpu, VSB_UART_IER, VSB_UART_IER_RDA);
    vm->halt_policy = VSB_HALT_ALWAYS;
    before = shim_cpu.completed;
    tap_ok(shim_hlt(&cpu) && cpu.shim_blocked &&
           shim_cpu.completed == before + 1 && vm->vcpus[0].halted,
           "captured: behind it, and blocked");
    tap_ok(shim_cpu.halted == 1, "what needs L3 to run is done otherwise");
    tap_ok(shim_opportunity(&cpu) == SHIM_NO_EXIT && !shim_cpu.resumed,
           "until it does: not on the way to the block");
    shim_type(vm);
    tap_ok(!cpu.shim_blocked &&
           shim_opportunity(&cpu) == VSB_UART_IER_THRE && shim_cpu.resumed == 1,
           "input wakes it, and rings");
    handle(VECTOR);
    tap_ok(shim_hlt(&cpu) && !cpu.shim_blocked &&
           shim_opportunity(&cpu) == 0, "a line to lower comes first");

    start();
    vm->halt_policy = VSB_HALT_ALWAYS;
    shim_hlt(&cpu);
    vcpu_unblock(&cpu);
    shim_enter(&cpu, &entry, VECTOR);
    shim_opportunity(&cpu);
    tap_ok(shim_cpu.halted == 1 && !shim_cpu.resumed,
           "an L3 that L2 had go on owes nothing");

    start();
    vm->halt_policy = VSB_HALT_ALWAYS;
    if ( !shim_backend )
    {
        shim_cpu.unreadable = true;
        tap_ok(shim_hlt(&cpu) && !cpu.shim_blocked && !shim_cpu.halted,
               "one that cannot be read any more is an exception");
        shim_cpu.unreadable = false;
    }
    shim_cpu.ends_halt = true;
    tap_ok(!shim_hlt(&cpu) && !cpu.shim_blocked,
           "L2 has an interrupt for it already: L2's");
    shim_cpu.ends_halt = false;
    shim_cpu.regs.eflags = 0;
    tap_ok(!vsb_vmexit(&cpu, &shim_cpu.regs,
                       shim_begin_exit(&cpu, &(struct vsb_exit){
                                                 .kind = VSB_EXIT_HLT })),
           "interrupts off: L2's");
}

/* As serial8250_do_startup() does, see thre_probe_test.c. */
static void linux_opens(void)
{
    shim_out(&cpu, VSB_UART_IER, 0);
    shim_out(&cpu, VSB_UART_FCR, 0x07);
    shim_out(&cpu, VSB_UART_FCR, 0);
    shim_in(&cpu, VSB_UART_LSR);
    shim_out(&cpu, VSB_UART_IER, VSB_UART_IER_THRE);
    shim_in(&cpu, VSB_UART_IIR);
    shim_out(&cpu, VSB_UART_IER, 0);
    shim_out(&cpu, VSB_UART_IER, VSB_UART_IER_THRE);
    shim_in(&cpu, VSB_UART_IIR);
    shim_out(&cpu, VSB_UART_IER, 0);
    shim_out(&cpu, VSB_UART_FCR, 0x01);
    shim_out(&cpu, VSB_UART_IER, VSB_UART_IER_RDA);
}

/* The default policy, and an L3 that may have no timer. */
static void first_key(void)
{
    struct vcpu other = { .domain = &l2 };
    struct vsb_entry second = { .vmcx = 0x3000, .root = 0x2000 };

    start();
    tap_ok(shim_hlt(&cpu) && cpu.shim_blocked, "one that listens is captured");
    shim_enter(&other, &second, 0);
    tap_ok(!shim_hlt(&other) && !other.shim_blocked, "one vCPU of it");
    shim_type(vm);
    tap_ok(!cpu.shim_blocked && shim_opportunity(&cpu) == VSB_UART_IER_THRE,
           "and hears the first key");

    start();
    linux_opens();
    tap_ok(vm->heartbeat && !shim_hlt(&cpu), "Linux has a heartbeat: L2's");
    shim_out(&cpu, VSB_UART_FCR, 0x03);
    tap_ok(shim_hlt(&cpu) && cpu.shim_blocked,
           "until another driver begins there");

    start();
    vsb_irq_mode = VSB_IRQ_NET;
    tap_ok(!shim_hlt(&cpu), "where L2 is told by a server: L2's");
    vsb_irq_mode = VSB_IRQ_DIRECT;
}

static void rings(void)
{
    start();
    shim_type(vm);
    shim_cpu.busy = true;
    tap_ok(shim_opportunity(&cpu) == SHIM_NO_EXIT && !vm->bell.raised,
           "an event on its way: not now");
    shim_cpu.busy = false;
    shim_cpu.regs.eflags |= X86_EFLAGS_TF;
    tap_ok(shim_opportunity(&cpu) == SHIM_NO_EXIT, "nor in a single step");
    shim_cpu.regs.eflags = X86_EFLAGS_IF;

    shim_cpu.regs.rax = 0x1122334455667788;
    shim_cpu.regs.rip = 0x7000;
    tap_ok(shim_opportunity(&cpu) == VSB_UART_IER_THRE &&
           shim_cpu.regs.rax == 0x1122334455667702 && shim_cpu.presented == 1,
           "L2 sees AL = 2 written");
    shim_enter(&cpu, &entry, 0);
    tap_ok(shim_cpu.regs.rax == 0x1122334455667788, "L3 has its RAX back");

    start();
    shim_type(vm);
    shim_cpu.regs.rip = 0x7000;
    shim_opportunity(&cpu);
    shim_cpu.regs.rip = 0xfff0;
    shim_cpu.regs.rax = 0x600;
    shim_enter(&cpu, &entry, 0);
    tap_ok(shim_cpu.regs.rax == 0x600, "unless L2 has reset it");
}

static void direct(void)
{
    unsigned int i;

    start();
    vsb_irq_mode = VSB_IRQ_DIRECT;
    vm->halt_policy = VSB_HALT_ALWAYS;
    for ( i = 0; i < 3; i++ )
    {
        while ( shim_hlt(&cpu) && !cpu.shim_blocked )
        {
            shim_opportunity(&cpu);
            shim_enter(&cpu, &entry, 0);
        }
        shim_type(vm);
        shim_opportunity(&cpu);
        handle(i < 2 ? VECTOR : 0);
    }
    tap_ok(shim_cpu.injected == 1 && shim_cpu.vector == VECTOR,
           "learned twice, then injected");
    tap_ok(!shim_wrmsr(&cpu, 0x830, 0) && !shim_wrmsr(&cpu, X2APIC_EOI, 1),
           "other writes to the x2APIC are L2's");
    tap_ok(shim_wrmsr(&cpu, X2APIC_EOI, 0), "its end is kept from L2");
    tap_ok(!shim_wrmsr(&cpu, X2APIC_EOI, 0), "once");
    tap_ok(!shim_eoi(&cpu), "an xAPIC's, of an interrupt of L2's, is L2's");
    vm->vcpus[0].eoi_due = true;
    tap_ok(shim_eoi(&cpu), "of ours is not");

    shim_fault(&cpu, 0xfec01000);
    tap_ok(vm->direct.seen, "a fault elsewhere changes nothing");
    shim_fault(&cpu, 0xfec00000);
    tap_ok(!vm->direct.seen, "at the IOAPIC it makes the vector forgotten");
}

static void calls(void)
{
    struct cpu_user_regs regs = { .rax = VSB_ULTRACALL };
    bool answered;

    start();
    shim_current = &cpu;
    regs.eflags = X86_EFLAGS_IF;
    tap_ok(!vsb_hypercall(&cpu, &regs, &answered), "no server is asked for");
    vsb_irq_mode = VSB_IRQ_ULTRACALL;
    tap_ok(vsb_hypercall(&cpu, &regs, &answered) && !answered,
           "nothing to say: to be called again");
    shim_cpu.cpl = 0;
    tap_ok(!vsb_hypercall(&cpu, &regs, &answered), "from a kernel: Xen's");
    shim_cpu.cpl = 3;
    shim_cpu.mode = 4;
    tap_ok(!vsb_hypercall(&cpu, &regs, &answered), "from 32 bits: Xen's");
    shim_cpu.mode = 8;
    regs.rax++;
    tap_ok(!vsb_hypercall(&cpu, &regs, &answered), "another number: Xen's");
}

int main(void)
{
    ports();
    short_way();
    strings();
    given_away();
    halts();
    first_key();
    rings();
    direct();
    calls();

    return tap_done();
}
