/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_XEN_DELAY_H
#define SHIM_XEN_DELAY_H

/* Time passes. */
void udelay(unsigned long usecs);

#endif /* SHIM_XEN_DELAY_H */
