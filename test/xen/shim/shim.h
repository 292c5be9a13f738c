/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of Xen as the sources need, so that they are compiled for the host as
 * they are, and what a test controls of it. debug.c, link.c and svm.c are left
 * out: the test stands in their place.
 */

#ifndef SHIM_H
#define SHIM_H

#include <stdio.h>
#include <stdlib.h>

#include "vsb.h"

/* What must hold at all times, in a test of whatever. */
#define CHECK(condition)                                                \
    do {                                                                \
        if ( !(condition) )                                             \
        {                                                               \
            fprintf(stderr, "%s: %s does not hold\n", __func__,         \
                    #condition);                                        \
            abort();                                                    \
        }                                                               \
    } while ( 0 )

/* The machine is as after boot: no user VM, memory zero, counters zero. */
void shim_reset(void);

/* Calls of vsb_link_kick(). */
extern unsigned int shim_kicks;

/*
 * L3's memory from address 0; what is above is not mapped. shim_on_read, if
 * set, is called before each copy from it, which @shim_reads counts.
 */
#define SHIM_MEMORY (1u << 20)
extern uint8_t shim_memory[SHIM_MEMORY];
extern unsigned int shim_reads;
extern void (*shim_on_read)(paddr_t address, unsigned int len);

/* What link.c does with its lock held. */
unsigned int shim_next(uint8_t *payload);
void shim_receive(const uint8_t *payload, unsigned int len);
void shim_housekeeping(void);

/* xorshift64* (Vigna 2016), the same everywhere. */
void shim_seed(uint64_t seed);
uint32_t shim_random(void);
/* True in @percent of the calls. */
bool shim_chance(unsigned int percent);

#endif /* SHIM_H */
