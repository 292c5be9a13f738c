/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: the link to L0, a 16550A of its own on the port and the ISA
 * interrupt named by the command line option vsb_link=<port>,<irq>. The other
 * end is L0's daemon. L1's hardware domain is refused both.
 *
 * A reader that stalls at L0 stops the transmitter, and with it the pump below;
 * output then stays in the rings of the user VMs.
 *
 * Whoever has output calls the pump, from an exit of L3. With the link's lock held
 * and interrupts off it fills the transmitter's FIFO once; the rest is a tasklet's,
 * FIFO by FIFO and with interrupts on in between, and if it lasts, it leaves the CPU
 * to others half of the time. So no L3 can keep L1's dom0 from its timer.
 */

#include "vsb.h"

#include <xen/8250-uart.h>
#include <xen/delay.h>
#include <xen/init.h>
#include <xen/iocap.h>
#include <xen/irq.h>
#include <xen/param.h>
#include <xen/tasklet.h>
#include <xen/timer.h>

#include <asm/io.h>

#include "frame.h"

/* Of the UART, each way: what is sent and received before others get their turn. */
#define FIFO            16
#define LCR_8N1         0x03

/*
 * Output is sent at once after a silence of its VM, else together with what
 * follows within GATHER; FLUSH bytes are worth a frame of their own. Each frame and
 * each expiry of the timer costs L3 an exit or more.
 */
#define SILENCE         MILLISECS(2)
#define GATHER          MILLISECS(4)
#define FLUSH           192

/* For so long the tasklet goes on, and then leaves its CPU to others. */
#define SLICE           MILLISECS(1)

#define HOUSEKEEPING    MILLISECS(250)

/* Timers, tasklet and, by Xen's choice, the interrupt: L0 holds this one. */
#define LINK_CPU        0

/* How often it is looked whether L0 has released this CPU, microseconds. */
#define HOLD_POLL       20

static unsigned int __read_mostly port;
static unsigned int __read_mostly irq;

static DEFINE_SPINLOCK(lock);
static struct vsb_frame_decoder decoder;
static uint8_t wire[VSB_FRAME_WIRE_MAX];
static unsigned int wire_len, wire_pos;
static bool backlog;            /* the tasklet is going to look for more to send */
static struct tasklet rest;
static struct timer gather, housekeeping;
static struct irqaction action;

static int __init cf_check parse_link(const char *s)
{
    unsigned long p = simple_strtoul(s, &s, 0), i;

    if ( *s++ != ',' )
        return -EINVAL;
    i = simple_strtoul(s, &s, 0);
    if ( *s || p < 0x100 || p > 0xfff8 || (p & 7) || i < 3 || i > 15 )
        return -EINVAL;

    port = p;
    irq = i;

    return 0;
}
custom_param("vsb_link", parse_link);

static bool can_send(void)
{
    return inb(port + UART_LSR) & UART_LSR_THRE;
}

/*
 * Fill the FIFO, if the transmitter has room. When it has not, its interrupt goes
 * on with this. True: there may be more, which is for the tasklet.
 */
static bool pump(void)
{
    unsigned int room = FIFO;

    ASSERT(spin_is_locked(&lock));

    /* Before the look at what there is: see vsb_link_kick(). */
    backlog = false;
    smp_mb();

    while ( room )
    {
        if ( wire_pos == wire_len )
        {
            uint8_t payload[VSB_FRAME_PAYLOAD];
            unsigned int n;

            /* What L0 asked for is said: see hold(). */
            if ( vsb_protocol_holds(NOW()) )
                return false;

            n = vsb_protocol_next(payload);
            if ( !n )
                return false;

            wire_len = vsb_frame_encode(wire, payload, n);
            wire_pos = 0;
            vsb_count.frames_out++;
        }

        if ( room == FIFO && !can_send() )
        {
            outb(UART_IER_ERDAI | UART_IER_ETHREI, port + UART_IER);
            return false;
        }

        for ( ; room && wire_pos < wire_len; room-- )
            outb(wire[wire_pos++], port + UART_THR);
    }

    backlog = true;

    return true;
}

static void receive(void)
{
    unsigned int i;

    for ( i = 0; i < FIFO && (inb(port + UART_LSR) & UART_LSR_DR); i++ )
    {
        unsigned int len = vsb_frame_decode(&decoder, inb(port + UART_RBR));

        if ( len )
            vsb_protocol_receive(decoder.buf, len);
    }

    vsb_count.frames_in = decoder.frames;
    vsb_count.frames_bad_crc = decoder.bad_crc;
    vsb_count.frames_oversize = decoder.oversize;
    vsb_count.frames_bad_escape = decoder.bad_escape;
}

/*
 * L0 is about to stop the machine. TCG of QEMU 7.2 keeps the vector of an
 * interrupt that VMRUN has injected as the pending exception, and a request to
 * stop that comes while the guest runs delivers it once more instead: the guest
 * takes an interrupt where none can be, and L0 waits for ever. In here no guest
 * runs. The clock stands still while the machine does.
 */
static bool hold(void)
{
    bool held = false;

    while ( wire_pos == wire_len && vsb_protocol_holds(NOW()) )
    {
        udelay(HOLD_POLL);
        receive();
        held = true;
    }

    return held;
}

/* One FIFO, and what it was filled for. True: see pump(). */
static bool pump_and_hold(void)
{
    bool more = pump();

    return hold() || more;
}

static void go_on(void)
{
    tasklet_schedule_on_cpu(&rest, LINK_CPU);
}

/* The tasklet's. */
static void cf_check pump_rest(void *unused)
{
    static s_time_t slice_end;
    unsigned long flags;
    s_time_t now;
    bool more;

    spin_lock_irqsave(&lock, flags);
    more = pump_and_hold();
    spin_unlock_irqrestore(&lock, flags);
    if ( !more )
        return;

    now = NOW();
    if ( now >= slice_end + SLICE )
        slice_end = now + SLICE;

    if ( now < slice_end )
        go_on();
    else
        set_timer(&gather, slice_end + SLICE);
}

static void cf_check gather_expired(void *unused)
{
    go_on();
}

void vsb_link_kick(struct vsb_vm *vm, bool urgent)
{
    unsigned long flags;
    bool more;

    /* What is to be sent was there before this is looked at. */
    smp_mb();
    if ( ACCESS_ONCE(backlog) )
        return;

    if ( !urgent && vm->out_end - vm->out_sent < FLUSH &&
         NOW() - vm->out_last < SILENCE )
    {
        if ( !timer_is_active(&gather) )
            set_timer(&gather, NOW() + GATHER);
        return;
    }

    local_irq_save(flags);
    if ( spin_trylock(&lock) )
    {
        more = pump() || vsb_protocol_holds(NOW());
        spin_unlock(&lock);
    }
    else
        more = true;
    local_irq_restore(flags);

    if ( more )
        go_on();
}

static void cf_check link_interrupt(int unused, void *dev_id,
                                    struct cpu_user_regs *regs)
{
    unsigned long flags;
    bool more;

    spin_lock_irqsave(&lock, flags);

    /*
     * The interrupt is edge triggered: with all sources off the line is low,
     * and what is still pending makes an edge when they come on again.
     */
    outb(0, port + UART_IER);
    receive();
    outb(UART_IER_ERDAI, port + UART_IER);
    more = pump_and_hold();

    spin_unlock_irqrestore(&lock, flags);

    if ( more )
        go_on();
}

static void cf_check housekeeping_expired(void *unused)
{
    s_time_t now = NOW();
    unsigned long flags;

    spin_lock_irqsave(&lock, flags);
    vsb_vm_housekeeping(now);
    vsb_protocol_timeouts(now);
    spin_unlock_irqrestore(&lock, flags);

    go_on();
    set_timer(&housekeeping, now + HOUSEKEEPING);
}

bool __init vsb_link_wanted(void)
{
    return port;
}

bool __init vsb_link_start(void)
{
    int rc;

    vsb_frame_decoder_init(&decoder);
    softirq_tasklet_init(&rest, pump_rest, NULL);
    init_timer(&gather, gather_expired, NULL, LINK_CPU);
    init_timer(&housekeeping, housekeeping_expired, NULL, LINK_CPU);

    outb(0, port + UART_IER);
    outb(UART_LCR_DLAB | LCR_8N1, port + UART_LCR);
    outb(1, port + UART_DLL);
    outb(0, port + UART_DLM);
    outb(LCR_8N1, port + UART_LCR);
    outb(UART_FCR_ENABLE | UART_FCR_CLRX | UART_FCR_CLTX | UART_FCR_TRG1,
         port + UART_FCR);
    outb(UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2, port + UART_MCR);

    if ( inb(port + UART_LSR) == 0xff )
    {
        printk(XENLOG_ERR "VSBypass: no UART at %#x, no shadow devices\n", port);
        return false;
    }

    action.handler = link_interrupt;
    action.name = "vsb-link";
    rc = setup_irq(irq, 0, &action);
    if ( rc )
    {
        printk(XENLOG_ERR "VSBypass: cannot use IRQ %u: %d\n", irq, rc);
        return false;
    }

    outb(UART_IER_ERDAI, port + UART_IER);
    set_timer(&housekeeping, NOW() + HOUSEKEEPING);
    printk(XENLOG_INFO "VSBypass: link to L0 at port %#x, IRQ %u\n", port, irq);

    return true;
}

int __init vsb_dom0_setup_permissions(struct domain *d)
{
    if ( !port )
        return 0;

    return ioports_deny_access(d, port, port + 7) ?: irq_deny_access(d, irq);
}
