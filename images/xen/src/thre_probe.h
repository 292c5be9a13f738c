/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gives a Linux guest a heartbeat on its serial port.
 *
 * When Linux opens an 8250 port it tests twice whether the UART raises its
 * transmitter interrupt properly (drivers/tty/serial/8250/8250_port.c,
 * serial8250_do_startup()). A UART that fails:
 *  - the "THRE test" gets UART_BUG_THRE: a backup timer visits the UART every
 *    0.2 s, which for a VM that is silent is the one chance to be interrupted;
 *  - the "quick test" gets UART_BUG_TXEN: the first 16 characters are sent at
 *    once instead of from the interrupt handler, which spares an interrupt.
 * This automaton watches the accesses to the UART and makes both tests fail.
 * It answers only what Linux does there, access by access, with the FIFOs off
 * as they are at that moment; anything else starts it over, so that other
 * guests see the plain 16550A.
 */

#ifndef VSB_THRE_PROBE_H
#define VSB_THRE_PROBE_H

#ifdef __XEN__
#include <xen/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

/* All zeroes is valid: a UART after reset. */
struct vsb_thre_probe
{
    uint8_t state;
    uint8_t ier;      /* last written */
    bool fired;
};

/*
 * The guest reads register @reg (0..7) and the UART gave @value. Returns the
 * value to give to the guest.
 */
uint8_t vsb_thre_probe_read(struct vsb_thre_probe *p, unsigned int reg,
                            uint8_t value);

/*
 * The guest writes @value to register @reg (0..7); @dlab is LCR.DLAB before
 * the write.
 */
void vsb_thre_probe_write(struct vsb_thre_probe *p, unsigned int reg,
                          uint8_t value, bool dlab);

/*
 * Whether the THRE test was made to fail since the last call: once for each
 * time that Linux opens the port.
 */
bool vsb_thre_probe_fired(struct vsb_thre_probe *p);

#endif /* VSB_THRE_PROBE_H */
