/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: what the rest of Xen calls.
 *
 * VSBypass puts a shadow device in this hypervisor in the place of the serial
 * port (COM1) that a nested hypervisor emulates for its guests. Words: L1 is
 * this hypervisor, L2 the nested one (a domain of ours), L3 a guest of L2, or
 * "user VM". The rest of Xen calls them host, l1 guest and l2 guest, and the
 * L2 and L3 state of a vCPU n1 and n2.
 *
 * Each hook is one call, and none does anything for a domain without nested
 * virtualisation or without the command line option vsb_link=.
 */

#ifndef ASM_X86_HVM_VSB_H
#define ASM_X86_HVM_VSB_H

#include <xen/types.h>

struct cpu_user_regs;
struct domain;
struct vcpu;
struct vsb_vm;

#ifdef CONFIG_VSBYPASS

/*
 * Which user VM an L2 vCPU is running, as of its last emulated VM entry: a
 * cache in front of the identification in vm.c. Lives in struct nestedvcpu.
 */
struct vsb_vcpu
{
    struct vsb_vm *vm;      /* NULL: none, or not tracked */
    uint32_t generation;    /* of @vm when it was looked up */
    unsigned int index;     /* into vm->vcpus[] */
    uint64_t vmcx;          /* address in L2 of its VMCB or VMCS for L3 */
    uint64_t root;          /* of L2's nested page table for L3 */
    bool refused;           /* no room to track it: its COM1 is a dead port */
    bool waiting;           /* this vCPU of L2 waits in an ultracall */
    bool halted;            /* L3 has not been entered since its HLT was captured */
    bool string;            /* its INS or OUTS at a shadow device is being emulated */
};

/*
 * L3 exited by an IN or OUT, which is what the processor's @reason says. True: it
 * was one to a shadow device and is done; go back to L3. @settled, then: it has
 * changed nothing for L2 or L3 but what it read. Whatever could be pending for
 * them was looked at before L3 was entered, or has raised a softirq since.
 */
bool vsb_io_exit(struct vcpu *v, struct cpu_user_regs *regs, uint64_t reason,
                 bool *settled);

/*
 * L3 exited for @reason, the processor's number for it. True: dealt with here,
 * and L2 shall not hear of it; go back to L3.
 */
bool vsb_vmexit(struct vcpu *v, struct cpu_user_regs *regs, uint64_t reason);

/*
 * L3's state is about to be left for L2's, where that state can still be changed
 * (VMX): it may be a captured HLT that ends so.
 */
void vsb_leave_halt(struct vcpu *v);

/* L2's VM entry was emulated; @regs already are L3's. */
void vsb_vmentry(struct vcpu *v, struct cpu_user_regs *regs);

/*
 * L3 is about to be entered. True: L2 gets a nested exit that L3 did not cause
 * instead: on SVM it was prepared, on VMX delivered.
 */
bool vsb_opportunity(struct vcpu *v, struct cpu_user_regs *regs);

/*
 * L2 made a hypercall. True: it was an ultracall, dealt with here, and none to
 * Xen. @answered, then: it is complete; else it is to be made again.
 */
bool vsb_hypercall(struct vcpu *v, struct cpu_user_regs *regs, bool *answered);

/* Keep the hardware domain @d away from the link. Returns 0 or -errno. */
int vsb_dom0_setup_permissions(struct domain *d);

/* @d dies: forget its user VMs and all pointers to its vCPUs. Idempotent. */
void vsb_domain_relinquish(struct domain *d);

#else /* !CONFIG_VSBYPASS */

struct vsb_vcpu
{
};

static inline bool vsb_io_exit(struct vcpu *v, struct cpu_user_regs *regs,
                               uint64_t reason, bool *settled)
{
    return false;
}

static inline bool vsb_vmexit(struct vcpu *v, struct cpu_user_regs *regs,
                              uint64_t reason)
{
    return false;
}

static inline void vsb_leave_halt(struct vcpu *v)
{
}

static inline void vsb_vmentry(struct vcpu *v, struct cpu_user_regs *regs)
{
}

static inline bool vsb_opportunity(struct vcpu *v, struct cpu_user_regs *regs)
{
    return false;
}

static inline bool vsb_hypercall(struct vcpu *v, struct cpu_user_regs *regs,
                                 bool *answered)
{
    return false;
}

static inline int vsb_dom0_setup_permissions(struct domain *d)
{
    return 0;
}

static inline void vsb_domain_relinquish(struct domain *d)
{
}

#endif /* CONFIG_VSBYPASS */

#endif /* ASM_X86_HVM_VSB_H */
