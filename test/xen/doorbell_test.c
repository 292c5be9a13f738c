/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The doorbell (doorbell.c), and the waking of a captured HLT: no interrupt is
 * lost, and L2 is not bothered more than needed. L2's UART and interrupt
 * controller and L3's interrupt handlers are models.
 */

#include "shim.h"
#include "tap.h"

#include <asm/hvm/nestedhvm.h>

/* How L3 handles IRQ 4. */
enum handler
{
    LOOPS,      /* Linux: until IIR says "no interrupt" */
    ONCE,       /* reads IIR once in each interrupt */
    POLLS,      /* takes what LSR says, never reads IIR; sends polling */
    MASKS,      /* as LOOPS, and switches IER off and on again meanwhile */
    HANDLERS
};

static const char *const handler_name[HANDLERS] = {
    "loops on IIR", "reads IIR once", "never reads IIR", "masks IER meanwhile",
};

struct machine
{
    struct vsb_vm *vm;

    /* L2's UART, and its edge triggered interrupt controller. */
    bool line, irr;
    unsigned int edges;
    unsigned int wrote;     /* to its IER, by the last exit */

    /* L3 */
    enum handler handler;
    s_time_t step;          /* the longest time between two accesses */
    bool in_handler, masked, halted;
    unsigned int to_send;   /* characters in its transmit buffer */
    unsigned int handled, read, sent;
};

static struct domain l2 = { .domain_id = 1 };
static struct vcpu cpu;
static const struct vsb_entry entry = { .vmcx = 0x1000, .root = 0x2000 };

static void start(struct machine *m, enum handler handler)
{
    shim_reset();
    vsb_irq_mode = VSB_IRQ_DOORBELL;
    cpu = (struct vcpu){ .domain = &l2 };
    shim_enter(&cpu, &entry, 0);
    *m = (struct machine){
        .vm = cpu.arch.hvm.nvcpu.nv_vsb.vm, .handler = handler,
        .step = MICROSECS(50),
    };
    m->vm->label_tries = VSB_LABEL_TRIES;
    m->vm->halt_policy = VSB_HALT_ALWAYS;
}

static uint8_t in(struct machine *m, unsigned int reg)
{
    CHECK(m->vm);

    return shim_in(&cpu, reg);
}

static void out(struct machine *m, unsigned int reg, uint8_t val)
{
    unsigned long flags;
    bool follows;

    spin_lock_irqsave(&m->vm->lock, flags);
    follows = vsb_com1_write(m->vm, reg, val);
    CHECK(follows || m->vm->bell.asserted == vsb_uart_intr(&m->vm->uart));
    spin_unlock_irqrestore(&m->vm->lock, flags);
}

static void open_port(struct machine *m)
{
    out(m, VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    out(m, VSB_UART_MCR, VSB_UART_MCR_OUT2);
    out(m, VSB_UART_IER, VSB_UART_IER_RDA | VSB_UART_IER_RLS);
}

/* L0 sends @n characters; link.c then wakes a captured HLT. */
static void type(struct machine *m, unsigned int n)
{
    uint8_t text[64] = "";
    unsigned long flags;

    spin_lock_irqsave(&m->vm->lock, flags);
    vsb_com1_input(m->vm, text, n);
    vsb_doorbell_wake(m->vm);
    spin_unlock_irqrestore(&m->vm->lock, flags);
}

/* An interrupt of L2 ends a captured HLT, L3's timer say. */
static void wake(struct machine *m)
{
    m->halted = m->vm->vcpus[0].halted = false;
    cpu.shim_unblocked = 0;
}

/* L3 writes to its terminal: Linux's start_tx(). */
static void print(struct machine *m, unsigned int n)
{
    wake(m);
    m->to_send += n;
    out(m, VSB_UART_IER, VSB_UART_IER_RDA | VSB_UART_IER_RLS |
                         VSB_UART_IER_THRE);
}

/* L1 is about to enter L3, and what L2 does then. False: nothing. */
static bool opportunity(struct machine *m, bool idle)
{
    unsigned int ier;

    m->vm->vcpus[0].idle = idle;
    ier = shim_opportunity(&cpu);
    if ( ier == SHIM_NO_EXIT )
        return false;
    m->wrote = ier;

    if ( ier == VSB_UART_IER_THRE && !m->line )
    {
        m->irr = true;
        m->edges++;
    }
    m->line = ier == VSB_UART_IER_THRE;
    shim_enter(&cpu, &entry, 0);

    return true;
}

static void transmit(struct machine *m)
{
    unsigned int n;

    for ( n = 0; n < 16 && m->to_send; n++, m->to_send--, m->sent++ )
        out(m, VSB_UART_THR, 'x');
    if ( !m->to_send )
        out(m, VSB_UART_IER, in(m, VSB_UART_IER) & ~VSB_UART_IER_THRE);
}

static void receive(struct machine *m)
{
    for ( ; in(m, VSB_UART_LSR) & VSB_UART_LSR_DR; m->read++ )
        in(m, VSB_UART_RBR);
}

/* One round of the handler. */
static void handle(struct machine *m)
{
    uint8_t iir;

    if ( m->handler == POLLS )
    {
        receive(m);
        transmit(m);
        m->in_handler = false;
        return;
    }

    if ( m->masked )
    {
        out(m, VSB_UART_IER, VSB_UART_IER_RDA | VSB_UART_IER_RLS |
                             (m->to_send ? VSB_UART_IER_THRE : 0));
        m->masked = false;
        m->in_handler = false;
        return;
    }

    iir = in(m, VSB_UART_IIR) & VSB_UART_IIR_ID;
    switch ( iir )
    {
    case VSB_UART_IIR_RLS:
        in(m, VSB_UART_LSR);
        break;

    case VSB_UART_IIR_RDA:
    case VSB_UART_IIR_CTI:
        receive(m);
        break;

    case VSB_UART_IIR_THRE:
        transmit(m);
        break;
    }

    if ( m->handler == ONCE || (iir & VSB_UART_IIR_NONE) )
        m->in_handler = false;
    else if ( m->handler == MASKS && shim_chance(50) )
    {
        out(m, VSB_UART_IER, 0);
        m->masked = true;
    }
}

/*
 * L3 runs a step: with an interrupt its handler, else it halts, or does
 * something else if @busy. L1 sees it at the end of the step.
 */
static void step(struct machine *m, bool busy)
{
    shim_now += 1 + shim_random() % m->step;

    if ( m->halted )
    {
        if ( !cpu.shim_unblocked && !m->irr )
            return;
        wake(m);
        opportunity(m, true);
        return;
    }

    if ( !m->in_handler && m->irr )
    {
        m->irr = false;
        m->in_handler = true;
        m->handled++;
    }

    if ( m->in_handler )
    {
        handle(m);
        opportunity(m, false);
    }
    else if ( busy )
        opportunity(m, false);
    else
    {
        uint64_t captured = m->vm->count.halts_captured;

        shim_hlt(&cpu);
        if ( m->vm->count.halts_captured > captured )
            m->halted = true;
        else
            opportunity(m, true);
    }
}

static void bursts(void)
{
    struct machine m;
    unsigned int i;

    start(&m, LOOPS);
    for ( i = 0; i < 1000; i++ )
        step(&m, true);
    tap_ok(!m.vm->count.rings, "a port that is not open is not rung for");

    open_port(&m);
    type(&m, 60);
    tap_ok(opportunity(&m, false) && m.line,
           "input: at the first opportunity");
    for ( i = 0; i < 100; i++ )
        step(&m, false);
    tap_ok(m.read == 60 && m.vm->count.rings == 1 && m.handled == 1,
           "a burst of 60 characters: one ring");
    tap_ok(!m.line && m.vm->count.doorbell_exits == 2,
           "the line is lowered when L3 is idle");

    type(&m, 1);
    for ( i = 0; i < 10; i++ )
        step(&m, true);
    tap_ok(m.line && m.read == 61, "and not while it is busy");
    type(&m, 1);
    for ( i = 0; i < 3; i++ )
        step(&m, true);
    tap_ok(m.read == 62 && m.handled == 3 && m.vm->count.rerings == 0,
           "the next edge: lowered and raised at once");

    start(&m, LOOPS);
    open_port(&m);
    print(&m, 1);
    for ( i = 0; i < 100 && !opportunity(&m, false); i++ )
        shim_now += MICROSECS(20);
    tap_ok(i == 70, "an empty transmitter: after 1.39 ms while L3 is busy");

    start(&m, LOOPS);
    open_port(&m);
    print(&m, 1000);
    tap_ok(opportunity(&m, true) && m.line, "at once when L3 is idle");
    for ( i = 0; i < 300; i++ )
        step(&m, false);
    tap_ok(m.sent == 1000 && m.vm->count.rings == 1,
           "1000 characters of output: one ring");
}

static void unanswered(void)
{
    struct machine m;
    s_time_t begin, last = 0, longest = 0;
    unsigned int i;

    start(&m, LOOPS);
    open_port(&m);
    type(&m, 1);
    begin = last = shim_now;
    for ( i = 0; shim_now - begin < SECONDS(120); i++ )
    {
        shim_now += MILLISECS(1);
        if ( !opportunity(&m, i & 1) || !m.line )
            continue;
        if ( shim_now - last > longest )
            longest = shim_now - last;
        last = shim_now;
    }
    tap_ok(m.vm->count.rings > 10 && m.vm->count.rings < 30 &&
           longest < SECONDS(7),
           "nobody answers for 120 s: %lu rings, at most 6.4 s apart",
           (unsigned long)m.vm->count.rings);
    tap_ok(m.vm->count.rerings == m.vm->count.rings - 1, "all but one again");

    start(&m, LOOPS);
    open_port(&m);
    type(&m, 1);
    opportunity(&m, false);
    m.line = m.irr = false;
    begin = shim_now;
    while ( !m.read && shim_now - begin < SECONDS(5) )
        step(&m, true);
    tap_ok(m.read && shim_now - begin < MILLISECS(110),
           "L2 resets its UART: rung again after 0.1 s");
}

/* xv6, say: its handler never reads IIR, and it idles without HLT. */
static void never_asks(void)
{
    struct machine m;
    s_time_t begin, worst = 0;
    unsigned int key;

    start(&m, POLLS);
    open_port(&m);
    for ( key = 1; key <= 50; key++ )
    {
        type(&m, 1);
        begin = shim_now;
        while ( m.read < key && shim_now - begin < SECONDS(10) )
            step(&m, true);
        if ( shim_now - begin > worst )
            worst = shim_now - begin;
        for ( begin = shim_now; shim_now - begin < MILLISECS(30); )
            step(&m, true);
    }
    tap_ok(worst < MILLISECS(110),
           "50 keys to a handler that never reads IIR: at most %u ms",
           (unsigned int)(worst / 1000000));
}

/* A captured HLT leaves no opportunity but the ones that L1 makes. */
static void halts(void)
{
    struct machine m;
    s_time_t begin;
    unsigned int i;

    start(&m, LOOPS);
    open_port(&m);
    for ( i = 0; i < 5; i++ )
        step(&m, false);
    tap_ok(m.halted, "L3 halts");
    cpu.arch.hvm.nvcpu.nv_guestmode = false;
    type(&m, 1);
    tap_ok(!cpu.shim_unblocked, "a vCPU that is with L2 meanwhile is not woken");
    cpu.arch.hvm.nvcpu.nv_guestmode = true;
    type(&m, 1);
    tap_ok(cpu.shim_unblocked == 1, "input wakes it");
    type(&m, 1);
    tap_ok(cpu.shim_unblocked == 1, "once");

    for ( i = 0; i < 20; i++ )
        step(&m, false);
    tap_ok(m.halted && m.read == 3 && !m.line, "it is read, and L3 halts again");

    /* L2 loses the ring, L3 halts without having heard of it. */
    type(&m, 1);
    step(&m, false);
    m.line = m.irr = false;
    begin = shim_now;
    for ( i = 0; m.read < 4 && shim_now - begin < SECONDS(3); i++ )
    {
        step(&m, false);
        if ( i % 5000 == 0 )
            shim_housekeeping();
    }
    tap_ok(m.read == 4, "a ring lost before L3 halted is made up for");
}

static bool settled(const struct machine *m)
{
    unsigned long flags;
    bool result;

    spin_lock_irqsave(&m->vm->lock, flags);
    result = vsb_doorbell_settled(m->vm);
    spin_unlock_irqrestore(&m->vm->lock, flags);

    return result;
}

/* An L3 that runs looks at the doorbell on its way back from an exit only. */
static void running(void)
{
    struct machine m;
    unsigned int i;

    start(&m, LOOPS);
    open_port(&m);
    tap_ok(settled(&m), "an access after which nothing is to be done goes back at once");
    cpu.arch.hvm.nvcpu.nv_guestmode = false;
    type(&m, 1);
    tap_ok(!cpu.shim_kicked, "a vCPU that is with L2 is let alone");
    cpu.arch.hvm.nvcpu.nv_guestmode = true;
    type(&m, 1);
    tap_ok(cpu.shim_kicked == 1 && !cpu.shim_unblocked,
           "input makes an L3 that runs come by");
    tap_ok(!settled(&m), "and look, if it just was in L1");
    for ( i = 0; i < 5; i++ )
        step(&m, true);
    tap_ok(m.read == 2 && settled(&m), "after which there is nothing to be done");
    cpu.shim_kicked = 0;
    print(&m, 1);
    type(&m, 0);
    tap_ok(!cpu.shim_kicked,
           "an empty transmitter alone is no reason, while it runs");
}

/*
 * Random schedules. What must hold: input, once it is there, is read within
 * the bound that the handler and the losses allow.
 */
static void schedule(enum handler handler, s_time_t slowest, bool losses,
                     s_time_t bound)
{
    struct machine m;
    s_time_t begin, since = 0, worst = 0, next_housekeeping;
    unsigned int seed, typed, handled = 0, i;
    bool bounded_rings = true, all_read = true, quiet = true;

    for ( seed = 1; seed <= 20; seed++ )
    {
        start(&m, handler);
        shim_seed(seed);
        m.step = slowest;
        open_port(&m);
        begin = next_housekeeping = shim_now;
        typed = 0;
        since = 0;

        for ( i = 0; i < 20000; i++ )
        {
            /* 20000 steps, then time for what is left. */
            bool busy = shim_chance(50), active = i < 15000;

            if ( active && shim_chance(2) && typed - m.read < 1000 )
            {
                unsigned int n = 1 + shim_random() % 40;

                type(&m, n);
                typed += n;
            }
            if ( active && handler != POLLS && shim_chance(1) )
                print(&m, 1 + shim_random() % 100);
            if ( active && losses && shim_chance(1) )
                m.line = m.irr = false;
            if ( shim_now >= next_housekeeping )
            {
                shim_housekeeping();
                next_housekeeping = shim_now + MILLISECS(250);
            }
            step(&m, busy);

            /* Waiting: asserted, and nobody is dealing with it. */
            if ( !vsb_uart_intr(&m.vm->uart) || m.in_handler ||
                 m.handled != handled )
                since = 0;
            else if ( !since )
                since = shim_now;
            else if ( shim_now - since > worst )
                worst = shim_now - since;
            handled = m.handled;
        }

        for ( i = 0; i < 1000000 && (m.read < typed || m.to_send); i++ )
        {
            if ( i % 100 == 0 )
                shim_housekeeping();
            step(&m, false);
        }
        all_read &= m.read == typed && !m.to_send;
        bounded_rings &= m.vm->count.rings <= m.vm->count.irq_asserts + 2 +
                         (uint64_t)(shim_now - begin) / 100000000;

        for ( i = 0; i < 100; i++ )
            step(&m, false);
        quiet &= !m.line;
    }

    tap_ok(all_read, "%s, steps up to %u us%s: all is read and sent",
           handler_name[handler], (unsigned int)(slowest / 1000),
           losses ? ", L2 loses interrupts" : "");
    tap_ok(worst <= bound, "an interrupt waits at most %u us (%u)",
           (unsigned int)(bound / 1000), (unsigned int)(worst / 1000));
    tap_ok(bounded_rings, "no storm of rings");
    tap_ok(quiet, "the line is low in the end");
}

static void hook(struct machine *m, bool on)
{
    unsigned long flags;

    spin_lock_irqsave(&m->vm->lock, flags);
    vsb_doorbell_hook(m->vm, on);
    spin_unlock_irqrestore(&m->vm->lock, flags);
}

/* COM1 is left to L2, and taken back, while L3's driver is idle. */
static void hooks(void)
{
    struct machine m;

    start(&m, LOOPS);
    open_port(&m);
    m.vm->vcpus[0].halted = true;
    hook(&m, false);
    tap_ok(!m.vm->vcpus[0].halted && cpu.shim_unblocked,
           "unhooked: a captured HLT is woken");
    opportunity(&m, false);
    tap_ok(m.wrote == (VSB_UART_IER_RDA | VSB_UART_IER_RLS),
           "unhooked: L2's UART gets L3's IER at once");
    tap_ok(m.vm->uart.ier == (VSB_UART_IER_RDA | VSB_UART_IER_RLS),
           "unhooked: it is that of the shadow UART");
    type(&m, 1);
    tap_ok(!opportunity(&m, true),
           "unhooked: L2 is left alone from then on");

    vsb_com1_follow(m.vm, VSB_UART_LCR, VSB_UART_LCR_DLAB);
    vsb_com1_follow(m.vm, VSB_UART_IER, 0xff);
    vsb_com1_follow(m.vm, VSB_UART_LCR, 3);
    vsb_com1_follow(m.vm, VSB_UART_IER, VSB_UART_IER_RDA);
    vsb_com1_follow(m.vm, VSB_UART_THR, 'x');
    tap_ok(m.vm->uart.ier == VSB_UART_IER_RDA && m.vm->out_end == 0,
           "unhooked: the shadow UART follows settings, and no character");
    hook(&m, true);
    tap_ok(opportunity(&m, false) && m.line,
           "hooked again: what was typed rings");

    /* L3 opens the port while it is L2's. */
    start(&m, LOOPS);
    hook(&m, false);
    vsb_com1_follow(m.vm, VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    vsb_com1_follow(m.vm, VSB_UART_MCR, VSB_UART_MCR_OUT2);
    vsb_com1_follow(m.vm, VSB_UART_IER, VSB_UART_IER_RDA);
    opportunity(&m, true);
    hook(&m, true);
    type(&m, 1);
    tap_ok(opportunity(&m, false) && m.line,
           "hooked after L3 opened the port: it is set up");

    start(&m, LOOPS);
    open_port(&m);
    hook(&m, false);
    hook(&m, true);
    tap_ok(!opportunity(&m, true),
           "hooked again before L3 ran: nothing is handed over");
}

int main(void)
{
    static const s_time_t steps[] = { MICROSECS(50), MILLISECS(1), MILLISECS(20) };
    unsigned int i;

    bursts();
    unanswered();
    never_asks();
    halts();
    running();
    hooks();

    for ( i = 0; i < ARRAY_SIZE(steps); i++ )
    {
        /* Two opportunities to ring, one to deliver; a THRE waits 1.39 ms. */
        s_time_t few = 4 * steps[i] + MICROSECS(1500);

        schedule(LOOPS, steps[i], false, few);
        /* Losses in a row: 0.1, 0.2, 0.4 s, and the housekeeping's period. */
        schedule(LOOPS, steps[i], true, MILLISECS(950) + few);
        /*
         * No "no interrupt": rung again when L3 is idle, or after 0.1 s; the
         * one that left a second cause pending sleeps up to a housekeeping.
         */
        schedule(ONCE, steps[i], false, MILLISECS(350) + few);
        schedule(POLLS, steps[i], false, MILLISECS(100) + few);
        schedule(MASKS, steps[i], false, MILLISECS(100) + few);
    }

    return tap_done();
}
