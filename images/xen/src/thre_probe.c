/* SPDX-License-Identifier: GPL-2.0-only */
/* Recognises Linux's tests of the transmitter interrupt: see thre_probe.h. */

#include "thre_probe.h"
#include "uart16550.h"

/*
 * Each state but the first is named after the access that led to it. The
 * accesses of Linux 6.1, which older and newer versions share:
 *
 *   LSR -> THRE            wait_for_xmitr(), also reads MSR for "console=...r"
 *   IER <- THRI            THRE test
 *   IIR -> THRI
 *   IER <- 0
 *   IER <- THRI
 *   IIR -> THRI            answered NO_INT
 *   IER <- 0
 *   LCR, MCR               and console output of other CPUs before MCR
 *   IER <- THRI            quick test
 *   LSR -> TEMT
 *   IIR -> THRI            answered NO_INT
 */
enum
{
    IDLE,
    LSR_POLLED,
    FIRST_ENABLE,
    FIRST_IIR,
    FIRST_DISABLE,
    SECOND_ENABLE,
    SECOND_IIR,
    THRE_TESTED,
    MCR_WRITTEN,
    QUICK_ENABLE,
    QUICK_LSR,
};

/*
 * Only with FIFOs off, as Linux has them during its tests. Drivers in normal
 * operation have them on.
 */
static bool is_thre(unsigned int reg, uint8_t value)
{
    return reg == VSB_UART_IIR && value == VSB_UART_IIR_THRE;
}

static uint8_t state_after_other_read(const struct vsb_thre_probe *p,
                                      unsigned int reg, uint8_t value)
{
    if ( reg == VSB_UART_LSR && (value & VSB_UART_LSR_THRE) && !p->ier )
        return LSR_POLLED;

    if ( reg == VSB_UART_MSR && p->state == LSR_POLLED )
        return LSR_POLLED;

    return IDLE;
}

uint8_t vsb_thre_probe_read(struct vsb_thre_probe *p, unsigned int reg,
                            uint8_t value)
{
    uint8_t next = state_after_other_read(p, reg, value);

    switch ( p->state )
    {
    case FIRST_ENABLE:
        if ( is_thre(reg, value) )
            next = FIRST_IIR;
        break;

    case SECOND_ENABLE:
        if ( is_thre(reg, value) )
        {
            next = SECOND_IIR;
            value = VSB_UART_IIR_NONE;
            p->fired = true;
        }
        break;

    case THRE_TESTED:
    case MCR_WRITTEN:
        next = THRE_TESTED;
        break;

    case QUICK_ENABLE:
        if ( reg == VSB_UART_LSR && (value & VSB_UART_LSR_TEMT) )
            next = QUICK_LSR;
        break;

    case QUICK_LSR:
        if ( is_thre(reg, value) )
            value = VSB_UART_IIR_NONE;
        break;
    }

    p->state = next;

    return value;
}

void vsb_thre_probe_write(struct vsb_thre_probe *p, unsigned int reg,
                          uint8_t value, bool dlab)
{
    bool ier = reg == VSB_UART_IER && !dlab;
    bool enable = ier && value == VSB_UART_IER_THRE;
    bool disable = ier && value == 0;
    uint8_t next = IDLE;

    /* Output in a flood: an exit each. */
    if ( reg == VSB_UART_THR && p->state == IDLE )
        return;

    if ( ier )
        p->ier = value;

    switch ( p->state )
    {
    case LSR_POLLED:
        if ( enable )
            next = FIRST_ENABLE;
        break;

    case FIRST_IIR:
        if ( disable )
            next = FIRST_DISABLE;
        break;

    case FIRST_DISABLE:
        if ( enable )
            next = SECOND_ENABLE;
        break;

    case SECOND_IIR:
        if ( disable )
            next = THRE_TESTED;
        break;

    case MCR_WRITTEN:
        if ( enable )
        {
            next = QUICK_ENABLE;
            break;
        }
        /* fall through */
    case THRE_TESTED:
        if ( reg == VSB_UART_MCR )
            next = MCR_WRITTEN;
        else if ( disable || reg == VSB_UART_LCR ||
                  (reg == VSB_UART_THR && !dlab) )
            next = THRE_TESTED;
        break;
    }

    p->state = next;
}

bool vsb_thre_probe_fired(struct vsb_thre_probe *p)
{
    bool fired = p->fired;

    p->fired = false;

    return fired;
}
