/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What L3 sees at COM1 of the stream behind it (com1.c): the place of a BREAK
 * among the characters, and a receiver that was reset.
 */

#include "shim.h"
#include "tap.h"

#include <asm/hvm/nestedhvm.h>

static const struct vsb_entry entry = { .vmcx = 0x1000, .root = 0x2000 };
static struct domain l2 = { .domain_id = 1 };
static struct vcpu cpu;
static struct vsb_vm *vm;

static void start(void)
{
    shim_reset();
    cpu = (struct vcpu){ .domain = &l2 };
    shim_enter(&cpu, &entry, 0);
    vm = cpu.arch.hvm.nvcpu.nv_vsb.vm;
    vm->label_tries = VSB_LABEL_TRIES;
    shim_out(&cpu, VSB_UART_FCR, VSB_UART_FCR_ENABLE);
}

static void type(const char *text)
{
    unsigned long flags;

    spin_lock_irqsave(&vm->lock, flags);
    vsb_com1_input(vm, (const uint8_t *)text, strlen(text));
    spin_unlock_irqrestore(&vm->lock, flags);
}

static bool send_break(void)
{
    unsigned long flags;
    bool taken;

    spin_lock_irqsave(&vm->lock, flags);
    taken = vsb_com1_break(vm);
    spin_unlock_irqrestore(&vm->lock, flags);

    return taken;
}

/* As Linux's serial8250_rx_chars() reads; a BREAK is shown as '!'. */
static const char *read_all(void)
{
    static char seen[256];
    unsigned int n = 0;

    while ( n < sizeof(seen) - 1 )
    {
        uint8_t lsr = shim_in(&cpu, VSB_UART_LSR);

        if ( !(lsr & VSB_UART_LSR_DR) )
            break;
        seen[n] = shim_in(&cpu, VSB_UART_RBR);
        if ( lsr & VSB_UART_LSR_BI )
            seen[n] = '!';
        n++;
    }
    seen[n] = 0;

    return seen;
}

static void breaks(void)
{
    unsigned int i, taken = 0;
    const char *seen;

    start();
    type("0123456789abcdefghijklmn");
    send_break();
    type("h");
    seen = read_all();
    tap_ok(!strcmp(seen, "0123456789abcdefghijklmn!h"),
           "a BREAK comes behind what was typed before it: %s", seen);

    start();
    type("abcdefghijklmnopqrst");
    send_break();
    type("1");
    send_break();
    type("2");
    seen = read_all();
    tap_ok(!strcmp(seen, "abcdefghijklmnopqrst!1!2"),
           "each of two in its place: %s", seen);

    start();
    type("abcdefghijklmnopqrst");
    send_break();
    send_break();
    seen = read_all();
    tap_ok(!strcmp(seen, "abcdefghijklmnopqrst!"),
           "sent again before anything was typed, it is one: %s", seen);

    start();
    type("abcdefghijklmnop");
    for ( i = 0; i < 100; i++ )
    {
        taken += send_break();
        type("x");
    }
    tap_ok(taken == VSB_BREAKS && !send_break(), "too many are refused");
    read_all();
    tap_ok(send_break(), "and taken again when those are read");
}

#define RESET (VSB_UART_FCR_ENABLE | VSB_UART_FCR_RX_RESET | \
               VSB_UART_FCR_TX_RESET)

static bool has_data(void)
{
    return shim_in(&cpu, VSB_UART_LSR) & VSB_UART_LSR_DR;
}

static void resets(void)
{
    static const char typed[] = "0123456789abcdefghijklmn";

    /* FreeBSD's ns8250_flush() looks once, and gives up the FIFO otherwise. */
    start();
    type(typed);
    shim_out(&cpu, VSB_UART_FCR, RESET);
    tap_ok(!has_data(), "right after a reset of the receiver there is nothing");
    tap_ok(!strcmp(read_all(), "ghijklmn") && vm->count.rx_overruns == 16,
           "what was in the FIFO is lost, and nothing else");

    start();
    type(typed);
    shim_out(&cpu, VSB_UART_FCR, 0);
    shim_out(&cpu, VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    tap_ok(!has_data(), "nor after the FIFOs are switched off and on");

    start();
    type(typed);
    shim_out(&cpu, VSB_UART_FCR, RESET);
    shim_out(&cpu, VSB_UART_IER, VSB_UART_IER_RDA);
    shim_opportunity(&cpu);
    tap_ok(!vsb_uart_intr(&vm->uart), "no interrupt comes of it");
    shim_now += MILLISECS(11);
    tap_ok(shim_opportunity(&cpu) == VSB_UART_IER_THRE,
           "one that does not look is interrupted in the end");

    start();
    type(typed);
    shim_out(&cpu, VSB_UART_FCR, RESET);
    shim_out(&cpu, VSB_UART_IER, VSB_UART_IER_RDA);
    shim_hlt(&cpu);
    tap_ok(!cpu.shim_blocked && shim_opportunity(&cpu) == VSB_UART_IER_THRE,
           "or at once, when it halts");

    start();
    shim_out(&cpu, VSB_UART_FCR, RESET);
    type("x");
    tap_ok(has_data(), "a FIFO that was empty has no pause");
}

int main(void)
{
    breaks();
    resets();

    return tap_done();
}
