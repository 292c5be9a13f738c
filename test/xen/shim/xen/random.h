/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_XEN_RANDOM_H
#define SHIM_XEN_RANDOM_H

unsigned int get_random(void);

#endif /* SHIM_XEN_RANDOM_H */
