/* Guests of the guest that nobody would run: VMCBs, tables and programs changed at random, by a seed. */
#ifndef MUTATE_H
#define MUTATE_H

#include "machine.h"

struct campaign {
    uint64_t seed;
    /* Cases from this one on, so many of them; each so-many-th is told before it runs. */
    uint64_t first, cases, told;
    /* Another CPU changes bits meanwhile. */
    bool second_cpu;
    /* The processor is QEMU's TCG: what is known to end or corrupt QEMU 7.2 itself is left out. */
    bool tcg;
};

/* Runs them; ends this system if its own state has suffered. */
void run_mutations(const struct campaign *campaign);

#endif
