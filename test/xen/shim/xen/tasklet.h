/* SPDX-License-Identifier: GPL-2.0-only */
/* A tasklet runs when the test says so. */

#ifndef SHIM_XEN_TASKLET_H
#define SHIM_XEN_TASKLET_H

#include <xen/types.h>

struct tasklet
{
    void (*func)(void *data);
    void *data;
    bool scheduled;
};

void softirq_tasklet_init(struct tasklet *t, void (*func)(void *), void *data);
void tasklet_schedule_on_cpu(struct tasklet *t, unsigned int cpu);

#endif /* SHIM_XEN_TASKLET_H */
