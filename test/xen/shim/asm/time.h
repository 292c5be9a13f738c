/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_TIME_H
#define SHIM_ASM_TIME_H

#include <xen/types.h>

extern unsigned long cpu_khz;

uint64_t tsc_ticks2ns(uint64_t ticks);

#endif /* SHIM_ASM_TIME_H */
