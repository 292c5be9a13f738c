/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of Xen as the sources need, so that they are compiled for the host as
 * they are, and what a test controls of it. debug.c, init.c and link.c are left
 * out: the test stands in their place. So does shim_arch in that of svm.c and
 * vmx.c.
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

/* The processor, as exits.c sees it. */
struct shim_processor
{
    struct cpu_user_regs regs;  /* L3's; L2's in a hypercall */
    bool busy;              /* nothing can be presented or injected */
    bool ends_halt;         /* L2 has something for a halted L3 */
    bool unreadable;        /* the instruction that exited is gone */
    unsigned int completed; /* instructions */
    unsigned int presented; /* exits; AL is what L2 sees written to IER */
    unsigned int injected;  /* interrupts, the last with this vector */
    uint8_t vector;
    unsigned int exceptions;
    unsigned int halted, resumed; /* these operations, or their timer */
    unsigned int mode, cpl; /* of L2 */
    bool no_hap;            /* L2 uses no nested paging */
    unsigned long dr7;      /* L3's */
};
extern struct shim_processor shim_cpu;
/* Called before a string instruction is emulated, if set. */
extern void (*shim_on_emulate)(void);

/*
 * A back-end of the sources' own in the place of shim_arch, and a processor around
 * it that does and shows what shim_cpu says: see vmx.c. NULL: shim_arch.
 */
struct shim_backend
{
    const struct vsb_arch *arch;
    /* L3 exits, for the reason that is returned. */
    uint64_t (*exit)(struct vcpu *v, const struct vsb_exit *exit);
    /* L2's VM entry has loaded L3's state. */
    void (*enter)(struct vcpu *v, const struct vsb_entry *entry);
    void (*before_opportunity)(struct vcpu *v);
    void (*after_opportunity)(struct vcpu *v);
};
extern const struct shim_backend *shim_backend;

/* L3 exits; nothing is done about it yet. Returns the reason. */
uint64_t shim_begin_exit(struct vcpu *v, const struct vsb_exit *exit);

/*
 * L3's IN (@val becomes what it reads) or OUT, of which nothing is done if it is
 * L2's. True: it was not.
 */
bool shim_io(struct vcpu *v, unsigned int port, unsigned int size, bool in,
             uint32_t *val);
/* INS or OUTS of one element. The same. */
bool shim_string(struct vcpu *v, unsigned int port, unsigned int size, bool in,
                 uint32_t *val);
/* What the emulator is going to find at the exit that a test delivers itself. */
void shim_instruction(const struct vsb_exit *exit, uint32_t operand);
/* L3's access to a register of COM1. It has to be shadowed. */
uint8_t shim_in(struct vcpu *v, unsigned int reg);
void shim_out(struct vcpu *v, unsigned int reg, uint8_t val);
/* L0 sends a character. */
void shim_type(struct vsb_vm *vm);
/* L3's HLT, its interrupts enabled. False: L2 gets it. */
bool shim_hlt(struct vcpu *v);
/* L3 writes to an MSR, or to memory that L2 does not map. False: L2 gets it. */
bool shim_wrmsr(struct vcpu *v, uint32_t msr, uint64_t val);
bool shim_fault(struct vcpu *v, paddr_t gpa);
/* L3 writes to its xAPIC's EOI register. False: L2 gets it. */
bool shim_eoi(struct vcpu *v);
/* L3 exits for something that is none of the above, and L2 gets it. */
void shim_leave(struct vcpu *v, enum vsb_exit_kind kind);
/* L2 has zeroed the page of a VMCB12, and makes another vCPU's of it. */
void shim_new_vmcb(const struct vcpu *v, uint64_t vmcx);
/* L2 enters L3: vsb_vm_identify(), with what is in the VMCB12. */
void shim_identify(struct vcpu *v, const struct vsb_entry *entry);
/* L2 enters L3; with this interrupt if it is not 0. */
void shim_enter(struct vcpu *v, const struct vsb_entry *entry, uint8_t vector);
/* L3 is about to be entered. What L2 sees written to IER, or that there is none. */
#define SHIM_NO_EXIT 0x100u
unsigned int shim_opportunity(struct vcpu *v);

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
