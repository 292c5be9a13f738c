/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: evidence that L2 watches a user VM by means of the processor.
 *
 * L2 has L3's registers and memory between an exit and the next entry. L1 cannot
 * keep it from looking at them, and an L2 that does no more than look leaves no
 * trace. What a debugger needs beyond that, L1 sees at the entry:
 *
 *  - RFLAGS.TF that L3 did not have when it left, or the monitor trap flag: it is
 *    single-stepped.
 *  - breakpoints in DR7 that L3 did not have when it left and did not set by the
 *    instruction at which it left, or an intercept of #BP, which neither KVM nor Xen
 *    has but for a debugger: it is stopped at places that L2 has chosen.
 *  - another RIP or other general registers than those with which it left for an
 *    interrupt of the machine, after which it goes on where it was, or other general
 *    registers than those with which it halted: its state was written, by a debugger, by a saved state that was loaded into it, or because it
 *    was run elsewhere meanwhile. Not where a processor begins, at a reset, a
 *    startup IPI (offset 0) or an SMI.
 *
 * Evidence, not protection: an L2 that emulates L3, or hides what it does, is not
 * seen. Nothing is told of what an ordinary KVM or Xen does, see docs/threat-model.md.
 */

#include "vsb.h"

#include <asm/hvm/nestedhvm.h>

/* L0 to G3: which of the four are enabled (AMD64 APM volume 2, 13.1.1.4). */
#define DR7_ENABLED 0xfful

/* SMM's entry point, before SMBASE is moved (10.2.5): an SMI is an interrupt, too. */
#define SMM_ENTRY   0x8000u

static bool has_breakpoints(const struct vcpu *v)
{
    return alternative_call(vsb_arch.dr7, v) & DR7_ENABLED;
}

void vsb_watch_exit(struct vcpu *v, const struct cpu_user_regs *regs,
                    struct vsb_left *left, enum vsb_exit_kind kind)
{
    left->by_itself = kind == VSB_EXIT_INTERRUPT;
    left->waits = kind == VSB_EXIT_HLT;
    left->set_dr = kind == VSB_EXIT_DEBUG;
    left->tf = regs->eflags & X86_EFLAGS_TF;
    left->dr7 = has_breakpoints(v);
    left->rip = regs->rip;
    memcpy(left->gprs, regs, sizeof(left->gprs));
    left->valid = true;
}

static bool seen(struct vsb_vm *vm, enum vsb_evidence what, uint64_t *count)
{
    bool is_new = !vm->seen[what];

    (*count)++;
    vm->seen[what] = NOW();
    vm->record_due |= is_new;

    return is_new;
}

/* At a reset, a startup IPI or an SMI. */
static bool begins(const struct cpu_user_regs *regs,
                   const struct vsb_entry *entry)
{
    return entry->at_reset || entry->at_loader || !regs->rip ||
           regs->rip == SMM_ENTRY;
}

static bool was_rewritten(const struct cpu_user_regs *regs,
                          const struct vsb_left *left)
{
    return (left->by_itself && regs->rip != left->rip) ||
           ((left->by_itself || left->waits) &&
            memcmp(left->gprs, regs, sizeof(left->gprs)));
}

bool vsb_watch_entry(struct vcpu *v, const struct cpu_user_regs *regs,
                     struct vsb_vm *vm, struct vsb_left *left,
                     const struct vsb_entry *entry)
{
    bool tf = regs->eflags & X86_EFLAGS_TF, dr7 = has_breakpoints(v);
    bool told = false;

    /* What L2 has once put there looks like L3's own at the next exit. */
    left->l2_steps = tf && (left->l2_steps || (left->valid && !left->tf));
    left->l2_breaks = dr7 && !(left->valid && left->set_dr) &&
                      (left->l2_breaks || (left->valid && !left->dr7));

    if ( left->l2_steps || entry->steps )
        told |= seen(vm, VSB_STEPPED, &vm->count.stepped);
    if ( left->l2_breaks || entry->traps_int3 )
        told |= seen(vm, VSB_BREAKPOINTS, &vm->count.breakpoints);
    if ( left->valid && was_rewritten(regs, left) && !begins(regs, entry) )
        told |= seen(vm, VSB_REWRITTEN, &vm->count.rewritten);
    left->valid = false;

    return told;
}

void vsb_watch_housekeeping(struct vsb_vm *vm, s_time_t now)
{
    unsigned int i;

    for ( i = 0; i < VSB_EVIDENCE; i++ )
        if ( vm->seen[i] && now - vm->seen[i] > VSB_EVIDENCE_FOR )
        {
            vm->seen[i] = 0;
            vm->record_due = true;
        }
}
