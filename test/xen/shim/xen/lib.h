/* SPDX-License-Identifier: GPL-2.0-only */
/* What of Xen's <xen/lib.h> the shadow layer needs: see ../shim.h. */

#ifndef SHIM_XEN_LIB_H
#define SHIM_XEN_LIB_H

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/types.h>

#define likely(x)       __builtin_expect(!!(x), 1)
#define unlikely(x)     __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(x)   (sizeof(x) / sizeof((x)[0]))
#define ACCESS_ONCE(x)  (*(volatile typeof(x) *)&(x))
#define smp_mb()        __sync_synchronize()
#define smp_wmb()       __sync_synchronize()
#define BUILD_BUG_ON(c) ({ _Static_assert(!(c), "!(" #c ")"); })

#define ASSERT(c)       assert(c)
#define XENLOG_INFO     ""
#define XENLOG_ERR      ""
#define printk(...)     ((void)fprintf(stderr, __VA_ARGS__))
#define simple_strtoul(s, end, base) strtoul(s, (char **)(end), base)

#define MASK_EXTR(v, m) (((v) & (m)) / ((m) & -(m)))
#define MASK_INSR(v, m) (((v) * ((m) & -(m))) & (m))

/* Xen patches these to direct calls. */
#define alternative_call(func, args...)     (func)(args)
#define alternative_vcall(func, args...)    (func)(args)

/* Both sides must have the same type, as in Xen. */
#define min(x, y)                           \
    ({                                      \
        const typeof(x) x_ = (x);           \
        const typeof(y) y_ = (y);           \
        (void)(&x_ == &y_);                 \
        x_ < y_ ? x_ : y_;                  \
    })

#define max(x, y)                           \
    ({                                      \
        const typeof(x) x_ = (x);           \
        const typeof(y) y_ = (y);           \
        (void)(&x_ == &y_);                 \
        x_ > y_ ? x_ : y_;                  \
    })

#define min_t(type, x, y)                   \
    ({                                      \
        type x_ = (x);                      \
        type y_ = (y);                      \
        x_ < y_ ? x_ : y_;                  \
    })

#endif /* SHIM_XEN_LIB_H */
