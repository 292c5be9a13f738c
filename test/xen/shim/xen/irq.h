/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_XEN_IRQ_H
#define SHIM_XEN_IRQ_H

#include <xen/sched.h>

struct irqaction
{
    void (*handler)(int irq, void *dev_id, struct cpu_user_regs *regs);
    const char *name;
};

int setup_irq(unsigned int irq, unsigned int flags, struct irqaction *action);

#endif /* SHIM_XEN_IRQ_H */
