/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The link's port (link.c, init.c) on a UART that the test plays: how much is done
 * with its lock held and interrupts off, by whom the rest, and what happens without
 * a UART.
 */

#include "shim.h"
#include "tap.h"

#include <asm/hvm/nestedhvm.h>

/* Taken before those of the user VMs. */
#undef DEFINE_SPINLOCK
#define DEFINE_SPINLOCK(name) spinlock_t name = { .rank = SHIM_RANK_LINK }

#include "../../images/xen/src/link.c"
#include "../../images/xen/src/init.c"

/* shim_reset() has another. */
const struct vsb_arch vsb_svm;

#define PORT        0x2f8
#define IRQ         3
#define SENT_MAX    (1u << 20)

static struct domain l2;
static struct vcpu cpu;

/* The UART, whose other end takes all at once unless it is stalled. */
static bool absent, stalled;
static uint8_t ier, input[64];
static unsigned int input_len, sent;
/* THR was written so often since the lock was taken last, and the most of it. */
static unsigned int filled, most;
static s_time_t byte_time;

uint8_t inb(unsigned int where)
{
    unsigned int reg = where - PORT;
    uint8_t first;

    if ( absent )
        return 0xff;

    switch ( reg )
    {
    case UART_LSR:
        return (stalled ? 0 : UART_LSR_THRE) | (input_len ? UART_LSR_DR : 0);

    case UART_RBR:
        CHECK(input_len);
        first = input[0];
        memmove(input, input + 1, --input_len);
        return first;
    }

    return 0;
}

void outb(uint8_t val, unsigned int where)
{
    unsigned int reg = where - PORT;

    if ( reg == UART_IER )
        ier = val;
    if ( reg == UART_THR && spin_is_locked(&lock) )
    {
        CHECK(!stalled && sent < SENT_MAX);
        sent++;
        shim_now += byte_time;
        if ( ++filled > most )
            most = filled;
    }
}

void udelay(unsigned long usecs)
{
    shim_now += MICROSECS(usecs);
}

static struct irqaction *handler;

int setup_irq(unsigned int nr, unsigned int flags, struct irqaction *act)
{
    handler = act;

    return nr == IRQ && !flags ? 0 : -EINVAL;
}

int ioports_deny_access(struct domain *d, unsigned long first,
                        unsigned long last)
{
    return d && first == PORT && last == PORT + 7 ? 0 : -EINVAL;
}

int irq_deny_access(struct domain *d, unsigned int nr)
{
    return d && nr == IRQ ? 0 : -EINVAL;
}

void softirq_tasklet_init(struct tasklet *t, void (*func)(void *), void *data)
{
    *t = (struct tasklet){ .func = func, .data = data };
}

void tasklet_schedule_on_cpu(struct tasklet *t, unsigned int nr)
{
    CHECK(nr == LINK_CPU);
    t->scheduled = true;
}

/* A softirq: true if there was one to run. */
static bool softirq(void)
{
    if ( rest.scheduled )
    {
        rest.scheduled = false;
        filled = 0;
        rest.func(rest.data);
        return true;
    }
    if ( timer_is_active(&gather) && gather.expires <= shim_now )
    {
        gather.shim_active = false;
        filled = 0;
        gather.function(gather.data);
        return true;
    }

    return false;
}

/* Until nothing is left to send. The time that the CPU was left to others. */
static s_time_t drain(void)
{
    s_time_t others = 0;

    for ( ; ; )
    {
        while ( softirq() )
            ;
        if ( !timer_is_active(&gather) )
            return others;
        others += gather.expires - shim_now;
        shim_now = gather.expires;
    }
}

static void receive_frame(const uint8_t *payload, unsigned int len)
{
    static uint8_t encoded[VSB_FRAME_WIRE_MAX];
    unsigned int n = vsb_frame_encode(encoded, payload, len), i;

    for ( i = 0; i < n; i += FIFO )
    {
        input_len = n - i < FIFO ? n - i : FIFO;
        memcpy(input, encoded + i, input_len);
        filled = 0;
        handler->handler(IRQ, NULL, NULL);
        CHECK(!input_len);
    }
}

static int boot(void)
{
    CHECK(!shim_option("0x2f8,3"));
    CHECK(!shim_presmp_initcall());
    shim_reset();
    wire_len = wire_pos = 0;
    backlog = false;
    stalled = false;
    byte_time = 0;
    vsb_link_up = vsb_enabled = false;

    /* As it is at each boot. */
    gather = housekeeping = (struct timer){};

    return shim_initcall();
}

static void start(void)
{
    static const uint8_t hello[] = { 0x81, 0xff, 0, 0, 1, 0 };
    static const struct vsb_entry entry = { .vmcx = 0x1000, .root = 0x2000 };

    boot();
    l2 = (struct domain){ .domain_id = 1 };
    cpu = (struct vcpu){ .domain = &l2 };
    receive_frame(hello, sizeof(hello));
    shim_enter(&cpu, &entry, 0);
    drain();
    sent = most = filled = 0;
}

/* L3 writes @n characters that take two bytes each on the link. */
static void flood(unsigned int n)
{
    struct vsb_vm *vm = cpu.arch.hvm.nvcpu.nv_vsb.vm;
    unsigned long flags;

    spin_lock_irqsave(&vm->lock, flags);
    while ( n-- )
        vsb_com1_write(vm, VSB_UART_THR, 0xc0);
    spin_unlock_irqrestore(&vm->lock, flags);
    filled = 0;
    vsb_link_kick(vm, true);
}

static void bounded(void)
{
    start();
    flood(4096);
    tap_ok(sent && sent <= FIFO, "one FIFO by who has output: %u bytes", sent);
    tap_ok(rest.scheduled, "the rest by the tasklet");
    drain();
    tap_ok(sent > 8192, "all of it is sent");
    tap_ok(most <= FIFO, "never more at once: %u bytes", most);
}

static void not_two(void)
{
    unsigned long flags;

    start();
    flood(4096);
    sent = 0;
    flood(1);
    tap_ok(!sent && rest.scheduled, "where there is a backlog nobody adds to it");
    drain();

    spin_lock_irqsave(&lock, flags);
    filled = sent = 0;
    vsb_link_kick(cpu.arch.hvm.nvcpu.nv_vsb.vm, true);
    spin_unlock_irqrestore(&lock, flags);
    tap_ok(!sent && rest.scheduled, "nobody waits for the lock");
    drain();
    tap_ok(!rest.scheduled && !backlog, "and then there is nothing to do");
}

static void shares(void)
{
    s_time_t begin, others;

    start();
    byte_time = MICROSECS(8);
    begin = shim_now;
    flood(8192);
    others = drain();
    tap_ok(others * 5 > (shim_now - begin) * 2,
           "others have the CPU: %u of %u ms", (unsigned int)(others / 1000000),
           (unsigned int)((shim_now - begin) / 1000000));
}

static void stalls(void)
{
    unsigned int before;

    start();
    stalled = true;
    flood(100);
    drain();
    tap_ok(!sent && ier == (UART_IER_ERDAI | UART_IER_ETHREI),
           "a transmitter that is full interrupts when it is not");
    stalled = false;
    filled = 0;
    handler->handler(IRQ, NULL, NULL);
    before = sent;
    drain();
    tap_ok(before && sent > 200, "and then it goes on");
}

/* Half a second, asked for while there is a backlog. */
static void holds(void)
{
    static const uint8_t ask[] = { 0x8c, 0xff, 0, 0, 1, 0, 500 & 0xff, 500 >> 8 };
    s_time_t begin;

    start();
    flood(4096);
    begin = shim_now;
    receive_frame(ask, sizeof(ask));
    drain();
    tap_ok(shim_now - begin >= MILLISECS(500) &&
           shim_now - begin < MILLISECS(600), "L0's HOLD holds, backlog or not");
    tap_ok(sent > 8192 && most <= FIFO, "and nothing is lost by it: %u, %u at once", sent, most);
}

static void no_uart(void)
{
    static const struct vsb_entry entry = { .vmcx = 0x1000, .root = 0x2000 };
    uint32_t val = 0;

    absent = true;
    boot();
    cpu = (struct vcpu){ .domain = &l2 };
    shim_enter(&cpu, &entry, 0);
    tap_ok(shim_io(&cpu, VSB_COM1, 1, true, &val) && (uint8_t)val == 0xff &&
           shim_io(&cpu, VSB_COM1, 1, false, &val),
           "without a link COM1 is a dead port, not L2's");
    tap_ok(shim_string(&cpu, VSB_COM1, 1, false, &val), "for OUTS, too");
    absent = false;
}

int main(void)
{
    bounded();
    not_two();
    shares();
    stalls();
    holds();
    no_uart();

    return tap_done();
}
