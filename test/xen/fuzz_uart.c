/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drives the UART model and the THRE probe with arbitrary accesses, and checks
 * after each what must hold whatever the guest does. Received characters are
 * compared with a queue kept beside the model: none is changed, reordered,
 * invented, or lost without LSR.OE.
 */

#include <string.h>

#include "fuzz.h"
#include "thre_probe.h"
#include "uart16550.h"

struct fuzz
{
    struct vsb_uart u;
    struct vsb_thre_probe probe;
    uint8_t expected[VSB_UART_FIFO]; /* unread characters, oldest first */
    unsigned int count;
    bool overrun;       /* since LSR was read */
    bool ready;
};

static bool has_fifos(const struct fuzz *f)
{
    return (vsb_uart_pending(&f->u) & VSB_UART_IIR_FIFO) == VSB_UART_IIR_FIFO;
}

/* What a register reads as, without the side effects. */
static uint8_t peek(const struct fuzz *f, unsigned int reg)
{
    struct vsb_uart copy = f->u;

    return vsb_uart_read(&copy, reg);
}

static bool in_loopback(const struct fuzz *f)
{
    return peek(f, VSB_UART_MCR) & VSB_UART_MCR_LOOP;
}

static bool has_dlab(const struct fuzz *f)
{
    return peek(f, VSB_UART_LCR) & VSB_UART_LCR_DLAB;
}

/* A character got as far as the receiver. */
static void expect(struct fuzz *f, uint8_t byte)
{
    unsigned int capacity = has_fifos(f) ? VSB_UART_FIFO : 1;

    if ( f->count == capacity )
    {
        f->overrun = true;
        if ( capacity > 1 )
            return;
        f->count = 0;
    }
    f->expected[f->count++] = byte;
}

static void check(const struct fuzz *f)
{
    uint8_t iir = vsb_uart_pending(&f->u), id = iir & VSB_UART_IIR_ID;
    uint8_t lsr = peek(f, VSB_UART_LSR), msr = peek(f, VSB_UART_MSR);
    uint8_t ier = f->u.ier;
    unsigned int room = vsb_uart_rx_room(&f->u);

    INVARIANT(f->count == f->u.rx_count);
    INVARIANT(!!(lsr & VSB_UART_LSR_DR) == (f->count > 0));
    INVARIANT(!!(lsr & VSB_UART_LSR_OE) == f->overrun);
    INVARIANT(!(lsr & VSB_UART_LSR_THRE) == !(lsr & VSB_UART_LSR_TEMT));
    INVARIANT(!!(lsr & VSB_UART_LSR_THRE) == (f->ready || in_loopback(f)));
    INVARIANT(!(lsr & VSB_UART_LSR_PE));
    INVARIANT(has_fifos(f) || !(lsr & VSB_UART_LSR_FIFOE));
    INVARIANT(!has_fifos(f) || !(lsr & (VSB_UART_LSR_BI | VSB_UART_LSR_FE)) ||
              (lsr & VSB_UART_LSR_FIFOE));

    INVARIANT(!(ier & ~VSB_UART_IER_MASK));
    INVARIANT(has_dlab(f) || peek(f, VSB_UART_IER) == ier);
    INVARIANT(peek(f, VSB_UART_IIR) == iir);
    switch ( id )
    {
    case VSB_UART_IIR_RLS:
        INVARIANT((ier & VSB_UART_IER_RLS) && (lsr & VSB_UART_LSR_ERRORS));
        break;

    case VSB_UART_IIR_RDA:
        INVARIANT((ier & VSB_UART_IER_RDA) && (lsr & VSB_UART_LSR_DR));
        break;

    case VSB_UART_IIR_CTI:
        INVARIANT(ier & VSB_UART_IER_RDA);
        INVARIANT(has_fifos(f) && f->count && f->count < 14);
        break;

    case VSB_UART_IIR_THRE:
        INVARIANT((ier & VSB_UART_IER_THRE) && (lsr & VSB_UART_LSR_THRE));
        break;

    case VSB_UART_IIR_MSR:
        INVARIANT((ier & VSB_UART_IER_MSR) && (msr & 0x0f));
        break;

    default:
        INVARIANT(id == VSB_UART_IIR_NONE);
    }

    /* A source that is enabled and there is never hidden altogether. */
    if ( ((ier & VSB_UART_IER_RDA) && (lsr & VSB_UART_LSR_DR)) ||
         ((ier & VSB_UART_IER_RLS) && (lsr & VSB_UART_LSR_ERRORS)) ||
         ((ier & VSB_UART_IER_MSR) && (msr & 0x0f)) )
        INVARIANT(id != VSB_UART_IIR_NONE);

    INVARIANT(vsb_uart_intr(&f->u) ==
              (id != VSB_UART_IIR_NONE && !in_loopback(f)));

    if ( in_loopback(f) )
        INVARIANT(room == 0);
    else
    {
        INVARIANT((msr & 0xf0) == 0xb0);
        INVARIANT(room == (has_fifos(f) ? VSB_UART_FIFO : 1u) - f->count);
    }
}

static void guest_read(struct fuzz *f, unsigned int reg)
{
    bool dlab = has_dlab(f);
    uint8_t value = vsb_uart_read(&f->u, reg), shown;

    if ( reg == VSB_UART_RBR && !dlab )
    {
        INVARIANT(value == (f->count ? f->expected[0] : 0));
        if ( f->count )
            memmove(f->expected, f->expected + 1, --f->count);
    }
    if ( reg == VSB_UART_LSR )
    {
        f->overrun = false;
        INVARIANT(!(peek(f, VSB_UART_LSR) & VSB_UART_LSR_ERRORS));
    }
    if ( reg == VSB_UART_MSR )
        INVARIANT(!(peek(f, VSB_UART_MSR) & 0x0f));
    if ( reg == VSB_UART_IIR )
        INVARIANT((value & VSB_UART_IIR_ID) != VSB_UART_IIR_THRE ||
                  (vsb_uart_pending(&f->u) & VSB_UART_IIR_ID) !=
                  VSB_UART_IIR_THRE);

    shown = vsb_thre_probe_read(&f->probe, reg, value);
    INVARIANT(shown == value ||
              (reg == VSB_UART_IIR && value == VSB_UART_IIR_THRE &&
               shown == VSB_UART_IIR_NONE));
    if ( vsb_thre_probe_fired(&f->probe) )
        INVARIANT(shown != value);
}

static void guest_write(struct fuzz *f, unsigned int reg, uint8_t value)
{
    bool dlab = has_dlab(f), loopback = in_loopback(f), fifos = has_fifos(f);
    bool sends = reg == VSB_UART_THR && !dlab;
    bool breaks = peek(f, VSB_UART_LCR) & VSB_UART_LCR_BREAK;
    unsigned int result = vsb_uart_write(&f->u, reg, value);

    vsb_thre_probe_write(&f->probe, reg, value, dlab);

    INVARIANT(result == (sends && !loopback && !breaks ? VSB_UART_TX : 0));
    if ( sends && loopback )
        expect(f, value);
    if ( reg == VSB_UART_FCR &&
         (fifos != (value & VSB_UART_FCR_ENABLE) ||
          (value & VSB_UART_FCR_RX_RESET && fifos)) )
        f->count = 0;
}

static void arrive(struct fuzz *f, uint8_t byte, bool is_break)
{
    bool loopback = in_loopback(f), had_room = vsb_uart_rx_room(&f->u);

    if ( is_break )
        vsb_uart_receive_break(&f->u);
    else
        vsb_uart_receive(&f->u, byte);

    if ( loopback )
        return;

    expect(f, is_break ? 0 : byte);
    INVARIANT(had_room || (peek(f, VSB_UART_LSR) & VSB_UART_LSR_OE));
}

/* Each access is two bytes: what, and a value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = { .ready = true };
    size_t i;

    vsb_uart_reset(&f.u);
    for ( i = 0; i + 1 < size; i += 2 )
    {
        uint8_t what = data[i], value = data[i + 1];

        switch ( what >> 3 )
        {
        case 0 ... 7:
            guest_write(&f, what & 7, value);
            break;

        /* Values that guests write, which arbitrary ones seldom are. */
        case 8:
            guest_write(&f, VSB_UART_MCR, value & 0x0b);
            break;

        case 9:
            guest_write(&f, VSB_UART_LCR, value & 0x03);
            break;

        case 10:
            guest_write(&f, VSB_UART_FCR, value | VSB_UART_FCR_ENABLE);
            break;

        case 11:
            guest_write(&f, VSB_UART_IER, value & VSB_UART_IER_THRE);
            break;

        case 12 ... 20:
            guest_read(&f, what & 7);
            break;

        case 21:
            f.ready = value & 1;
            vsb_uart_set_tx_ready(&f.u, f.ready);
            break;

        case 22:
            arrive(&f, 0, true);
            break;

        default:
            arrive(&f, value, false);
            break;
        }
        check(&f);
    }

    return 0;
}
