/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What L1 sees of an L2 that watches L3 (watch.c): single steps, breakpoints, a
 * state that was written. And that it sees nothing where L2 does its work.
 */

#include "frame.h"
#include "shim.h"
#include "tap.h"

#include <asm/hvm/nestedhvm.h>

#define BREAKPOINT_0    0x2ul   /* G0 of DR7 */
#define RECORD          0x02
#define FLAGS           5       /* behind the header and the state */
#define EVIDENCE        4       /* bit of the first one */

static struct vsb_entry entry;
static struct domain l2;
static struct vcpu cpu;
static struct vsb_vm *vm;

static void start(void)
{
    shim_reset();
    entry = (struct vsb_entry){ .vmcx = 0x1000, .root = 0x2000 };
    l2 = (struct domain){ .domain_id = 1 };
    cpu = (struct vcpu){ .domain = &l2 };
    shim_enter(&cpu, &entry, 0);
    vm = cpu.arch.hvm.nvcpu.nv_vsb.vm;
    vm->label_tries = VSB_LABEL_TRIES;
    vm->record_due = false;
    /* L2 gets each HLT. */
    vm->halt_policy = VSB_HALT_NEVER;
    shim_kicks = 0;
}

static void leave(enum vsb_exit_kind kind)
{
    shim_leave(&cpu, kind);
}

static void enter(void)
{
    shim_enter(&cpu, &entry, 0);
}

static uint64_t total(void)
{
    return vm->count.stepped + vm->count.breakpoints + vm->count.rewritten;
}

static void ordinary(void)
{
    start();
    leave(VSB_EXIT_INTERRUPT);
    enter();
    leave(VSB_EXIT_INTERRUPT);
    shim_enter(&cpu, &entry, 0x31);
    tap_ok(!total(), "L3 goes on where it was, with an interrupt or without");

    leave(VSB_EXIT_OTHER);
    shim_cpu.regs.rip += 2;
    shim_cpu.regs.rax = shim_cpu.regs.rcx = 0x1234;
    enter();
    tap_ok(!total(), "L2 does what an instruction asks for");

    leave(VSB_EXIT_INTERRUPT);
    shim_in(&cpu, VSB_UART_LSR);
    shim_cpu.regs.rip += 100;
    enter();
    tap_ok(!total(), "L3 ran meanwhile, as far as a COM1 access of its own");

    tap_ok(!vm->record_due && !shim_kicks, "nothing is told");
}

static void single_steps(void)
{
    start();
    leave(VSB_EXIT_INTERRUPT);
    shim_cpu.regs.eflags |= X86_EFLAGS_TF;
    enter();
    tap_ok(vm->count.stepped == 1, "L2 sets TF");
    tap_ok(vm->record_due && shim_kicks == 1, "L0 is told at once");

    vm->record_due = false;
    leave(VSB_EXIT_OTHER);
    enter();
    leave(VSB_EXIT_OTHER);
    enter();
    tap_ok(vm->count.stepped == 3, "step for step, though L3 leaves with it");
    tap_ok(!vm->record_due && shim_kicks == 1, "of which nothing more is told");

    leave(VSB_EXIT_OTHER);
    shim_cpu.regs.eflags &= ~X86_EFLAGS_TF;
    enter();
    tap_ok(vm->count.stepped == 3, "until L2 clears it");

    shim_cpu.regs.eflags |= X86_EFLAGS_TF;
    leave(VSB_EXIT_OTHER);
    enter();
    tap_ok(vm->count.stepped == 3, "L3 single-steps itself: its own affair");

    start();
    entry.steps = true;
    leave(VSB_EXIT_INTERRUPT);
    enter();
    tap_ok(vm->count.stepped == 1, "the monitor trap flag");
}

static void breakpoints(void)
{
    start();
    leave(VSB_EXIT_INTERRUPT);
    shim_cpu.dr7 = BREAKPOINT_0;
    enter();
    leave(VSB_EXIT_OTHER);
    enter();
    tap_ok(vm->count.breakpoints == 2 && vm->record_due, "L2 sets one in DR7");
    leave(VSB_EXIT_OTHER);
    shim_cpu.dr7 = 0x400;
    enter();
    tap_ok(vm->count.breakpoints == 2, "and takes it away");

    leave(VSB_EXIT_DEBUG);
    shim_cpu.dr7 = BREAKPOINT_0;
    enter();
    leave(VSB_EXIT_OTHER);
    enter();
    tap_ok(vm->count.breakpoints == 2, "L2 emulates that L3 sets one");

    shim_cpu.dr7 = 0x400;
    leave(VSB_EXIT_OTHER);
    enter();
    shim_cpu.dr7 = BREAKPOINT_0;
    leave(VSB_EXIT_OTHER);
    enter();
    tap_ok(vm->count.breakpoints == 2, "L3 sets one without an exit");

    entry.traps_int3 = true;
    leave(VSB_EXIT_OTHER);
    enter();
    tap_ok(vm->count.breakpoints == 3, "L2 wants L3's breakpoint exceptions");
}

static void rewritten(void)
{
    start();
    leave(VSB_EXIT_INTERRUPT);
    shim_cpu.regs.rip++;
    enter();
    tap_ok(vm->count.rewritten == 1 && vm->record_due, "another RIP");
    leave(VSB_EXIT_INTERRUPT);
    shim_cpu.regs.rdi++;
    enter();
    tap_ok(vm->count.rewritten == 2, "another register");

    leave(VSB_EXIT_HLT);
    shim_cpu.regs.rip++;
    enter();
    tap_ok(vm->count.rewritten == 2, "a HLT ends");
    leave(VSB_EXIT_HLT);
    shim_cpu.regs.rip++;
    shim_cpu.regs.rdi++;
    enter();
    tap_ok(vm->count.rewritten == 3, "with another register");

    leave(VSB_EXIT_INTERRUPT);
    shim_cpu.regs.rip = 0xfff0;
    entry.at_reset = true;
    enter();
    entry.at_reset = false;
    leave(VSB_EXIT_INTERRUPT);
    shim_cpu.regs.rip = 0;
    enter();
    leave(VSB_EXIT_INTERRUPT);
    shim_cpu.regs.rip = 0x8000;
    enter();
    tap_ok(vm->count.rewritten == 3, "not a reset, a startup IPI or an SMI");
}

/* The flags of the next record of the VM; 0xff: there is none. */
static unsigned int flags_told(void)
{
    const uint8_t hello[] = { 0x81, 0xff, 0, 0, 1, 0 };
    uint8_t payload[VSB_FRAME_PAYLOAD];

    shim_receive(hello, sizeof(hello));
    while ( shim_next(payload) )
        if ( payload[0] == RECORD )
            return payload[FLAGS] >> EVIDENCE;

    return 0xff;
}

static void told(void)
{
    start();
    tap_ok(flags_told() == 0, "a record without evidence");
    leave(VSB_EXIT_INTERRUPT);
    shim_cpu.regs.eflags |= X86_EFLAGS_TF;
    shim_cpu.regs.rdi++;
    enter();
    tap_ok(flags_told() == (1u << VSB_STEPPED | 1u << VSB_REWRITTEN),
           "each kind has its bit");

    shim_now += VSB_EVIDENCE_FOR;
    shim_housekeeping();
    tap_ok(!vm->record_due, "it is told for as long as it may go on");
    shim_now += SECONDS(1);
    shim_housekeeping();
    tap_ok(vm->record_due && flags_told() == 0, "and that it has ended");
    tap_ok(vm->count.stepped == 1 && vm->count.rewritten == 1,
           "the counters stay");
}

int main(void)
{
    ordinary();
    single_steps();
    breakpoints();
    rewritten();
    told();

    return tap_done();
}
