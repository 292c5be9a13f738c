/* SPDX-License-Identifier: GPL-2.0-only */
/* A timer expires when the test says so. */

#ifndef SHIM_XEN_TIMER_H
#define SHIM_XEN_TIMER_H

#include <xen/time.h>

struct timer
{
    void (*function)(void *data);
    void *data;
    s_time_t expires;       /* 0: not active */
};

void init_timer(struct timer *timer, void (*function)(void *), void *data,
                unsigned int cpu);
void set_timer(struct timer *timer, s_time_t expires);
bool timer_is_active(const struct timer *timer);

#endif /* SHIM_XEN_TIMER_H */
