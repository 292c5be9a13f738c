/* SPDX-License-Identifier: GPL-2.0-only */
/* Test Anything Protocol, version 13: one line a test, then the plan. */

#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned int tap_tests, tap_failures;

/* Reports one test; the text is printf()-like. Returns @passed. */
static inline bool __attribute__((format(printf, 2, 3)))
tap_ok(bool passed, const char *format, ...)
{
    va_list args;

    tap_tests++;
    if ( !passed )
        tap_failures++;

    printf("%s %u - ", passed ? "ok" : "not ok", tap_tests);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');

    return passed;
}

/* Explains the failure of the test reported just before. */
static inline void __attribute__((format(printf, 1, 2)))
tap_diag(const char *format, ...)
{
    va_list args;

    printf("# ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* Prints the plan; the result is main()'s. */
static inline int tap_done(void)
{
    printf("1..%u\n", tap_tests);

    return tap_failures ? 1 : 0;
}

#endif /* TAP_H */
