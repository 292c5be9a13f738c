/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of a 16550A UART, after the National Semiconductor PC16550D data
 * sheet (June 1995); sections and tables named in the sources are its.
 *
 * The model is plain data and pure functions: it knows nothing of vCPUs,
 * rings or interrupt controllers, calls nobody back and never allocates. The
 * caller serialises the calls for one UART.
 *
 * Where it departs from the chip, because there is no wire and no clock:
 *  - The transmitter takes no time. THRE is set again at once after a write
 *    to THR, so the THRE interrupt condition re-arms with each write, unless
 *    the caller holds it back (vsb_uart_set_tx_ready()).
 *  - The character timeout (section 8.11) takes no time either: characters
 *    that wait below the trigger level are reported as timed out at once.
 *  - Line speed, word length, stop bits and parity are latched and read back
 *    but not applied: software that never programs LCR still gets 8 bits, and
 *    there are no parity errors.
 *  - Outside loopback the peer is always there: CTS, DSR and DCD are asserted
 *    and RI is not.
 *  - OUT2, which on a PC lets INTR through to the interrupt controller, does
 *    not: in other virtual machines it has no effect, and guests were written
 *    there that never set it (xv6).
 */

#ifndef VSB_UART16550_H
#define VSB_UART16550_H

#ifdef __XEN__
#include <xen/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

/* Register offsets from the base port (table II). */
#define VSB_UART_RBR 0 /* read, DLAB=0: receiver buffer */
#define VSB_UART_THR 0 /* write, DLAB=0: transmitter holding */
#define VSB_UART_DLL 0 /* DLAB=1: divisor, low byte */
#define VSB_UART_IER 1 /* DLAB=0: interrupt enable */
#define VSB_UART_DLM 1 /* DLAB=1: divisor, high byte */
#define VSB_UART_IIR 2 /* read: interrupt identification */
#define VSB_UART_FCR 2 /* write: FIFO control */
#define VSB_UART_LCR 3 /* line control */
#define VSB_UART_MCR 4 /* modem control */
#define VSB_UART_LSR 5 /* line status */
#define VSB_UART_MSR 6 /* modem status */
#define VSB_UART_SCR 7 /* scratch */

#define VSB_UART_IER_RDA  0x01 /* received data available, and timeout */
#define VSB_UART_IER_THRE 0x02 /* transmitter holding register empty */
#define VSB_UART_IER_RLS  0x04 /* receiver line status */
#define VSB_UART_IER_MSR  0x08 /* modem status */
#define VSB_UART_IER_MASK 0x0f

#define VSB_UART_IIR_MSR  0x00
#define VSB_UART_IIR_NONE 0x01
#define VSB_UART_IIR_THRE 0x02
#define VSB_UART_IIR_RDA  0x04
#define VSB_UART_IIR_RLS  0x06
#define VSB_UART_IIR_CTI  0x0c /* character timeout indication */
#define VSB_UART_IIR_ID   0x0f /* all of the above */
#define VSB_UART_IIR_FIFO 0xc0 /* FIFOs are enabled */

#define VSB_UART_FCR_ENABLE   0x01
#define VSB_UART_FCR_RX_RESET 0x02
#define VSB_UART_FCR_TX_RESET 0x04
#define VSB_UART_FCR_DMA      0x08
#define VSB_UART_FCR_TRIGGER  0xc0 /* 1, 4, 8 or 14 characters */

#define VSB_UART_LCR_BREAK 0x40
#define VSB_UART_LCR_DLAB  0x80

#define VSB_UART_MCR_DTR  0x01
#define VSB_UART_MCR_RTS  0x02
#define VSB_UART_MCR_OUT1 0x04
#define VSB_UART_MCR_OUT2 0x08 /* latched, and seen in loopback only */
#define VSB_UART_MCR_LOOP 0x10
#define VSB_UART_MCR_MASK 0x1f

#define VSB_UART_LSR_DR     0x01 /* data ready */
#define VSB_UART_LSR_OE     0x02 /* overrun error */
#define VSB_UART_LSR_PE     0x04 /* parity error (never set here) */
#define VSB_UART_LSR_FE     0x08 /* framing error */
#define VSB_UART_LSR_BI     0x10 /* break interrupt */
#define VSB_UART_LSR_THRE   0x20 /* transmitter holding register empty */
#define VSB_UART_LSR_TEMT   0x40 /* transmitter empty */
#define VSB_UART_LSR_FIFOE  0x80 /* an error in the receiver FIFO */
#define VSB_UART_LSR_ERRORS 0x1e /* what raises the line status interrupt */

#define VSB_UART_MSR_DCTS 0x01
#define VSB_UART_MSR_DDSR 0x02
#define VSB_UART_MSR_TERI 0x04 /* trailing edge of RI */
#define VSB_UART_MSR_DDCD 0x08
#define VSB_UART_MSR_CTS  0x10
#define VSB_UART_MSR_DSR  0x20
#define VSB_UART_MSR_RI   0x40
#define VSB_UART_MSR_DCD  0x80

/* Characters in the receiver FIFO (section 8.5). */
#define VSB_UART_FIFO 16

/* All fields belong to the model; vsb_uart_reset() makes them valid. */
struct vsb_uart
{
    uint8_t ier;
    uint8_t fcr;           /* ENABLE, DMA and TRIGGER; 0 without FIFOs */
    uint8_t lcr;
    uint8_t mcr;
    uint8_t lsr_errors;    /* OE and the errors revealed since LSR was read */
    uint8_t msr;
    uint8_t scr;
    uint8_t dll;
    uint8_t dlm;
    bool tx_ready;         /* the caller can take more output */
    bool thre;             /* LSR.THRE and LSR.TEMT */
    bool thre_interrupt;   /* condition armed, whatever IER says */
    uint8_t rx_head;
    uint8_t rx_count;
    uint8_t rx_data[VSB_UART_FIFO];
    uint8_t rx_errors[VSB_UART_FIFO]; /* LSR bits, each below the top */
};

/* vsb_uart_write(): the value written left the UART on SOUT. */
#define VSB_UART_TX 1u

/*
 * Master reset (table I): receiver FIFO empty, transmitter
 * ready. The divisor, which a reset does not touch, starts as 12 (9600 Bd)
 * and the scratch register as 0.
 */
void vsb_uart_reset(struct vsb_uart *u);

/*
 * The guest reads register @reg (0..7), with the side effects of doing so.
 * RBR reads as 0 when there is nothing to read.
 */
uint8_t vsb_uart_read(struct vsb_uart *u, unsigned int reg);

/*
 * The guest writes @val to register @reg (0..7). Returns VSB_UART_TX if @val
 * is a character that left on SOUT, otherwise 0: so not in loopback, not for
 * the divisor, and not while LCR holds SOUT in a break. A write while the
 * transmitter is not ready leaves on SOUT, too: the caller has a reserve, or
 * counts it as lost.
 */
unsigned int vsb_uart_write(struct vsb_uart *u, unsigned int reg, uint8_t val);

/*
 * The level that the interrupt controller sees: INTR, but in loopback, where a
 * PC cuts it off.
 */
bool vsb_uart_intr(const struct vsb_uart *u);

/*
 * What IIR would read as, without the side effect of reading it. Says which
 * source is behind vsb_uart_intr(): VSB_UART_IIR_ID masks the source.
 */
uint8_t vsb_uart_pending(const struct vsb_uart *u);

/*
 * How many characters can be received now without an overrun: 0..16 with
 * FIFOs, 0..1 without, and 0 in loopback.
 */
unsigned int vsb_uart_rx_room(const struct vsb_uart *u);

/*
 * A character arrives on SIN. Without room it is an overrun (LSR.OE): with
 * FIFOs the new character is lost, without it replaces the unread one
 * (section 8.4, bit 1). In loopback SIN is disconnected: lost without OE.
 */
void vsb_uart_receive(struct vsb_uart *u, uint8_t byte);

/*
 * A break arrives on SIN: one zero character with BI and, as the stop bit is
 * missing, FE. Room is needed as for any character.
 */
void vsb_uart_receive_break(struct vsb_uart *u);

/*
 * Whether the caller can take more output. While it cannot, and outside
 * loopback, LSR.THRE and LSR.TEMT are 0 and there is no THRE interrupt; the
 * change to ready arms the THRE interrupt as an emptied transmitter does.
 */
void vsb_uart_set_tx_ready(struct vsb_uart *u, bool ready);

#endif /* VSB_UART16550_H */
