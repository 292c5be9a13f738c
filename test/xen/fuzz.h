/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a fuzzer is made of. With clang, libFuzzer drives it; otherwise
 * fuzz_driver.c feeds it random bytes for a bounded time.
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs one input; a broken invariant aborts. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INVARIANT(condition)                                            \
    do {                                                                \
        if ( !(condition) )                                             \
        {                                                               \
            fprintf(stderr, "%s:%d: invariant broken: %s\n", __FILE__,  \
                    __LINE__, #condition);                              \
            abort();                                                    \
        }                                                               \
    } while ( 0 )

#endif /* FUZZ_H */
