/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_XEN_IOCAP_H
#define SHIM_XEN_IOCAP_H

#include <xen/sched.h>

int ioports_deny_access(struct domain *d, unsigned long first,
                        unsigned long last);
int irq_deny_access(struct domain *d, unsigned int irq);

#endif /* SHIM_XEN_IOCAP_H */
