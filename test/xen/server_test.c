/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt servers (doorbell.c, ultracall.c, protocol.c): what they are told,
 * when, and by whom it can be asked. The server, L2's UART and interrupt
 * controller and L3's interrupt handler are models.
 */

#include "frame.h"
#include "shim.h"
#include "tap.h"

#include <asm/hvm/nestedhvm.h>

#define RESULT 0x06
#define LINE 0x07

static struct domain l2[2];
static struct vcpu cpus[3];     /* L3's of the first L2; its server's; another L2's */

/* The first L2's user VM, and what L2 knows of its line. */
static struct vsb_vm *vm;
static bool line, irr;
static unsigned int told, edges;
static int result;      /* of the last RESULT on the link */

static const uint8_t hello[] = { 0x81, 0xff, 0, 0, 1, 0 };

static struct vsb_vm *run(struct vcpu *v, uint64_t vmcx, uint8_t id)
{
    struct vsb_entry entry = { .vmcx = vmcx, .root = vmcx + 0x1000 };
    struct vsb_vm *new;

    v->arch.hvm.nvcpu.nv_guestmode = true;
    shim_identify(v, &entry);
    new = v->arch.hvm.nvcpu.nv_vsb.vm;
    new->label_tries = VSB_LABEL_TRIES;
    memset(new->uuid, id, sizeof(new->uuid));
    new->uuid_valid = true;

    return new;
}

static void start(enum vsb_irq_mode mode)
{
    unsigned int i;

    shim_reset();
    for ( i = 0; i < 3; i++ )
        cpus[i] = (struct vcpu){ .domain = &l2[i / 2] };
    cpus[0].next_in_list = &cpus[1];
    l2[0] = (struct domain){ .domain_id = 1, .shim_vcpus = &cpus[0] };
    l2[1] = (struct domain){ .domain_id = 2, .shim_vcpus = &cpus[2] };
    vsb_irq_mode = mode;
    vsb_halt_default = VSB_HALT_NEVER;
    vm = run(&cpus[0], 0x10000, 0xaa);
    line = irr = false;
    told = edges = 0;
    shim_current = &cpus[1];
}

static void out(unsigned int reg, uint8_t val)
{
    shim_out(&cpus[0], reg, val);
    shim_current = &cpus[1];
}

static uint8_t in(unsigned int reg)
{
    uint8_t val = shim_in(&cpus[0], reg);

    shim_current = &cpus[1];

    return val;
}

static void open_port(void)
{
    out(VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    out(VSB_UART_MCR, VSB_UART_MCR_OUT2);
    out(VSB_UART_IER, VSB_UART_IER_RDA | VSB_UART_IER_RLS);
}

static void type(unsigned int n)
{
    uint8_t text[64] = "";
    unsigned long flags;

    spin_lock_irqsave(&vm->lock, flags);
    vsb_com1_input(vm, text, n);
    vsb_doorbell_wake(vm);
    spin_unlock_irqrestore(&vm->lock, flags);
}

/* L3 is about to be entered, or (@idle) halts; no HLT is captured. */
static void opportunity(bool idle)
{
    if ( idle )
        shim_hlt(&cpus[0]);
    else
        shim_opportunity(&cpus[0]);
    shim_current = &cpus[1];
}

/* irq-server.c */
static void serve(const uint8_t *uuid, bool level)
{
    told++;
    if ( memcmp(uuid, vm->uuid, sizeof(vm->uuid)) )
        return;
    if ( level )
    {
        irr = true;
        edges++;
    }
    line = level;
}

/* True: the server was told of something. Else it waits. */
static bool ask(void)
{
    struct cpu_user_regs regs = { .rax = VSB_ULTRACALL };
    bool answered = false;
    uint8_t uuid[16];

    regs.eflags = X86_EFLAGS_IF;
    shim_current = &cpus[1];
    if ( !vsb_hypercall(&cpus[1], &regs, &answered) || !answered )
        return false;
    CHECK(!regs.rax && regs.rdx < 2);
    memcpy(uuid, &regs.rsi, 8);
    memcpy(uuid + 8, &regs.rdi, 8);
    serve(uuid, regs.rdx);

    return true;
}

/* What is sent on the link; true if a line was among it. */
static bool drain_link(void)
{
    uint8_t payload[VSB_FRAME_PAYLOAD];
    unsigned int len, i;
    bool any = false;

    for ( i = 0; i < 100 && (len = shim_next(payload)); i++ )
    {
        if ( payload[0] == RESULT && len == VSB_FRAME_HEADER + 4 )
            result = payload[VSB_FRAME_HEADER + 3];
        if ( payload[0] == LINE && len == VSB_FRAME_HEADER + 1 &&
             payload[1] == vsb_slot(vm) )
        {
            serve(vm->uuid, payload[VSB_FRAME_HEADER]);
            any = true;
        }
    }

    return any;
}

/* L3's handler, as Linux has it. */
static unsigned int handle(void)
{
    unsigned int n = 0;

    irr = false;
    while ( !(in(VSB_UART_IIR) & VSB_UART_IIR_NONE) )
    {
        for ( ; in(VSB_UART_LSR) & VSB_UART_LSR_DR; n++ )
            in(VSB_UART_RBR);
        opportunity(false);
    }
    opportunity(false);

    return n;
}

static void ultracalls(void)
{
    struct vsb_line news;

    start(VSB_IRQ_ULTRACALL);
    open_port();
    tap_ok(!ask() && cpus[1].shim_blocked, "nothing to say: the caller waits");
    type(10);
    tap_ok(!cpus[1].shim_blocked && cpus[1].shim_unblocked == 1,
           "input wakes it, though L3 does not run");
    tap_ok(ask() && line && irr, "and it is told to raise the line");
    tap_ok(!memcmp(&vm->uuid, (uint8_t[16]){ [0 ... 15] = 0xaa }, 16) &&
           vm->count.lines_told == 1 && vm->count.doorbell_exits == 0,
           "of that VM; no exit is presented to L2");
    tap_ok(!ask(), "once");
    type(10);
    tap_ok(!ask(), "more input meanwhile: nothing new");
    tap_ok(handle() == 20, "one interrupt for all of it");
    tap_ok(!ask() && line, "the line stays until L3 is idle");
    opportunity(true);
    tap_ok(ask() && !line, "then it is lowered");

    type(1);
    ask();
    handle();
    type(1);
    tap_ok(ask() && line && edges == 3 && handle() == 1,
           "the next edge does not wait for L3 to be idle");

    /* Lowered and raised before the server asks. */
    opportunity(true);
    type(1);
    tap_ok(ask() && line && edges == 4 && !ask(),
           "low and high at once are told as one edge");
    handle();

    start(VSB_IRQ_ULTRACALL);
    open_port();
    type(1);
    ask();
    line = irr = false;
    shim_now += MILLISECS(99);
    shim_housekeeping();
    tap_ok(!ask(), "a ring that L2 lost");
    shim_now += MILLISECS(2);
    shim_housekeeping();
    tap_ok(ask() && irr && vm->count.rerings == 1, "is told again after 0.1 s");

    start(VSB_IRQ_ULTRACALL);
    open_port();
    vm->uuid_valid = false;
    type(1);
    tap_ok(!ask(), "a VM without a label cannot be named");
    vm->uuid_valid = true;
    opportunity(false);
    tap_ok(!cpus[1].shim_blocked && ask(), "it is when it has one");

    start(VSB_IRQ_ULTRACALL);
    open_port();
    type(1);
    tap_ok(!vsb_ultracall_wait(&cpus[2], &news),
           "another L2 hears nothing of it");
    tap_ok(ask(), "nor takes it away");
}

/* Input arrives between the look at the slots and the block. */
static void interrupt(void)
{
    shim_on_block = NULL;
    type(1);
}

static void races(void)
{
    unsigned int i;
    unsigned long flags;
    bool quiet;

    start(VSB_IRQ_ULTRACALL);
    open_port();
    shim_on_block = interrupt;
    tap_ok(!ask() && !cpus[1].shim_blocked && ask(),
           "what comes as the vCPU is blocked wakes it");

    start(VSB_IRQ_ULTRACALL);
    open_port();
    ask();
    cpus[1].shim_blocked = false;
    type(1);
    handle();
    for ( i = 0; i < 5; i++ )
    {
        opportunity(true);
        type(1);
        handle();
    }
    tap_ok(cpus[1].shim_unblocked == 1,
           "a vCPU that does not wait any more is woken once at most");

    start(VSB_IRQ_ULTRACALL);
    open_port();
    ask();
    type(1);
    spin_lock_irqsave(&vm->lock, flags);
    vsb_doorbell_hook(vm, false);
    spin_unlock_irqrestore(&vm->lock, flags);
    tap_ok(!ask(), "unhooked: L2 is left alone");
    quiet = vsb_doorbell_next(vm, false) == VSB_RING_HAND_OVER;
    tap_ok(quiet, "unhooked: its UART gets L3's IER by an exit all the same");

    start(VSB_IRQ_ULTRACALL);
    open_port();
    type(1);
    vsb_domain_relinquish(&l2[0]);
    tap_ok(!ask(), "nothing is told of a domain that is gone");
}

/* Two user VMs that both have news all the time. */
static void fairness(void)
{
    struct vsb_line news;
    struct vsb_vm *other;
    unsigned int i, counts[2] = { 0 };
    unsigned long flags;

    start(VSB_IRQ_ULTRACALL);
    other = run(&cpus[0], 0x20000, 0xbb);
    for ( i = 0; i < 100; i++ )
    {
        spin_lock_irqsave(&vm->lock, flags);
        vm->bell.line_due = true;
        spin_unlock_irqrestore(&vm->lock, flags);
        spin_lock_irqsave(&other->lock, flags);
        other->bell.line_due = true;
        spin_unlock_irqrestore(&other->lock, flags);
        if ( vsb_ultracall_wait(&cpus[1], &news) )
            counts[news.uuid[0] == 0xbb]++;
    }
    tap_ok(counts[0] == 50 && counts[1] == 50, "two busy VMs take turns");
}

static void network(void)
{
    static const uint8_t to_doorbell[] = { 0x8b, 0xff, 0, 0, 1, 0, 0 },
                         to_net[] = { 0x8b, 0xff, 0, 0, 2, 0, 2 },
                         to_nothing[] = { 0x8b, 0xff, 0, 0, 3, 0, 4 },
                         of_one[] = { 0x8b, 0, 1, 0, 4, 0, 2 };

    start(VSB_IRQ_DOORBELL);
    open_port();
    shim_receive(hello, sizeof(hello));
    drain_link();
    shim_receive(to_nothing, sizeof(to_nothing));
    drain_link();
    tap_ok(vsb_irq_mode == VSB_IRQ_DOORBELL && result == 2,
           "not switched to what does not exist");
    shim_receive(of_one, sizeof(of_one));
    drain_link();
    tap_ok(vsb_irq_mode == VSB_IRQ_DOORBELL && result == 2,
           "nor for one user VM alone");
    type(1);
    tap_ok(!drain_link() && !ask(), "by doorbell: nobody is told");
    shim_receive(to_net, sizeof(to_net));
    tap_ok(drain_link() && line && vsb_irq_mode == VSB_IRQ_NET && result == 0,
           "switched over the link: what was due is told at once");
    tap_ok(handle() == 1 && !drain_link(), "and handled");
    opportunity(true);
    tap_ok(drain_link() && !line, "lowered when L3 is idle");

    type(1);
    tap_ok(!ask() && drain_link() && line, "an ultracall takes nothing of it");
    handle();
    shim_receive(hello, sizeof(hello));
    told = 0;
    tap_ok(drain_link() && line && told == 1,
           "an L0 that says hello is told again what is high");

    shim_receive(to_doorbell, sizeof(to_doorbell));
    drain_link();
    opportunity(true);
    tap_ok(vsb_irq_mode == VSB_IRQ_DOORBELL && !drain_link(),
           "back to the doorbell: nobody is told any more");
}

/*
 * Random schedules: input that is there is read in the end, whoever loses what,
 * with a server that is slow and an L3 that is halted most of the time.
 */
static void schedules(enum vsb_irq_mode mode, bool losses)
{
    unsigned int seed, i, typed, got;
    bool all_read = true, low = true, bounded = true;

    for ( seed = 1; seed <= 20; seed++ )
    {
        start(mode);
        shim_seed(seed);
        shim_receive(hello, sizeof(hello));
        open_port();
        typed = got = 0;
        for ( i = 0; i < 20000; i++ )
        {
            shim_now += shim_random() % MILLISECS(1);
            if ( i < 15000 && shim_chance(2) && typed - got < 1000 )
            {
                unsigned int n = 1 + shim_random() % 40;

                type(n);
                typed += n;
            }
            if ( shim_chance(30) )
            {
                if ( mode == VSB_IRQ_NET )
                    drain_link();
                else
                    ask();
            }
            if ( losses && i < 15000 && shim_chance(1) )
                line = irr = false;
            if ( i % 250 == 0 )
                shim_housekeeping();
            if ( irr && shim_chance(20) )
            {
                got += handle();
                if ( shim_chance(80) )
                    opportunity(true);
            }
        }
        all_read &= got == typed;
        bounded &= told <= 2 * vm->count.irq_asserts + 200;
        low &= !vsb_uart_intr(&vm->uart);
    }
    tap_ok(all_read && low, "%s%s: all is read",
           mode == VSB_IRQ_NET ? "net" : "ultracall",
           losses ? ", L2 loses interrupts" : "");
    tap_ok(bounded, "the server is not told more than there is");
}

int main(void)
{
    ultracalls();
    races();
    fairness();
    network();
    schedules(VSB_IRQ_ULTRACALL, false);
    schedules(VSB_IRQ_ULTRACALL, true);
    schedules(VSB_IRQ_NET, false);
    schedules(VSB_IRQ_NET, true);

    return tap_done();
}
