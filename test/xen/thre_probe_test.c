/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The THRE probe in front of a UART: Linux's tests must fail as intended, and
 * what other software does must get the answers of the plain UART.
 */

#include "tap.h"
#include "thre_probe.h"
#include "uart16550.h"

struct access
{
    enum { END, READ, WRITE } op;
    unsigned int reg;
    uint8_t value; /* written, or expected to be read */
};

#define R(r, v) { READ, VSB_UART_##r, v }
#define W(r, v) { WRITE, VSB_UART_##r, v }

/* serial8250_do_startup() of Linux 6.1 for a 16550A, by parts. */
#define LINUX_CLEAR                                                     \
    W(FCR, 0x01), W(FCR, 0x07), W(FCR, 0x00), R(LSR, 0x60), R(RBR, 0),  \
    R(IIR, 0x01), R(MSR, 0xb0), R(LSR, 0x60)
#define LINUX_THRE_TEST(answer)                                         \
    R(LSR, 0x60), W(IER, 0x02), R(IIR, 0x02), W(IER, 0x00),             \
    W(IER, 0x02), R(IIR, answer), W(IER, 0x00)
#define LINUX_QUICK_TEST(answer)                                        \
    W(LCR, 0x03), W(MCR, 0x0b), W(IER, 0x02), R(LSR, 0x60),             \
    R(IIR, answer), W(IER, 0x00)
#define LINUX_REST                                                      \
    R(LSR, 0x60), R(RBR, 0), R(IIR, 0x01), R(MSR, 0xb0), W(LCR, 0x93),  \
    W(DLL, 0x01), W(DLM, 0x00), W(LCR, 0x13), W(FCR, 0x01),             \
    W(FCR, 0x81), W(MCR, 0x0b), W(IER, 0x05)

static const struct row
{
    const char *name;
    unsigned int fired;
    struct access accesses[80];
} rows[] = {
    { "Linux: both tests fail", 1,
      { LINUX_CLEAR, LINUX_THRE_TEST(0x01), LINUX_QUICK_TEST(0x01),
        LINUX_REST } },
    { "Linux: again when the port is opened again", 2,
      { LINUX_CLEAR, LINUX_THRE_TEST(0x01), LINUX_QUICK_TEST(0x01),
        LINUX_REST, W(IER, 0x00), W(MCR, 0x03), LINUX_CLEAR,
        LINUX_THRE_TEST(0x01), LINUX_QUICK_TEST(0x01) } },
    { "Linux: polls LSR more than once", 1,
      { LINUX_CLEAR, R(LSR, 0x60), R(LSR, 0x60), LINUX_THRE_TEST(0x01) } },
    { "Linux: console with flow control reads MSR", 1,
      { LINUX_CLEAR, R(LSR, 0x60), R(MSR, 0xb0), W(IER, 0x02), R(IIR, 0x02),
        W(IER, 0x00), W(IER, 0x02), R(IIR, 0x01), W(IER, 0x00) } },
    { "Linux: console output before the tests", 1,
      { LINUX_CLEAR, R(IER, 0x00), W(IER, 0x00), R(LSR, 0x60), W(THR, 'x'),
        R(LSR, 0x60), R(MSR, 0xb0), W(IER, 0x00), LINUX_THRE_TEST(0x01) } },
    { "Linux: console output of another CPU between the tests", 1,
      { LINUX_CLEAR, LINUX_THRE_TEST(0x01), W(LCR, 0x03), R(IER, 0x00),
        W(IER, 0x00), R(LSR, 0x60), W(THR, 'x'), R(LSR, 0x60), W(THR, '\n'),
        R(LSR, 0x60), R(MSR, 0xb0), W(IER, 0x00), LINUX_QUICK_TEST(0x01) } },
    { "Linux: tests after SeaBIOS and GRUB used the port", 1,
      { W(IER, 0x02), R(IER, 0x02), R(IIR, 0x02), W(IER, 0x00), W(LCR, 0x83),
        W(DLL, 0x01), W(DLM, 0x00), W(LCR, 0x03), W(FCR, 0x07), W(MCR, 0x0b),
        R(LSR, 0x60), W(THR, 'G'), LINUX_CLEAR, LINUX_THRE_TEST(0x01),
        LINUX_QUICK_TEST(0x01), LINUX_REST } },
    { "Linux: skips the THRE test, gets the plain UART in the other", 0,
      { LINUX_CLEAR, LINUX_QUICK_TEST(0x02), LINUX_REST } },

    { "deviation: no LSR read before", 0,
      { W(IER, 0x02), R(IIR, 0x02), W(IER, 0x00), W(IER, 0x02), R(IIR, 0x02),
        W(IER, 0x00) } },
    { "deviation: IER was not 0 before", 0,
      { W(IER, 0x04), LINUX_THRE_TEST(0x02) } },
    { "deviation: FIFOs are on", 0,
      { W(FCR, 0x01), R(LSR, 0x60), W(IER, 0x02), R(IIR, 0xc2), W(IER, 0x00),
        W(IER, 0x02), R(IIR, 0xc2), W(IER, 0x00) } },
    { "deviation: a character is sent within", 0,
      { R(LSR, 0x60), W(IER, 0x02), R(IIR, 0x02), W(THR, 'x'), W(IER, 0x00),
        W(IER, 0x02), R(IIR, 0x02), W(IER, 0x00) } },
    { "deviation: LSR is read within", 0,
      { R(LSR, 0x60), W(IER, 0x02), R(LSR, 0x60), R(IIR, 0x02), W(IER, 0x00),
        W(IER, 0x02), R(IIR, 0x02), W(IER, 0x00) } },
    { "deviation: IER is read back within", 0,
      { R(LSR, 0x60), W(IER, 0x02), R(IER, 0x02), R(IIR, 0x02), W(IER, 0x00),
        W(IER, 0x02), R(IER, 0x02), R(IIR, 0x02), W(IER, 0x00) } },
    { "deviation: the divisor is written, not IER", 0,
      { W(LCR, 0x80), R(LSR, 0x60), W(DLM, 0x02), R(IIR, 0x01), W(DLM, 0x00),
        W(DLM, 0x02), R(IIR, 0x01), W(LCR, 0x03), W(IER, 0x02),
        R(IIR, 0x02) } },
    { "deviation: other interrupts enabled as well", 0,
      { R(LSR, 0x60), W(IER, 0x03), R(IIR, 0x02), W(IER, 0x00), W(IER, 0x03),
        R(IIR, 0x02), W(IER, 0x00) } },
    { "deviation: no MCR write before the quick test", 1,
      { LINUX_CLEAR, LINUX_THRE_TEST(0x01), W(LCR, 0x03), W(IER, 0x02),
        R(LSR, 0x60), R(IIR, 0x02), W(IER, 0x00) } },
    { "deviation: quick test without its LSR read", 1,
      { LINUX_CLEAR, LINUX_THRE_TEST(0x01), W(MCR, 0x0b), W(IER, 0x02),
        R(IIR, 0x02), W(IER, 0x00) } },
    { "deviation: FIFO enabled between the tests", 1,
      { LINUX_CLEAR, LINUX_THRE_TEST(0x01), W(FCR, 0x01), W(MCR, 0x0b),
        W(IER, 0x02), R(LSR, 0x60), R(IIR, 0xc2), W(IER, 0x00) } },
    { "after the tests interrupts are reported as they are", 1,
      { LINUX_CLEAR, LINUX_THRE_TEST(0x01), LINUX_QUICK_TEST(0x01),
        LINUX_REST, W(IER, 0x07), R(IIR, 0xc2), W(IER, 0x05), R(LSR, 0x60),
        W(IER, 0x07), R(IIR, 0xc2), W(IER, 0x00), W(IER, 0x02), R(LSR, 0x60),
        R(IIR, 0xc2) } },

    { "SeaBIOS: detects the port", 0,
      { W(IER, 0x02), R(IER, 0x02), R(IIR, 0x02), W(IER, 0x00) } },
    { "Windows-like: existence test, FIFO test, IER toggles", 0,
      { R(IER, 0x00), W(IER, 0x00), W(LCR, 0x80), W(DLM, 0x0f), R(DLM, 0x0f),
        W(DLM, 0x00), W(LCR, 0x00), W(IER, 0x0f), R(IER, 0x0f), W(IER, 0x00),
        W(FCR, 0x01), R(IIR, 0xc1), W(FCR, 0x00), R(LSR, 0x60), R(MSR, 0xb0),
        R(IIR, 0x01), W(FCR, 0x07), W(MCR, 0x0b), W(IER, 0x00), W(IER, 0x0f),
        R(IIR, 0xc2), W(THR, 'w'), R(IIR, 0xc2), W(IER, 0x00), W(IER, 0x0f),
        R(IIR, 0xc2), R(LSR, 0x60) } },
    { "old FreeBSD-like: transmitter interrupt test", 0,
      { W(IER, 0x00), W(MCR, 0x1b), R(LSR, 0x60), W(IER, 0x02), R(IIR, 0x02),
        R(IIR, 0x01), W(IER, 0x00), W(MCR, 0x0b), W(IER, 0x02), R(IIR, 0x02),
        W(IER, 0x00), R(IIR, 0x01) } },
    { "NetBSD-like: FIFO detection and interrupt driven output", 0,
      { W(IER, 0x00), W(FCR, 0x01), R(IIR, 0xc1), R(LSR, 0x60), W(FCR, 0x00),
        W(FCR, 0x07), W(MCR, 0x0b), W(IER, 0x05), R(LSR, 0x60), W(IER, 0x07),
        R(IIR, 0xc2), W(THR, 'n'), R(IIR, 0xc2), R(LSR, 0x60), W(IER, 0x05),
        R(IIR, 0xc1) } },
    { "driver with 8250 mode: sends a character each interrupt", 0,
      { R(LSR, 0x60), W(IER, 0x02), R(IIR, 0x02), W(THR, 'a'), R(IIR, 0x02),
        W(IER, 0x00), R(LSR, 0x60), W(IER, 0x02), R(IIR, 0x02), W(THR, 'b'),
        R(IIR, 0x02), W(IER, 0x00) } },
};

static void run(const struct row *row)
{
    struct vsb_uart u;
    struct vsb_thre_probe probe = {};
    const struct access *a;
    unsigned int fired = 0;
    uint8_t got;
    bool dlab;

    vsb_uart_reset(&u);
    for ( a = row->accesses; a->op != END; a++ )
    {
        if ( a->op == WRITE )
        {
            dlab = vsb_uart_read(&u, VSB_UART_LCR) & VSB_UART_LCR_DLAB;
            vsb_uart_write(&u, a->reg, a->value);
            vsb_thre_probe_write(&probe, a->reg, a->value, dlab);
            continue;
        }

        got = vsb_thre_probe_read(&probe, a->reg, vsb_uart_read(&u, a->reg));
        fired += vsb_thre_probe_fired(&probe);
        if ( got == a->value )
            continue;

        tap_ok(false, "%s", row->name);
        tap_diag("access %u, register %u: expected 0x%02x, got 0x%02x",
                 (unsigned int)(a - row->accesses) + 1, a->reg, a->value, got);
        return;
    }

    if ( !tap_ok(fired == row->fired, "%s", row->name) )
        tap_diag("fired %u times, expected %u", fired, row->fired);
}

int main(void)
{
    unsigned int i;

    for ( i = 0; i < sizeof(rows) / sizeof(rows[0]); i++ )
        run(&rows[i]);

    return tap_done();
}
