/* SPDX-License-Identifier: GPL-2.0-only */
/* Model of a 16550A UART: see uart16550.h. */

#include "uart16550.h"

/* The peer's lines outside loopback: connected and ready. */
#define MSR_PEER (VSB_UART_MSR_DCD | VSB_UART_MSR_DSR | VSB_UART_MSR_CTS)
#define MSR_LINES (MSR_PEER | VSB_UART_MSR_RI)

static bool in_loopback(const struct vsb_uart *u)
{
    return u->mcr & VSB_UART_MCR_LOOP;
}

static bool has_fifos(const struct vsb_uart *u)
{
    return u->fcr & VSB_UART_FCR_ENABLE;
}

/* Section 8.5, bits 6 and 7. */
static unsigned int rx_trigger(const struct vsb_uart *u)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return has_fifos(u) ? levels[u->fcr >> 6] : 1;
}

static unsigned int rx_capacity(const struct vsb_uart *u)
{
    return has_fifos(u) ? VSB_UART_FIFO : 1;
}

/*
 * The errors of a character reach LSR when it gets to the top of the FIFO,
 * and stay there until LSR is read (section 8.4).
 */
static void reveal_top(struct vsb_uart *u)
{
    u->lsr_errors |= u->rx_errors[u->rx_head];
    u->rx_errors[u->rx_head] = 0;
}

static void rx_clear(struct vsb_uart *u)
{
    u->rx_head = 0;
    u->rx_count = 0;
}

static void rx_push(struct vsb_uart *u, uint8_t byte, uint8_t errors)
{
    unsigned int tail;

    if ( u->rx_count == rx_capacity(u) )
    {
        u->lsr_errors |= VSB_UART_LSR_OE;
        if ( has_fifos(u) )
            return;
        rx_clear(u);
    }

    tail = (u->rx_head + u->rx_count) % VSB_UART_FIFO;
    u->rx_data[tail] = byte;
    u->rx_errors[tail] = errors;
    if ( u->rx_count++ == 0 )
        reveal_top(u);
}

static uint8_t rx_pop(struct vsb_uart *u)
{
    uint8_t byte;

    if ( u->rx_count == 0 )
        return 0;

    byte = u->rx_data[u->rx_head];
    u->rx_head = (u->rx_head + 1) % VSB_UART_FIFO;
    if ( --u->rx_count )
        reveal_top(u);

    return byte;
}

/* Section 8.4, bit 7: always 0 without FIFOs. */
static bool rx_fifo_has_errors(const struct vsb_uart *u)
{
    unsigned int i;

    if ( !has_fifos(u) )
        return false;

    if ( u->lsr_errors & (VSB_UART_LSR_ERRORS & ~VSB_UART_LSR_OE) )
        return true;

    for ( i = 0; i < u->rx_count; i++ )
        if ( u->rx_errors[(u->rx_head + i) % VSB_UART_FIFO] )
            return true;

    return false;
}

/*
 * Loopback does not involve the caller, so the transmitter is always ready
 * there. An edge of THRE arms or disarms its interrupt.
 */
static void update_thre(struct vsb_uart *u)
{
    bool thre = u->tx_ready || in_loopback(u);

    if ( thre != u->thre )
    {
        u->thre = thre;
        u->thre_interrupt = thre;
    }
}

/*
 * Section 8.9, and for loopback section 8.8, bit 4. The deltas say what
 * changed since MSR was read; that of RI is set by its trailing edge only.
 */
static void update_modem_lines(struct vsb_uart *u)
{
    uint8_t lines = 0, changed;

    if ( in_loopback(u) )
    {
        if ( u->mcr & VSB_UART_MCR_RTS )
            lines |= VSB_UART_MSR_CTS;
        if ( u->mcr & VSB_UART_MCR_DTR )
            lines |= VSB_UART_MSR_DSR;
        if ( u->mcr & VSB_UART_MCR_OUT1 )
            lines |= VSB_UART_MSR_RI;
        if ( u->mcr & VSB_UART_MCR_OUT2 )
            lines |= VSB_UART_MSR_DCD;
    }
    else
        lines = MSR_PEER;

    changed = (u->msr ^ lines) & MSR_LINES;
    if ( lines & VSB_UART_MSR_RI )
        changed &= ~VSB_UART_MSR_RI;

    /* Each delta bit stands 4 below its line. */
    u->msr = lines | (u->msr & ~MSR_LINES) | (changed >> 4);
}

/* Section 8.5: all other bits are programmed only if bit 0 is 1. */
static void write_fcr(struct vsb_uart *u, uint8_t val)
{
    uint8_t old = u->fcr;

    u->fcr = 0;
    if ( val & VSB_UART_FCR_ENABLE )
        u->fcr = val & (VSB_UART_FCR_ENABLE | VSB_UART_FCR_DMA |
                        VSB_UART_FCR_TRIGGER);

    /*
     * The transmitter FIFO, which TX_RESET and a change of ENABLE clear as
     * well, is always empty here.
     */
    if ( ((old ^ u->fcr) & VSB_UART_FCR_ENABLE) ||
         (has_fifos(u) && (val & VSB_UART_FCR_RX_RESET)) )
        rx_clear(u);
}

static unsigned int write_thr(struct vsb_uart *u, uint8_t val)
{
    /* The write resets the interrupt, the character leaving re-arms it. */
    u->thre_interrupt = u->thre;

    if ( in_loopback(u) )
    {
        rx_push(u, val, 0);
        return 0;
    }

    /* A break pulls SOUT down, whatever the transmitter sends (8.1, bit 6). */
    return u->lcr & VSB_UART_LCR_BREAK ? 0 : VSB_UART_TX;
}

void vsb_uart_reset(struct vsb_uart *u)
{
    *u = (struct vsb_uart){
        .msr = MSR_PEER,
        .dll = 12,
        .tx_ready = true,
        .thre = true,
    };
}

uint8_t vsb_uart_read(struct vsb_uart *u, unsigned int reg)
{
    bool dlab = u->lcr & VSB_UART_LCR_DLAB;
    uint8_t val = 0;

    switch ( reg )
    {
    case VSB_UART_RBR:
        val = dlab ? u->dll : rx_pop(u);
        break;

    case VSB_UART_IER:
        val = dlab ? u->dlm : u->ier;
        break;

    case VSB_UART_IIR:
        val = vsb_uart_pending(u);
        if ( (val & VSB_UART_IIR_ID) == VSB_UART_IIR_THRE )
            u->thre_interrupt = false;
        break;

    case VSB_UART_LCR:
        val = u->lcr;
        break;

    case VSB_UART_MCR:
        val = u->mcr;
        break;

    case VSB_UART_LSR:
        val = u->lsr_errors;
        if ( u->rx_count )
            val |= VSB_UART_LSR_DR;
        if ( u->thre )
            val |= VSB_UART_LSR_THRE | VSB_UART_LSR_TEMT;
        if ( rx_fifo_has_errors(u) )
            val |= VSB_UART_LSR_FIFOE;
        u->lsr_errors = 0;
        break;

    case VSB_UART_MSR:
        val = u->msr;
        u->msr &= MSR_LINES;
        break;

    case VSB_UART_SCR:
        val = u->scr;
        break;
    }

    return val;
}

unsigned int vsb_uart_write(struct vsb_uart *u, unsigned int reg, uint8_t val)
{
    bool dlab = u->lcr & VSB_UART_LCR_DLAB;

    switch ( reg )
    {
    case VSB_UART_THR:
        if ( !dlab )
            return write_thr(u, val);
        u->dll = val;
        break;

    case VSB_UART_IER:
        if ( dlab )
        {
            u->dlm = val;
            break;
        }
        /* Enabling the interrupt of an empty transmitter raises it. */
        if ( (val & ~u->ier & VSB_UART_IER_THRE) && u->thre )
            u->thre_interrupt = true;
        u->ier = val & VSB_UART_IER_MASK;
        break;

    case VSB_UART_FCR:
        write_fcr(u, val);
        break;

    case VSB_UART_LCR:
        u->lcr = val;
        break;

    case VSB_UART_MCR:
        u->mcr = val & VSB_UART_MCR_MASK;
        update_modem_lines(u);
        update_thre(u);
        break;

    case VSB_UART_SCR:
        u->scr = val;
        break;

    /* LSR and MSR: writing is for factory tests, and has no effect here. */
    }

    return 0;
}

/* Section 8.6, table IV. */
uint8_t vsb_uart_pending(const struct vsb_uart *u)
{
    uint8_t iir = VSB_UART_IIR_NONE;

    if ( (u->ier & VSB_UART_IER_RLS) && u->lsr_errors )
        iir = VSB_UART_IIR_RLS;
    else if ( (u->ier & VSB_UART_IER_RDA) && u->rx_count >= rx_trigger(u) )
        iir = VSB_UART_IIR_RDA;
    else if ( (u->ier & VSB_UART_IER_RDA) && u->rx_count )
        iir = VSB_UART_IIR_CTI;
    else if ( (u->ier & VSB_UART_IER_THRE) && u->thre_interrupt )
        iir = VSB_UART_IIR_THRE;
    else if ( (u->ier & VSB_UART_IER_MSR) && (u->msr & ~MSR_LINES) )
        iir = VSB_UART_IIR_MSR;

    return has_fifos(u) ? iir | VSB_UART_IIR_FIFO : iir;
}

bool vsb_uart_intr(const struct vsb_uart *u)
{
    return !in_loopback(u) && !(vsb_uart_pending(u) & VSB_UART_IIR_NONE);
}

unsigned int vsb_uart_rx_room(const struct vsb_uart *u)
{
    return in_loopback(u) ? 0 : rx_capacity(u) - u->rx_count;
}

void vsb_uart_receive(struct vsb_uart *u, uint8_t byte)
{
    if ( !in_loopback(u) )
        rx_push(u, byte, 0);
}

void vsb_uart_receive_break(struct vsb_uart *u)
{
    if ( !in_loopback(u) )
        rx_push(u, 0, VSB_UART_LSR_BI | VSB_UART_LSR_FE);
}

void vsb_uart_set_tx_ready(struct vsb_uart *u, bool ready)
{
    u->tx_ready = ready;
    update_thre(u);
}
