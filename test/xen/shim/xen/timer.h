/* SPDX-License-Identifier: GPL-2.0-only */
/* Xen's timers, as far as a test can see them: they never expire by themselves. */

#ifndef SHIM_XEN_TIMER_H
#define SHIM_XEN_TIMER_H

#include <xen/time.h>

struct timer
{
    s_time_t expires;
    void (*function)(void *data);
    void *data;
    unsigned int cpu;
    bool shim_active, shim_killed;
};

void init_timer(struct timer *timer, void (*function)(void *data), void *data,
                unsigned int cpu);
void migrate_timer(struct timer *timer, unsigned int cpu);
void set_timer(struct timer *timer, s_time_t expires);
void stop_timer(struct timer *timer);
void kill_timer(struct timer *timer);
bool timer_is_active(const struct timer *timer);

#endif /* SHIM_XEN_TIMER_H */
