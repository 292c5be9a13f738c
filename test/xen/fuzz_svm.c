/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Has L2 and L3 do what they like to a VMCB that exits.c and svm.c work on: exits of
 * all kinds, VMRUNs, events on their way, and in between what L0 sends. Checked
 * after each step:
 *
 *  - no access to a shadowed COM1 goes to L2, and none to another port does not;
 *  - L3 finds its registers as the instruction leaves them, and its RAX after an
 *    exit that it did not make, unless L2 gave it another state;
 *  - an exit is presented, or an interrupt injected, only where the processor could
 *    have taken one, and never both;
 *  - where vsb_io_exit() says that nothing is to be looked at, nothing is;
 *  - nobody is blocked with an interrupt for it pending.
 */

#include <string.h>

#include "fuzz.h"
#include "shim.h"

#include <asm/hvm/nestedhvm.h>

#include "../../images/xen/src/svm.c"

#define CPUS 2
#define VMCBS 6

static struct domain l2 = { .domain_id = 1 };
static struct vcpu cpus[CPUS];
/* L1's own, and the pages of L2 that VMRUN names. */
static struct vmcb_struct vmcbs[CPUS], vmcb12s[VMCBS];

/* The input: 0 when it is used up. */
static const uint8_t *bytes;
static size_t left;

static uint8_t next(void)
{
    if ( !left )
        return 0;
    left--;

    return *bytes++;
}

static uint64_t next64(void)
{
    uint64_t val = 0;
    unsigned int i;

    for ( i = 0; i < 8; i++ )
        val = val << 8 | next();

    return val;
}

/* What Xen has for svm.c. */

void set_in_cr4(unsigned long mask)
{
    INVARIANT(mask == X86_CR4_PSE);
}

static unsigned int insn_len;

unsigned int svm_get_insn_len(struct vcpu *v, unsigned int instr)
{
    INVARIANT(v == shim_current && (instr == INSTR_HLT || instr == INSTR_WRMSR));

    return insn_len;
}

void __update_guest_eip(struct cpu_user_regs *regs, unsigned int len)
{
    INVARIANT(regs == &shim_cpu.regs);
    regs->rip += len;
    vmcbs[shim_current - cpus].int_stat.intr_shadow = false;
    if ( len && (regs->eflags & X86_EFLAGS_TF) )
        vcpu_nestedhvm(shim_current).nv_vmexit_pending = true;
}

static uint64_t deferred;

void nestedsvm_vmexit_defer(struct vcpu *v, uint64_t exitcode,
                            uint64_t exitinfo1, uint64_t exitinfo2)
{
    INVARIANT(v == shim_current && !vcpu_nestedhvm(v).nv_vmexit_pending);
    vcpu_nestedhvm(v).nv_vmexit_pending = true;
    deferred = exitcode;
}

static struct cpu_user_regs *const regs = &shim_cpu.regs;
static struct cpu_user_regs saved[CPUS];

static void select_cpu(uint8_t which)
{
    if ( shim_current )
        saved[shim_current - cpus] = *regs;
    shim_current = &cpus[which % CPUS];
    *regs = saved[which % CPUS];
}

/* What L2 puts into VMCB12, as it is in n2vmcb after VMRUN; anything. */
static void scramble(struct vmcb_struct *vmcb, uint8_t how)
{
    memset(&vmcb->event_inj, 0, sizeof(vmcb->event_inj));
    memset(&vmcb->exit_int_info, 0, sizeof(vmcb->exit_int_info));
    if ( how & 1 )
        vmcb->event_inj.raw = next64();
    if ( how & 2 )
        vmcb->exit_int_info.raw = next64();
    vmcb->int_stat.intr_shadow = how & 4;
    vmcb->_vintr.fields.irq = how & 8;
    vmcb->_vintr.fields.tpr = how & 16 ? next() & 15 : 0;
    vmcb->cs.base = how & 32 ? 0xffff0000 : next64();
    shim_current->io.req.state = how & 64 ? STATE_IOREQ_READY : STATE_IOREQ_NONE;
    vcpu_nestedhvm(shim_current).nsvm.ns_general1_intercepts =
        how & 128 ? 0 : GENERAL1_INTERCEPT_IOIO_PROT;
}

static void vmrun(struct vcpu *v)
{
    vcpu_nestedhvm(v).nv_guestmode = true;
    vcpu_nestedhvm(v).nv_vmexit_pending = false;
    vsb_vmentry(v, regs);
}

static bool calm_now(struct vcpu *v)
{
    const struct vmcb_struct *vmcb = &vmcbs[v - cpus];

    return !vmcb->event_inj.v && !vmcb->exit_int_info.v &&
           !vmcb->int_stat.intr_shadow && v->io.req.state == STATE_IOREQ_NONE;
}

/* Whether something came of it: presented to L2, or injected into L3. */
static bool opportunity(struct vcpu *v)
{
    struct vmcb_struct *vmcb = &vmcbs[v - cpus];
    struct vmcb_struct before = *vmcb;
    struct cpu_user_regs was = *regs;
    struct vsb_vcpu cache = vcpu_nestedhvm(v).nv_vsb;
    bool calm = calm_now(v);

    if ( vcpu_nestedhvm(v).nv_vmexit_pending )
        return false;

    deferred = 0;
    if ( vsb_opportunity(v, regs) )
    {
        /* It may run one VMCB12 on both of its CPUs, and write into it. */
        bool marked = *mark_of(v) == cache.vm->vcpus[cache.index].mark;

        INVARIANT(calm && !(regs->eflags & X86_EFLAGS_TF));
        INVARIANT(vcpu_nestedhvm(v).nv_vmexit_pending && deferred == VMEXIT_IOIO);
        INVARIANT(!vmcb->event_inj.v);
        INVARIANT(vmcb->exitinfo1 >> 16 == VSB_COM1 + VSB_UART_IER &&
                  !(vmcb->exitinfo1 & (IOIO_IN | IOIO_STRING)) &&
                  vmcb->exitinfo2 == regs->rip);
        INVARIANT(regs->rip == was.rip && regs->rax >> 8 == was.rax >> 8);

        /* L2 has L3 go on, or somewhere else. */
        vcpu_nestedhvm(v).nv_guestmode = false;
        if ( next() & 1 )
        {
            regs->rip++;
            was = *regs;
        }
        vmrun(v);
        /* An L2 that has given away its pages meanwhile gets what it asked for. */
        if ( marked && vcpu_nestedhvm(v).nv_vsb.vm == cache.vm &&
             vcpu_nestedhvm(v).nv_vsb.generation == cache.generation &&
             vcpu_nestedhvm(v).nv_vsb.index == cache.index )
            INVARIANT(regs->rax == was.rax && regs->rip == was.rip);
        return true;
    }

    INVARIANT(!memcmp(&was, regs, sizeof(was)));
    INVARIANT(!vcpu_nestedhvm(v).nv_vmexit_pending);
    if ( vmcb->event_inj.raw == before.event_inj.raw )
        return false;
    INVARIANT(calm && (regs->eflags & X86_EFLAGS_IF) && !before._vintr.fields.irq);
    INVARIANT(vmcb->event_inj.type == X86_EVENTTYPE_EXT_INTR &&
              vmcb->event_inj.vector >> 4 > before._vintr.fields.tpr);

    return true;
}

static bool is_com1(unsigned int port, unsigned int size)
{
    return port + size > VSB_COM1 && port < VSB_COM1 + VSB_COM1_PORTS;
}

static void io(struct vcpu *v)
{
    struct vmcb_struct *vmcb = &vmcbs[v - cpus];
    struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    uint8_t how = next();
    unsigned int port = how & 0x80 ? next() * 257u : 0x3f0u + (how & 31);
    unsigned int size = 1u << next() % 3;
    bool in = how & 32, string = how & 64, settled = false, ours, shadowed;
    struct cpu_user_regs was;
    struct vsb_exit exit = {
        .kind = VSB_EXIT_IO, .port = port, .size = size, .in = in,
        .string = string,
    };

    /* As it was when L3 was entered. */
    opportunity(v);
    if ( vcpu_nestedhvm(v).nv_vmexit_pending )
        return;

    regs->rax = how & 16 ? next64() : next();
    /* Delivered at the entry. */
    vmcb->event_inj.raw = 0;
    vmcb->rip = regs->rip;
    vmcb->exitinfo1 = (uint32_t)port << 16 | size << 4 | string << 2 | in;
    vmcb->exitinfo2 = vmcb->nextrip = vmcb->rip + 1 + next() % 15;
    was = *regs;
    shadowed = !cache->vm || cache->vm->generation != cache->generation ||
               cache->vm->state == VSB_GONE || cache->vm->state == VSB_FREE ||
               cache->vm->hooked;

    shim_instruction(&exit, next());
    ours = vsb_io_exit(v, regs, VMEXIT_IOIO, &settled);
    if ( !ours )
    {
        INVARIANT(!settled);
        ours = vsb_vmexit(v, regs, VMEXIT_IOIO);
    }
    INVARIANT(ours == (shadowed && is_com1(port, size)));
    if ( !ours || string )
    {
        INVARIANT(!memcmp(&was, regs, sizeof(was)));
        return;
    }

    INVARIANT(regs->rip == vmcb->exitinfo2);
    if ( !in )
        INVARIANT(regs->rax == was.rax);
    else if ( size == 4 )
        INVARIANT(regs->rax >> 32 == 0);
    else
        INVARIANT(regs->rax >> (size * 8) == was.rax >> (size * 8));
    if ( settled )
    {
        INVARIANT(!vcpu_nestedhvm(v).nv_vmexit_pending);
        INVARIANT(!opportunity(v));
    }
}

static void halt(struct vcpu *v)
{
    uint64_t rip = regs->rip;
    bool pending = vmcbs[v - cpus]._vintr.fields.irq;

    insn_len = next() % 4 ? 1 : 0;
    v->shim_blocked = false;
    v->pause_flags = 0;
    if ( vsb_vmexit(v, regs, VMEXIT_HLT) )
    {
        INVARIANT((regs->eflags & X86_EFLAGS_IF) && !pending);
        INVARIANT(regs->rip == rip + insn_len);
        INVARIANT(insn_len || !v->shim_blocked);
    }
    else
        INVARIANT(regs->rip == rip && !v->shim_blocked);
}

static void step(struct vcpu *v, uint8_t what)
{
    struct vsb_vm *vm = vcpu_nestedhvm(v).nv_vsb.vm;
    unsigned long flags;
    uint8_t how;

    if ( !vcpu_nestedhvm(v).nv_guestmode || vcpu_nestedhvm(v).nv_vmexit_pending )
        what = 0;

    switch ( what % 16 )
    {
    case 0: /* L2's VMRUN */
        vcpu_nestedhvm(v).nv_guestmode = false;
        how = next();
        vcpu_nestedhvm(v).nv_vvmcx = &vmcb12s[how % VMCBS];
        vcpu_nestedhvm(v).nv_vvmcxaddr = 0x1000 * (1 + how % VMCBS);
        vcpu_nestedhvm(v).nsvm.ns_vmcb_hostcr3 =
            0x100000 * (1 + how / VMCBS % 3);
        scramble(&vmcbs[v - cpus], next());
        v->arch.hvm.guest_cr[0] = how & 2 ? X86_CR0_PE | X86_CR0_PG
                                          : how & 4 ? X86_CR0_PE : 0;
        /* The page is L2's: it may have zeroed it, or made a mark up. */
        if ( how > 224 )
            *mark_of(v) = how & 1 ? 0 : next();
        if ( how > 240 )
        {
            vmcbs[v - cpus].cs.base = 0xffff0000;
            regs->rip = 0xfff0;
            v->arch.hvm.guest_cr[0] = 0;
        }
        vmrun(v);
        break;

    case 1 ... 6:
        io(v);
        break;

    case 7 ... 8:
        halt(v);
        break;

    case 9:
        opportunity(v);
        break;

    case 10: /* the processor's state changes as L3 runs */
        how = next();
        regs->eflags = (how & 1 ? X86_EFLAGS_IF : 0) | (how & 2 ? X86_EFLAGS_TF : 0);
        vmcbs[v - cpus].int_stat.intr_shadow = how & 4;
        vmcbs[v - cpus].event_inj.raw = 0;
        break;

    case 11:
        regs->rcx = 0x808 + next() % 8;
        regs->rax = next() % 2;
        regs->rdx = 0;
        insn_len = 2;
        vmcbs[v - cpus].exitinfo1 = next() % 2;
        vsb_vmexit(v, regs, VMEXIT_MSR);
        break;

    case 12:
        vmcbs[v - cpus].exitinfo2 = next() & 1 ? 0xfec00010 : next64();
        vsb_vmexit(v, regs, VMEXIT_NPF);
        break;

    case 13: /* L0 */
        how = next();
        if ( !vm || vm->state == VSB_FREE || vm->state == VSB_GONE )
            break;
        if ( how < 160 )
        {
            shim_type(vm);
            break;
        }
        spin_lock_irqsave(&vm->lock, flags);
        if ( how < 176 )
            vsb_doorbell_hook(vm, how & 1);
        else if ( how < 192 )
            vm->halt_policy = how % 4;
        else
            vm->out_acked = vm->out_sent = vm->out_known = vm->out_end;
        vsb_com1_update(vm);
        spin_unlock_irqrestore(&vm->lock, flags);
        if ( how >= 224 )
            vsb_irq_mode = how % 4;
        break;

    case 14:
        shim_now += next() * MILLISECS(1);
        if ( next() & 1 )
            shim_housekeeping();
        break;

    case 15:
        if ( next() == 0 )
            vsb_domain_relinquish(&l2);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned int i;

    bytes = data;
    left = size;
    shim_reset();
    vsb_arch = vsb_svm;
    memset(vmcbs, 0, sizeof(vmcbs));
    memset(vmcb12s, 0, sizeof(vmcb12s));
    memset(saved, 0, sizeof(saved));
    l2 = (struct domain){ .domain_id = 1, .shim_vcpus = &cpus[0] };
    for ( i = 0; i < CPUS; i++ )
    {
        cpus[i] = (struct vcpu){ .domain = &l2 };
        cpus[i].arch.hvm.svm.vmcb = &vmcbs[i];
        vcpu_nestedhvm(&cpus[i]).nv_n2vmcx = &vmcbs[i];
        saved[i].rflags = X86_EFLAGS_IF;
    }
    cpus[0].next_in_list = &cpus[1];
    shim_current = NULL;
    select_cpu(0);

    while ( left >= 2 )
    {
        select_cpu(next());
        step(shim_current, next());
    }

    return 0;
}
