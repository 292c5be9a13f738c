/* SPDX-License-Identifier: GPL-2.0-only */
/* Xen's system time, in ns, on a clock that the test sets. */

#ifndef SHIM_XEN_TIME_H
#define SHIM_XEN_TIME_H

#include <xen/types.h>

typedef int64_t s_time_t;

extern s_time_t shim_now;

#define NOW()           shim_now
#define STIME_MAX       INT64_MAX
#define SECONDS(n)      ((s_time_t)((n) * 1000000000ll))
#define MILLISECS(n)    ((s_time_t)((n) * 1000000ll))
#define MICROSECS(n)    ((s_time_t)((n) * 1000ll))

#endif /* SHIM_XEN_TIME_H */
