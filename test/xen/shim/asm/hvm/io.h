/* SPDX-License-Identifier: GPL-2.0-only */
/* Port handlers of a domain. */

#ifndef SHIM_ASM_HVM_IO_H
#define SHIM_ASM_HVM_IO_H

#include <xen/sched.h>

#define IOREQ_TYPE_PIO 0

typedef struct
{
    uint64_t addr;
    uint32_t size;
} ioreq_t;

struct hvm_io_ops
{
    bool (*accept)(const struct hvm_io_handler *handler, const ioreq_t *p);
    int (*read)(const struct hvm_io_handler *handler, uint64_t addr,
                uint32_t size, uint64_t *data);
    int (*write)(const struct hvm_io_handler *handler, uint64_t addr,
                 uint32_t size, uint64_t data);
};

struct hvm_io_handler *hvm_next_io_handler(struct domain *d);

#endif /* SHIM_ASM_HVM_IO_H */
