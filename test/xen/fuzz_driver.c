/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drives a fuzzer where there is no libFuzzer: fuzz_driver SECONDS [SEED], or
 * fuzz_driver FILE for one input. What a target is compiled with,
 * -fsanitize-coverage=trace-pc, tells which edges an input takes; inputs that take a
 * new one are kept, and most others are made from these. The seed is printed first,
 * since inputs depend on it alone, and the input that failed is left in a file.
 */

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"
#include "tap.h"

#define INPUT_MAX 2048
#define EDGES     (1u << 16)
#define KEPT_MAX  4096

struct input
{
    uint8_t bytes[INPUT_MAX];
    size_t size;
};

static uint64_t state;
static const char *program;
static struct input current;
static struct input *kept[KEPT_MAX];
static unsigned int kept_count, edges_seen;
static uint8_t taken[EDGES], seen[EDGES];
static uintptr_t last_pc;

int main(int argc, char **argv);

/* Called at each edge of the target; relative, as addresses differ between runs. */
void __sanitizer_cov_trace_pc(void)
{
    uintptr_t pc = (uintptr_t)__builtin_return_address(0) - (uintptr_t)main;

    taken[(pc * 0x9e3779b1u ^ last_pc) % EDGES] = 1;
    last_pc = pc * 0x9e3779b1u >> 1;
}

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

/* The sanitizers' runtime calls it before it ends the program. */
void __sanitizer_set_death_callback(void (*callback)(void));

static void keep_failed(void)
{
    char name[256];
    FILE *file;

    snprintf(name, sizeof(name), "%s.failed", program);
    file = fopen(name, "wb");
    if ( file )
    {
        fwrite(current.bytes, 1, current.size, file);
        fclose(file);
        fprintf(stderr, "the input is in %s\n", name);
    }
}


static void mutate(struct input *input)
{
    unsigned int turns = 1 + next_random() % 8;

    while ( turns-- )
    {
        size_t at = input->size ? next_random() % input->size : 0;
        size_t rest = input->size - at;
        size_t n = 1 + next_random() % 32;
        const struct input *other;

        switch ( next_random() % 6 )
        {
        case 0: /* some bytes */
            for ( ; n && at < input->size; n-- )
                input->bytes[at++] = next_random();
            break;

        case 1:
            if ( rest )
                input->bytes[at] ^= 1u << next_random() % 8;
            break;

        case 2: /* take out */
            if ( n < rest )
            {
                memmove(input->bytes + at, input->bytes + at + n, rest - n);
                input->size -= n;
            }
            break;

        case 3: /* put in */
            if ( input->size + n <= INPUT_MAX )
            {
                memmove(input->bytes + at + n, input->bytes + at, rest);
                input->size += n;
                while ( n-- )
                    input->bytes[at++] = next_random();
            }
            break;

        case 4: /* go on as another does */
            other = kept[next_random() % kept_count];
            if ( at < other->size )
            {
                memcpy(input->bytes + at, other->bytes + at, other->size - at);
                input->size = other->size;
            }
            break;

        case 5: /* cut, and a new end */
            input->size = at;
            for ( n *= 8; n && input->size < INPUT_MAX; n-- )
                input->bytes[input->size++] = next_random();
            break;
        }
    }
}

static void make_input(void)
{
    size_t i;

    if ( kept_count && next_random() % 8 )
    {
        current = *kept[next_random() % kept_count];
        mutate(&current);
        return;
    }

    current.size = next_random() % (INPUT_MAX + 1);
    for ( i = 0; i < current.size; i++ )
        current.bytes[i] = next_random();
}

/* Keeps the input if it took an edge that none before has. */
static void look_at_edges(void)
{
    bool is_new = false;
    unsigned int i;

    for ( i = 0; i < EDGES; i += 8 )
    {
        uint64_t eight;
        unsigned int j;

        memcpy(&eight, &taken[i], sizeof(eight));
        if ( !eight )
            continue;
        for ( j = i; j < i + 8; j++ )
            if ( taken[j] && !seen[j] )
            {
                seen[j] = 1;
                edges_seen++;
                is_new = true;
            }
        memset(&taken[i], 0, 8);
    }

    if ( is_new && kept_count < KEPT_MAX )
    {
        kept[kept_count] = malloc(sizeof(current));
        if ( kept[kept_count] )
            *kept[kept_count++] = current;
    }
}

static int run_file(const char *name)
{
    FILE *file = fopen(name, "rb");

    if ( !file )
    {
        perror(name);
        return 2;
    }
    current.size = fread(current.bytes, 1, INPUT_MAX, file);
    fclose(file);
    LLVMFuzzerTestOneInput(current.bytes, current.size);

    return 0;
}

static void aborted(int number)
{
    keep_failed();
    signal(number, SIG_DFL);
    raise(number);
}

int main(int argc, char **argv)
{
    char *rest;
    double seconds = argc > 1 ? strtod(argv[1], &rest) : 1, end;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    unsigned long inputs = 0;

    program = argv[0];
    if ( argc > 1 && *rest )
        return run_file(argv[1]);

    __sanitizer_set_death_callback(keep_failed);
    signal(SIGABRT, aborted);
    state = seed ? seed : 1;
    printf("# seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    end = now() + seconds;
    do {
        make_input();
        last_pc = 0;
        LLVMFuzzerTestOneInput(current.bytes, current.size);
        look_at_edges();
        inputs++;
    } while ( now() < end );

    tap_ok(true, "%s: %lu inputs, %u edges, %u inputs kept", argv[0], inputs,
           edges_seen, kept_count);

    return tap_done();
}
