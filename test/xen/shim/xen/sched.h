/* SPDX-License-Identifier: GPL-2.0-only */
/* Domains and vCPUs, as far as the shadow layer looks into them. */

#ifndef SHIM_XEN_SCHED_H
#define SHIM_XEN_SCHED_H

#include <xen/timer.h>
#include <xen/types.h>

#include <asm/hvm/vsb.h>

struct vcpu;

/* The general registers that the sources name; each in its widths. */
#define SHIM_REG(n) union { uint64_t r##n; uint32_t e##n; }
struct cpu_user_regs
{
    SHIM_REG(ax);
    SHIM_REG(cx);
    SHIM_REG(dx);
    SHIM_REG(si);
    SHIM_REG(di);
    SHIM_REG(ip);
    SHIM_REG(flags);
};
#undef SHIM_REG

#define X86_EFLAGS_TF   0x100u
#define X86_EFLAGS_IF   0x200u

struct cpu_user_regs *guest_cpu_user_regs(void);

#define NR_IO_HANDLERS  4

struct hvm_io_ops;

struct hvm_io_handler
{
    const struct hvm_io_ops *ops;
    uint8_t type;
};

struct domain
{
    uint16_t domain_id;
    struct
    {
        struct
        {
            struct hvm_io_handler io_handler[NR_IO_HANDLERS];
            unsigned int io_handler_count;
        } hvm;
    } arch;
    struct vcpu *shim_vcpus;    /* the first one */
    struct domain *next_in_list;
};

/* All of them, as far as the test says. */
extern struct domain *shim_domains;
extern int domlist_read_lock;
#define for_each_domain(d) \
    for ( (d) = shim_domains; (d); (d) = (d)->next_in_list )

struct vmcb_struct;

/* L2's controls for L3. */
#define NVMX_PIN 0
#define NVMX_CPU 1

struct nestedvcpu
{
    struct
    {
        struct
        {
            uint32_t controls[2];
            struct timer vsb_timer;
            struct
            {
                uint8_t source;
            } intr;
        } nvmx;
    } u;
    bool nv_guestmode;          /* L3's state is loaded, not L2's */
    bool nv_vmexit_pending;
    void *nv_vvmcx, *nv_n2vmcx;
    paddr_t nv_vvmcxaddr;
    struct
    {
        uint64_t ns_vmcb_hostcr3;
        uint32_t ns_general1_intercepts, ns_exception_intercepts;
    } nsvm;
    struct vsb_vcpu nv_vsb;
};

struct vcpu
{
    struct domain *domain;
    struct
    {
        struct
        {
            struct nestedvcpu nvcpu;
            unsigned long guest_cr[5];
            struct
            {
                struct vmcb_struct *vmcb;
            } svm;
        } hvm;
    } arch;
    struct
    {
        struct
        {
            enum { STATE_IOREQ_NONE, STATE_IOREQ_READY } state;
        } req;
    } io;
    unsigned int processor;
    struct vcpu *next_in_list;
    unsigned int shim_unblocked; /* calls of vcpu_unblock() */
    unsigned int shim_kicked;    /* calls of vcpu_kick() */
    bool shim_blocked;
    unsigned long pause_flags;   /* _VPF_blocked: as shim_blocked */
};

#define _VPF_blocked 0
#define test_bit(nr, addr) (*(addr) >> (nr) & 1)

#define for_each_vcpu(d, v) \
    for ( (v) = (d)->shim_vcpus; (v); (v) = (v)->next_in_list )

/* Xen's blocks the current vCPU; the test says which one that is. */
extern struct vcpu *shim_current;
#define current shim_current
/* Called by vcpu_block() before it returns, if set. */
extern void (*shim_on_block)(void);
void vcpu_block(void);
void vcpu_unblock(struct vcpu *v);

#endif /* SHIM_XEN_SCHED_H */
