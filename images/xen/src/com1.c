/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: the shadow COM1 of a user VM, and the streams behind it.
 *
 * The UART model has 16 characters of FIFO and a transmitter that takes no
 * time. Behind it stands a ring for each direction: output stays in its ring
 * until L0 has acknowledged it, input until L3 has read it. Nothing is dropped
 * on the way: beyond VSB_OUT_MARK the transmitter reports itself busy. The
 * rest of the ring is a reserve for those who do not ask (Linux's console
 * writes after 10 ms of a busy transmitter: the reserve lasts for minutes).
 */

#include "vsb.h"

static bool out_ready(const struct vsb_vm *vm)
{
    return vm->out_end - vm->out_acked < VSB_OUT_MARK;
}

void vsb_com1_update(struct vsb_vm *vm)
{
    if ( vsb_vm_label_in_doubt(vm) )
        goto transmitter;

    if ( vm->break_due && vsb_uart_rx_room(&vm->uart) )
    {
        vsb_uart_receive_break(&vm->uart);
        vm->break_due = false;
    }

    while ( vm->in_taken != vm->in_next && vsb_uart_rx_room(&vm->uart) )
        vsb_uart_receive(&vm->uart, vm->in[vm->in_taken++ % VSB_IN_RING]);

    /*
     * L0 stops when told of a window that has no room for a frame. Tell it
     * when half of the ring is free again.
     */
    if ( vm->window_told < VSB_IN_RING / 2 &&
         vsb_com1_window(vm) >= VSB_IN_RING / 2 )
        vm->ack_due = true;

 transmitter:
    vsb_uart_set_tx_ready(&vm->uart, out_ready(vm));
    vsb_doorbell_update(vm);
}

void vsb_com1_reset(struct vsb_vm *vm)
{
    vsb_uart_reset(&vm->uart);
    vm->probe = (struct vsb_thre_probe){};
    vm->break_due = false;
    vsb_doorbell_reset(vm);
    vsb_direct_reset(vm);
    vsb_com1_update(vm);
}

uint8_t vsb_com1_read(struct vsb_vm *vm, unsigned int reg)
{
    uint8_t val = vsb_uart_read(&vm->uart, reg);
    bool dlab = vm->uart.lcr & VSB_UART_LCR_DLAB;

    if ( reg == VSB_UART_RBR && !dlab )
        vsb_com1_update(vm);
    else
    {
        val = vsb_thre_probe_read(&vm->probe, reg, val);
        if ( vsb_thre_probe_fired(&vm->probe) )
            vm->count.probe_answers++;
        if ( reg == VSB_UART_IIR )
            vsb_doorbell_iir_read(vm, val);
        vsb_doorbell_update(vm);
    }

    return val;
}

bool vsb_com1_write(struct vsb_vm *vm, unsigned int reg, uint8_t val)
{
    bool dlab = vm->uart.lcr & VSB_UART_LCR_DLAB;
    bool armed = vm->uart.thre_interrupt;
    unsigned int waiting = vm->uart.rx_count;

    vsb_thre_probe_write(&vm->probe, reg, val, dlab);

    if ( vsb_uart_write(&vm->uart, reg, val) & VSB_UART_TX )
    {
        if ( vm->out_end - vm->out_acked < VSB_OUT_RING )
        {
            vm->out[vm->out_end++ % VSB_OUT_RING] = val;
            vm->count.bytes_out++;
        }
        else
            vm->count.tx_overruns++;

        /* The transmitter's state changes at the mark only. */
        if ( !out_ready(vm) )
            vsb_uart_set_tx_ready(&vm->uart, false);
        else if ( armed )
            return false;
        vsb_doorbell_update(vm);
        return true;
    }

    if ( reg == VSB_UART_FCR )
    {
        /* A reset of the receiver FIFO loses what was in it, as on the chip. */
        vm->count.rx_overruns += waiting - vm->uart.rx_count;
        /* That is how a driver begins. */
        if ( val & VSB_UART_FCR_RX_RESET )
            vsb_direct_forget(vm);
    }

    vsb_com1_update(vm);

    return true;
}

void vsb_com1_follow(struct vsb_vm *vm, unsigned int reg, uint8_t val)
{
    bool dlab = vm->uart.lcr & VSB_UART_LCR_DLAB;

    if ( reg != VSB_UART_THR || dlab )
    {
        vsb_uart_write(&vm->uart, reg, val);
        vsb_com1_update(vm);
    }
}

unsigned int vsb_com1_input(struct vsb_vm *vm, const uint8_t *data,
                            unsigned int len)
{
    unsigned int i, n = min(len, vsb_com1_window(vm));

    for ( i = 0; i < n; i++ )
        vm->in[vm->in_next++ % VSB_IN_RING] = data[i];

    vm->count.bytes_in += n;
    vm->last_input = NOW();
    vsb_com1_update(vm);

    return n;
}
