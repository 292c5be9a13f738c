/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: the link to L0, a 16550A of its own on the port and the ISA
 * interrupt named by the command line option vsb_link=<port>,<irq>. The other
 * end is L0's daemon. L1's hardware domain is refused both.
 *
 * A reader that stalls at L0 stops the transmitter, and with it the pump below;
 * output then stays in the rings of the user VMs.
 */

#include "vsb.h"

#include <xen/8250-uart.h>
#include <xen/delay.h>
#include <xen/init.h>
#include <xen/iocap.h>
#include <xen/irq.h>
#include <xen/param.h>
#include <xen/timer.h>

#include <asm/io.h>

#include "frame.h"

/* Frames sent, and bytes received, before others get their turn. */
#define MAX_FRAMES      16
#define MAX_BYTES       4096
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

#define HOUSEKEEPING    MILLISECS(250)

/* How often it is looked whether L0 has released this CPU, microseconds. */
#define HOLD_POLL       20

static unsigned int __read_mostly port;
static unsigned int __read_mostly irq;

static DEFINE_SPINLOCK(lock);
static struct vsb_frame_decoder decoder;
static uint8_t wire[VSB_FRAME_WIRE_MAX];
static unsigned int wire_len, wire_pos;
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
 * Send what there is while the transmitter takes it. When it does not, its
 * interrupt goes on with this; when there is more than a fair share, the timer.
 */
static void pump(void)
{
    unsigned int frames = 0;

    ASSERT(spin_is_locked(&lock));

    for ( ; ; )
    {
        unsigned int n;

        if ( wire_pos == wire_len )
        {
            uint8_t payload[VSB_FRAME_PAYLOAD];

            if ( frames++ == MAX_FRAMES )
            {
                set_timer(&gather, NOW());
                return;
            }

            n = vsb_protocol_next(payload);
            if ( !n )
                break;

            wire_len = vsb_frame_encode(wire, payload, n);
            wire_pos = 0;
            vsb_count.frames_out++;
        }

        if ( !can_send() )
        {
            outb(UART_IER_ERDAI | UART_IER_ETHREI, port + UART_IER);
            return;
        }

        for ( n = 0; n < FIFO && wire_pos < wire_len; n++ )
            outb(wire[wire_pos++], port + UART_THR);
    }
}

static void cf_check gather_expired(void *unused)
{
    unsigned long flags;

    spin_lock_irqsave(&lock, flags);
    pump();
    spin_unlock_irqrestore(&lock, flags);
}

void vsb_link_kick(struct vsb_vm *vm, bool urgent)
{
    unsigned long flags;

    if ( !urgent && vm->out_end - vm->out_sent < FLUSH &&
         NOW() - vm->out_last < SILENCE )
    {
        if ( !timer_is_active(&gather) )
            set_timer(&gather, NOW() + GATHER);
        return;
    }

    spin_lock_irqsave(&lock, flags);
    pump();
    spin_unlock_irqrestore(&lock, flags);
}

static void receive(void)
{
    unsigned int i;

    for ( i = 0; i < MAX_BYTES && (inb(port + UART_LSR) & UART_LSR_DR); i++ )
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
static void hold(void)
{
    while ( wire_pos == wire_len && vsb_protocol_holds(NOW()) )
    {
        udelay(HOLD_POLL);
        receive();
    }
}

static void cf_check link_interrupt(int unused, void *dev_id,
                                    struct cpu_user_regs *regs)
{
    spin_lock(&lock);

    /*
     * The interrupt is edge triggered: with all sources off the line is low,
     * and what is still pending makes an edge when they come on again.
     */
    outb(0, port + UART_IER);
    receive();
    outb(UART_IER_ERDAI, port + UART_IER);
    pump();
    if ( vsb_protocol_holds(NOW()) )
    {
        hold();
        pump();
    }

    spin_unlock(&lock);
}

static void cf_check housekeeping_expired(void *unused)
{
    s_time_t now = NOW();
    unsigned long flags;

    spin_lock_irqsave(&lock, flags);
    vsb_vm_housekeeping(now);
    vsb_protocol_timeouts(now);
    pump();
    spin_unlock_irqrestore(&lock, flags);

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
    init_timer(&gather, gather_expired, NULL, 0);
    init_timer(&housekeeping, housekeeping_expired, NULL, 0);

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
