/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Conformance of the UART model with the PC16550D data sheet (June 1995), as a
 * table: each row names a behaviour, the section that asks for it, and the
 * accesses that show it. Each row starts with a UART after reset.
 */

#include "tap.h"
#include "uart16550.h"

enum op
{
    OP_END,
    OP_READ,    /* register reads as value under mask */
    OP_WRITE,   /* nothing leaves on SOUT */
    OP_SEND,    /* the value leaves on SOUT */
    OP_RECEIVE, /* value arrives on SIN */
    OP_BREAK,
    OP_READY,   /* the caller can take output, or not */
    OP_INTR,    /* level of the interrupt line */
    OP_PENDING, /* IIR without side effects */
    OP_ROOM,
    OP_FILL,    /* value characters 'A', 'B'... arrive on SIN */
    OP_RESET,
};

struct step
{
    enum op op;
    unsigned int reg;
    uint8_t value;
    uint8_t mask;
};

#define R(r, v)     { OP_READ, VSB_UART_##r, v, 0xff }
#define RM(r, m, v) { OP_READ, VSB_UART_##r, v, m }
#define W(r, v)     { OP_WRITE, VSB_UART_##r, v, 0 }
#define SEND(v)     { OP_SEND, VSB_UART_THR, v, 0 }
#define RX(v)       { OP_RECEIVE, 0, v, 0 }
#define BREAK       { OP_BREAK, 0, 0, 0 }
#define READY(v)    { OP_READY, 0, v, 0 }
#define INTR(v)     { OP_INTR, 0, v, 0 }
#define PENDING(v)  { OP_PENDING, 0, v, 0 }
#define ROOM(v)     { OP_ROOM, 0, v, 0 }
#define FILL(v)     { OP_FILL, 0, v, 0 }
#define RESET       { OP_RESET, 0, 0, 0 }

static const struct row
{
    const char *name;
    const char *reference;
    struct step steps[40];
} rows[] = {
    /* Reset */
    { "reset: all registers", "table I",
      { R(IER, 0), R(IIR, 0x01), R(LCR, 0), R(MCR, 0), R(LSR, 0x60),
        RM(MSR, 0x0f, 0), INTR(0), ROOM(1) } },
    { "reset: undoes what was programmed", "table I",
      { W(IER, 0x0f), W(FCR, 0x81), W(LCR, 0x1b), W(MCR, 0x0b), FILL(3),
        RESET, R(IER, 0), R(IIR, 0x01), R(LCR, 0), R(MCR, 0), R(LSR, 0x60),
        R(RBR, 0), RM(MSR, 0x0f, 0), INTR(0) } },
    { "reset: pending interrupts are gone", "table I",
      { W(MCR, 0x08), W(IER, 0x0f), RX('x'), BREAK, INTR(1), RESET, INTR(0),
        W(MCR, 0x08), W(IER, 0x0d), INTR(0) } },

    /* Registers that hold what is written */
    { "IER: four bits read back, the others are 0", "8.7",
      { W(IER, 0xff), R(IER, 0x0f), W(IER, 0xa5), R(IER, 0x05) } },
    { "LCR: all bits read back", "8.1",
      { W(LCR, 0x7f), R(LCR, 0x7f), W(LCR, 0x9b), R(LCR, 0x9b) } },
    { "MCR: five bits read back, the others are 0", "8.8",
      { W(MCR, 0xff), R(MCR, 0x1f), W(MCR, 0x0b), R(MCR, 0x0b) } },
    { "SCR: scratch", "8.10",
      { W(SCR, 0x5a), R(SCR, 0x5a), W(SCR, 0xa5), R(SCR, 0xa5) } },
    { "LSR and MSR: writes change nothing", "8.4, 8.9",
      { W(LSR, 0), R(LSR, 0x60), W(MSR, 0xff), R(MSR, 0xb0) } },
    { "DLAB: divisor at offsets 0 and 1", "8.3, table II",
      { W(LCR, 0x80), W(DLL, 0x34), W(DLM, 0x12), R(DLL, 0x34), R(DLM, 0x12),
        W(LCR, 0x03), W(IER, 0x05), R(IER, 0x05), W(LCR, 0x83), R(DLL, 0x34),
        R(DLM, 0x12) } },
    { "DLAB: reading the divisor takes no character", "table II",
      { RX('x'), W(LCR, 0x80), W(DLL, 1), R(DLL, 1), R(LSR, 0x61),
        W(LCR, 0), R(RBR, 'x') } },
    { "DLAB: other registers are not affected", "table II",
      { W(LCR, 0x80), W(MCR, 0x03), R(MCR, 0x03), W(SCR, 7), R(SCR, 7),
        W(FCR, 0x01), R(IIR, 0xc1), R(LSR, 0x60) } },

    /* Transmitter */
    { "THR: characters leave, THRE and TEMT stay", "8.4",
      { SEND('a'), R(LSR, 0x60), SEND('b'), R(LSR, 0x60) } },
    { "THR: break holds SOUT, no character leaves", "8.1, bit 6",
      { W(LCR, 0x43), W(THR, 'a'), R(LSR, 0x60), W(LCR, 0x03), SEND('b') } },
    { "THRE interrupt: enabling it when empty raises it", "8.6, table IV",
      { W(MCR, 0x08), INTR(0), W(IER, 0x02), INTR(1), R(IIR, 0x02) } },
    { "THRE interrupt: reading IIR resets it", "8.6, table IV",
      { W(MCR, 0x08), W(IER, 0x02), R(IIR, 0x02), INTR(0), R(IIR, 0x01) } },
    { "THRE interrupt: disable and enable raises it again", "8.6, table IV",
      { W(IER, 0x02), R(IIR, 0x02), W(IER, 0x00), R(IIR, 0x01), W(IER, 0x02),
        R(IIR, 0x02) } },
    { "THRE interrupt: writing IER without an edge does not", "8.6, table IV",
      { W(IER, 0x02), R(IIR, 0x02), W(IER, 0x02), R(IIR, 0x01), W(IER, 0x07),
        R(IIR, 0x01) } },
    { "THRE interrupt: re-armed by each character", "8.11",
      { W(MCR, 0x08), W(IER, 0x02), R(IIR, 0x02), INTR(0), SEND('a'), INTR(1),
        R(IIR, 0x02), INTR(0), SEND('b'), INTR(1) } },
    { "THRE interrupt: kept if IIR reports another source", "8.6, table IV",
      { W(IER, 0x03), RX('x'), R(IIR, 0x04), R(RBR, 'x'), R(IIR, 0x02),
        R(IIR, 0x01) } },
    { "THRE interrupt: peeking does not reset it", "8.6",
      { W(IER, 0x02), PENDING(0x02), PENDING(0x02), R(IIR, 0x02),
        PENDING(0x01) } },
    { "not ready: THRE and TEMT are held back", "8.4, bits 5 and 6",
      { READY(0), R(LSR, 0x00), READY(1), R(LSR, 0x60) } },
    { "not ready: no THRE interrupt, not even when enabled", "8.6, table IV",
      { W(IER, 0x02), PENDING(0x02), READY(0), PENDING(0x01), W(IER, 0),
        W(IER, 0x02), R(IIR, 0x01) } },
    { "not ready: a write leaves, the interrupt waits", "8.6, table IV",
      { W(IER, 0x02), READY(0), SEND('a'), R(IIR, 0x01), R(LSR, 0x00),
        READY(1), R(IIR, 0x02), R(IIR, 0x01) } },
    { "not ready: becoming ready raises it once", "8.6, table IV",
      { W(MCR, 0x08), W(IER, 0x02), R(IIR, 0x02), READY(0), INTR(0), READY(1),
        INTR(1), R(IIR, 0x02), READY(1), INTR(0) } },

    /* Receiver without FIFOs */
    { "RBR: one character", "8.4, bit 0",
      { RX('x'), R(LSR, 0x61), ROOM(0), R(RBR, 'x'), R(LSR, 0x60), ROOM(1) } },
    { "RBR: overrun replaces the character", "8.4, bit 1",
      { RX('x'), RX('y'), R(LSR, 0x63), R(LSR, 0x61), R(RBR, 'y'),
        R(LSR, 0x60) } },
    { "RBR: interrupt until it is read", "8.6, table IV",
      { W(MCR, 0x08), W(IER, 0x01), RX('x'), INTR(1), R(IIR, 0x04), INTR(1),
        R(RBR, 'x'), INTR(0), R(IIR, 0x01) } },
    { "break: zero character with BI and FE", "8.4, bits 3 and 4",
      { BREAK, R(LSR, 0x79), R(LSR, 0x61), R(RBR, 0), R(LSR, 0x60) } },
    { "error bits stay until LSR is read", "8.4, bit 4",
      { BREAK, R(RBR, 0), R(LSR, 0x78), R(LSR, 0x60) } },
    { "without FIFOs LSR bit 7 is 0", "8.4, bit 7",
      { BREAK, RM(LSR, 0x80, 0) } },

    /* Receiver with FIFOs */
    { "FIFO: IIR bits 7 and 6", "8.6",
      { W(FCR, 0x01), R(IIR, 0xc1), W(FCR, 0x00), R(IIR, 0x01) } },
    { "FIFO: sixteen characters in order", "8.5",
      { W(FCR, 0x01), ROOM(16), FILL(16), ROOM(0), R(RBR, 'A'), R(RBR, 'B'),
        ROOM(2), RX('Q'), RX('R'), R(RBR, 'C'), R(RBR, 'D'), R(RBR, 'E'),
        R(RBR, 'F'), R(RBR, 'G'), R(RBR, 'H'), R(RBR, 'I'), R(RBR, 'J'),
        R(RBR, 'K'), R(RBR, 'L'), R(RBR, 'M'), R(RBR, 'N'), R(RBR, 'O'),
        R(RBR, 'P'), R(RBR, 'Q'), R(RBR, 'R'), R(LSR, 0x60) } },
    { "FIFO: overrun keeps the FIFO, loses the new character", "8.4, bit 1",
      { W(FCR, 0x01), FILL(16), R(LSR, 0x61), RX('!'), R(LSR, 0x63),
        R(LSR, 0x61), R(RBR, 'A'), R(RBR, 'B'), ROOM(2) } },
    { "FIFO: overrun is told at once", "8.4, bit 1",
      { W(FCR, 0x01), W(IER, 0x05), FILL(16), R(IIR, 0xc4), RX('!'),
        R(IIR, 0xc6), R(LSR, 0x63), R(IIR, 0xc4) } },
    { "FIFO: enabling clears", "8.5, bit 0",
      { RX('x'), W(FCR, 0x01), R(LSR, 0x60), ROOM(16) } },
    { "FIFO: disabling clears", "8.5, bit 0",
      { W(FCR, 0x01), FILL(5), W(FCR, 0x00), R(LSR, 0x60), ROOM(1) } },
    { "FIFO: enabling what is enabled does not clear", "8.5, bit 0",
      { W(FCR, 0x01), FILL(2), W(FCR, 0xc1), R(RBR, 'A'), R(RBR, 'B') } },
    { "FIFO: receiver reset clears, and clears itself", "8.5, bit 1",
      { W(FCR, 0x01), FILL(5), W(FCR, 0x03), R(LSR, 0x60), ROOM(16), RX('x'),
        R(LSR, 0x61), R(RBR, 'x') } },
    { "FIFO: transmitter reset leaves the receiver alone", "8.5, bit 2",
      { W(FCR, 0x01), FILL(2), W(FCR, 0x05), R(RBR, 'A'), R(LSR, 0x61) } },
    { "FIFO: other bits count only with bit 0", "8.5, bit 0",
      { RX('x'), W(FCR, 0xc6), R(LSR, 0x61), R(RBR, 'x'), R(IIR, 0x01) } },
    { "trigger level 1", "8.5, bits 6 and 7",
      { W(FCR, 0x01), W(IER, 0x01), R(IIR, 0xc1), FILL(1), R(IIR, 0xc4),
        R(RBR, 'A'), R(IIR, 0xc1) } },
    { "trigger level 4", "8.5, bits 6 and 7",
      { W(FCR, 0x41), W(IER, 0x01), FILL(3), R(IIR, 0xcc), RX('x'),
        R(IIR, 0xc4), R(RBR, 'A'), R(IIR, 0xcc) } },
    { "trigger level 8", "8.5, bits 6 and 7",
      { W(FCR, 0x81), W(IER, 0x01), FILL(7), R(IIR, 0xcc), RX('x'),
        R(IIR, 0xc4), R(RBR, 'A'), R(IIR, 0xcc) } },
    { "trigger level 14", "8.5, bits 6 and 7",
      { W(FCR, 0xc1), W(IER, 0x01), FILL(13), R(IIR, 0xcc), RX('x'),
        R(IIR, 0xc4), R(RBR, 'A'), R(IIR, 0xcc) } },
    { "timeout: one waiting character interrupts", "8.11",
      { W(FCR, 0xc1), W(MCR, 0x08), W(IER, 0x01), INTR(0), RX('x'), INTR(1),
        R(IIR, 0xcc), R(RBR, 'x'), INTR(0), R(IIR, 0xc1) } },
    { "errors wait with their character", "8.4, bits 2 to 4",
      { W(FCR, 0x01), RX('a'), BREAK, RX('c'), R(LSR, 0xe1), R(RBR, 'a'),
        R(LSR, 0xf9), R(LSR, 0x61), R(RBR, 0), R(LSR, 0x61), R(RBR, 'c'),
        R(LSR, 0x60) } },
    { "errors behind the top do not interrupt yet", "8.4, 8.6",
      { W(FCR, 0x01), W(IER, 0x04), RX('a'), BREAK, R(IIR, 0xc1),
        R(RBR, 'a'), R(IIR, 0xc6), R(LSR, 0xf9), R(IIR, 0xc1) } },
    { "LSR bit 7 stays while errors are left", "8.4, bit 7",
      { W(FCR, 0x01), BREAK, BREAK, R(LSR, 0xf9), R(LSR, 0xe1), R(RBR, 0),
        R(LSR, 0xf9), R(LSR, 0x61) } },
    { "receiver reset drops the errors of what it drops", "8.5, bit 1",
      { W(FCR, 0x01), RX('a'), BREAK, W(FCR, 0x03), R(LSR, 0x60) } },
    { "break into a full FIFO is an overrun", "8.4, bit 1",
      { W(FCR, 0x01), FILL(16), BREAK, R(LSR, 0x63), R(LSR, 0x61) } },

    /* Interrupt priorities */
    { "priorities: line status, data, THRE, modem", "8.6, table IV",
      { W(MCR, 0x10), W(MCR, 0x00), W(IER, 0x0f), BREAK, R(IIR, 0x06),
        R(LSR, 0x79), R(IIR, 0x04), R(RBR, 0), R(IIR, 0x02), R(IIR, 0x00),
        R(IIR, 0x00), RM(MSR, 0x0f, 0x0b), R(IIR, 0x01) } },
    { "priorities: timeout before THRE", "8.6, table IV",
      { W(FCR, 0xc1), W(IER, 0x0f), RX('x'), R(IIR, 0xcc), R(RBR, 'x'),
        R(IIR, 0xc2), R(IIR, 0xc1) } },
    { "disabled sources are not reported", "8.7",
      { W(IER, 0x02), BREAK, R(IIR, 0x02), R(IIR, 0x01), W(IER, 0x01),
        R(IIR, 0x04), W(IER, 0x04), R(IIR, 0x06) } },
    { "modem interrupt: reading MSR resets it", "8.6, table IV",
      { W(IER, 0x08), W(MCR, 0x10), R(IIR, 0x00), RM(MSR, 0x0f, 0x0b),
        R(IIR, 0x01) } },
    { "OUT2 does not gate the interrupt line", "xv6, which never sets it",
      { W(IER, 0x02), INTR(1), W(MCR, 0x08), INTR(1), W(MCR, 0x07), INTR(1),
        R(IIR, 0x02), INTR(0), W(IER, 0x01), RX('x'), INTR(1) } },

    /* Modem lines */
    { "modem lines: the peer is there", "8.9",
      { R(MSR, 0xb0), W(MCR, 0x0f), R(MSR, 0xb0) } },

    /* Loopback */
    { "loopback: characters come back, none leave", "8.8, bit 4",
      { W(MCR, 0x10), W(THR, 0x55), R(LSR, 0x61), R(RBR, 0x55),
        R(LSR, 0x60), W(MCR, 0x00), SEND('x'), R(LSR, 0x60) } },
    { "loopback: through the FIFO", "8.8, bit 4",
      { W(FCR, 0x01), W(MCR, 0x10), W(THR, 'a'), W(THR, 'b'), R(RBR, 'a'),
        R(RBR, 'b'), R(LSR, 0x60) } },
    { "loopback: overrun", "8.8, bit 4",
      { W(MCR, 0x10), W(THR, 'a'), W(THR, 'b'), R(LSR, 0x63), R(RBR, 'b') } },
    { "loopback: SIN is disconnected", "8.8, bit 4",
      { W(FCR, 0x01), W(MCR, 0x10), ROOM(0), RX('x'), BREAK, R(LSR, 0x60),
        W(MCR, 0x00), ROOM(16), R(LSR, 0x60) } },
    { "loopback: outputs drive the modem inputs", "8.8, bit 4",
      { W(MCR, 0x11), RM(MSR, 0xf0, 0x20), W(MCR, 0x12), RM(MSR, 0xf0, 0x10),
        W(MCR, 0x14), RM(MSR, 0xf0, 0x40), W(MCR, 0x18), RM(MSR, 0xf0, 0x80),
        W(MCR, 0x1f), RM(MSR, 0xf0, 0xf0), W(MCR, 0x10),
        RM(MSR, 0xf0, 0x00) } },
    { "loopback: changes of CTS, DSR and DCD", "8.9, bits 0, 1 and 3",
      { W(MCR, 0x10), RM(MSR, 0x0f, 0x0b), R(MSR, 0x00), W(MCR, 0x12),
        R(MSR, 0x11), R(MSR, 0x10), W(MCR, 0x11), R(MSR, 0x23), W(MCR, 0x18),
        R(MSR, 0x8a), W(MCR, 0x10), R(MSR, 0x08), R(MSR, 0x00) } },
    { "loopback: only the trailing edge of RI", "8.9, bit 2",
      { W(MCR, 0x10), RM(MSR, 0, 0), W(MCR, 0x14), R(MSR, 0x40),
        W(MCR, 0x10), R(MSR, 0x04), R(MSR, 0x00) } },
    { "loopback: changes add up until MSR is read", "8.9",
      { W(MCR, 0x10), RM(MSR, 0, 0), W(MCR, 0x12), W(MCR, 0x10),
        R(MSR, 0x01) } },
    { "loopback: as Linux tests for it", "8.8, bit 4",
      { W(MCR, 0x1a), RM(MSR, 0xf0, 0x90), W(MCR, 0x00), R(MSR, 0xb2),
        R(MSR, 0xb0) } },
    { "loopback: interrupts work but the line is quiet", "8.8, bit 4",
      { W(IER, 0x01), W(MCR, 0x18), W(THR, 'a'), PENDING(0x04), INTR(0),
        R(IIR, 0x04), R(RBR, 'a'), PENDING(0x01) } },
    { "loopback: a break on SOUT does not stop it", "8.1, bit 6",
      { W(LCR, 0x43), W(MCR, 0x10), W(THR, 'a'), R(RBR, 'a') } },
    { "loopback: needs nobody to take output", "8.8, bit 4",
      { READY(0), W(MCR, 0x10), R(LSR, 0x60), W(THR, 'a'), R(RBR, 'a'),
        W(MCR, 0x00), R(LSR, 0x00) } },
    { "loopback: the divisor is not transmitted", "table II",
      { W(MCR, 0x10), W(LCR, 0x80), W(DLL, 1), R(LSR, 0x60) } },
};

/* Returns whether the step shows what the table says, and what it showed. */
static bool take(struct vsb_uart *u, const struct step *s, unsigned int *got)
{
    unsigned int i;

    *got = s->value;
    switch ( s->op )
    {
    case OP_READ:
        *got = vsb_uart_read(u, s->reg) & s->mask;
        break;

    case OP_WRITE:
    case OP_SEND:
        *got = vsb_uart_write(u, s->reg, s->value);
        return *got == (s->op == OP_SEND ? VSB_UART_TX : 0);

    case OP_RECEIVE:
        vsb_uart_receive(u, s->value);
        break;

    case OP_BREAK:
        vsb_uart_receive_break(u);
        break;

    case OP_READY:
        vsb_uart_set_tx_ready(u, s->value);
        break;

    case OP_INTR:
        *got = vsb_uart_intr(u);
        break;

    case OP_PENDING:
        *got = vsb_uart_pending(u);
        break;

    case OP_ROOM:
        *got = vsb_uart_rx_room(u);
        break;

    case OP_FILL:
        for ( i = 0; i < s->value; i++ )
            vsb_uart_receive(u, 'A' + i);
        break;

    case OP_RESET:
        vsb_uart_reset(u);
        break;

    case OP_END:
        break;
    }

    return *got == s->value;
}

static void run(const struct row *row)
{
    struct vsb_uart u;
    const struct step *s;
    unsigned int got;

    vsb_uart_reset(&u);
    for ( s = row->steps; s->op != OP_END; s++ )
    {
        if ( take(&u, s, &got) )
            continue;
        tap_ok(false, "%s (%s)", row->name, row->reference);
        tap_diag("step %u: register %u: expected 0x%02x, got 0x%02x",
                 (unsigned int)(s - row->steps) + 1, s->reg, s->value, got);
        return;
    }

    tap_ok(true, "%s (%s)", row->name, row->reference);
}

int main(void)
{
    unsigned int i;

    for ( i = 0; i < sizeof(rows) / sizeof(rows[0]); i++ )
        run(&rows[i]);

    tap_ok(sizeof(struct vsb_uart) <= 128, "the state takes at most 128 bytes");

    return tap_done();
}
