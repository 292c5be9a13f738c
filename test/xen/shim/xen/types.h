/* SPDX-License-Identifier: GPL-2.0-only */
/* What of Xen's <xen/types.h> the shadow layer needs: see ../shim.h. */

#ifndef SHIM_XEN_TYPES_H
#define SHIM_XEN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t paddr_t;

/* Xen's marks that mean nothing here. */
#define cf_check
#define __init
#define __ro_after_init

#define MB(n) ((uint64_t)(n) << 20)

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (~(PAGE_SIZE - 1))

#endif /* SHIM_XEN_TYPES_H */
