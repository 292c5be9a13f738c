/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_IO_H
#define SHIM_ASM_IO_H

#include <xen/types.h>

/* The test's UART. */
uint8_t inb(unsigned int port);
void outb(uint8_t val, unsigned int port);

#endif /* SHIM_ASM_IO_H */
