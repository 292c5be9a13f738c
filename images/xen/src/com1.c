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

/*
 * After a reset of the receiver nothing may come for so long as a driver looks
 * whether the FIFO is empty. It ends with that look, or with L3's next HLT.
 */
#define RX_PAUSE        MILLISECS(10)

static bool out_ready(const struct vsb_vm *vm)
{
    return vm->out_end - vm->out_acked < VSB_OUT_MARK;
}

void vsb_com1_update(struct vsb_vm *vm)
{
    if ( vsb_vm_label_in_doubt(vm) || vm->rx_paused )
        goto transmitter;

    while ( vsb_uart_rx_room(&vm->uart) )
        if ( vm->breaks && vm->break_at[0] == vm->in_taken )
        {
            vsb_uart_receive_break(&vm->uart);
            memmove(&vm->break_at[0], &vm->break_at[1],
                    --vm->breaks * sizeof(vm->break_at[0]));
        }
        else if ( vm->in_taken != vm->in_next )
            vsb_uart_receive(&vm->uart, vm->in[vm->in_taken++ % VSB_IN_RING]);
        else
            break;

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
    vm->heartbeat = false;
    vm->rx_paused = 0;
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
        {
            vm->count.probe_answers++;
            vm->heartbeat = true;
        }
        if ( reg == VSB_UART_IIR )
            vsb_doorbell_iir_read(vm, val);
        if ( unlikely(vm->rx_paused) && reg == VSB_UART_LSR )
            vsb_com1_unpause(vm);
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
        if ( waiting && !vm->uart.rx_count )
            vm->rx_paused = NOW() + RX_PAUSE;
        /* That is how a driver begins. */
        if ( val & VSB_UART_FCR_RX_RESET )
        {
            vm->heartbeat = false;
            vsb_direct_forget(vm);
        }
    }

    vsb_com1_update(vm);

    return true;
}

void vsb_com1_unpause(struct vsb_vm *vm)
{
    vm->rx_paused = 0;
    vsb_com1_update(vm);
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

bool vsb_com1_break(struct vsb_vm *vm)
{
    /* One that L0 sent again, or that nothing was typed after, is the same. */
    if ( !vm->breaks || vm->break_at[vm->breaks - 1] != vm->in_next )
    {
        if ( vm->breaks == VSB_BREAKS )
            return false;
        vm->break_at[vm->breaks++] = vm->in_next;
    }

    vm->last_input = NOW();
    vsb_com1_update(vm);

    return true;
}
