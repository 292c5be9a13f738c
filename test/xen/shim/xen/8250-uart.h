/* SPDX-License-Identifier: GPL-2.0-only */
/* The 16550A's registers (National Semiconductor PC16550D, 8.0). */

#ifndef SHIM_XEN_8250_UART_H
#define SHIM_XEN_8250_UART_H

#define UART_RBR        0
#define UART_THR        0
#define UART_IER        1
#define UART_FCR        2
#define UART_LCR        3
#define UART_MCR        4
#define UART_LSR        5
#define UART_DLL        0
#define UART_DLM        1

#define UART_IER_ERDAI  0x01
#define UART_IER_ETHREI 0x02
#define UART_FCR_ENABLE 0x01
#define UART_FCR_CLRX   0x02
#define UART_FCR_CLTX   0x04
#define UART_FCR_TRG1   0x00
#define UART_LCR_DLAB   0x80
#define UART_MCR_DTR    0x01
#define UART_MCR_RTS    0x02
#define UART_MCR_OUT2   0x08
#define UART_LSR_DR     0x01
#define UART_LSR_THRE   0x20

#endif /* SHIM_XEN_8250_UART_H */
