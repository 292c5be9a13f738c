/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Feeds a fuzzer random inputs: fuzz_driver SECONDS [SEED]. The seed is
 * printed first, so that a failure can be repeated: inputs depend on it alone.
 */

#include <time.h>

#include "fuzz.h"
#include "tap.h"

#define INPUT_MAX 2048

static uint64_t state;

/* xorshift64* (Vigna 2016), enough randomness and the same everywhere. */
static uint32_t next_random(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;

    return (state * 0x2545f4914f6cdd1dULL) >> 32;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static uint8_t input[INPUT_MAX];
    double end = now() + (argc > 1 ? atof(argv[1]) : 1);
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    unsigned long inputs = 0;
    size_t i, size;

    state = seed ? seed : 1;
    printf("# seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    do {
        size = next_random() % (INPUT_MAX + 1);
        for ( i = 0; i < size; i++ )
            input[i] = next_random();
        LLVMFuzzerTestOneInput(input, size);
        inputs++;
    } while ( now() < end );

    tap_ok(true, "%s: %lu inputs", argv[0], inputs);

    return tap_done();
}
