/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: nested SVM, as exits.c has to do with it.
 *
 * References are to AMD64 Architecture Programmer's Manual, volume 2.
 */

#include "vsb.h"

#include <xen/init.h>

#include <asm/hvm/nestedhvm.h>
#include <asm/hvm/svm/emulate.h>
#include <asm/hvm/svm/nestedsvm.h>
#include <asm/hvm/svm/svm.h>
#include <asm/hvm/svm/vmcb.h>
#include <asm/x86-defns.h>

/* EXITINFO1 of an I/O exit (15.10.2). */
#define IOIO_IN         (1u << 0)
#define IOIO_STRING     (1u << 2)
#define IOIO_SIZE(info) (((info) >> 4) & 7)
#define IOIO_SZ8        (1u << 4)
#define IOIO_A16        (1u << 7)
#define IOIO_PORT(info) ((uint16_t)((info) >> 16))

/* EXITINFO1 of an MSR exit (15.11). */
#define MSR_WRITE       1u

/*
 * Xen leaves CR4.PSE clear, since it is ignored in long mode (5.3); operating
 * systems set it. QEMU's TCG flushes the TLB and the cache of jumps whenever the
 * bit changes, so at each VMRUN and each exit: an eighth of the time of an
 * access. To a processor it makes no difference.
 */
static void __init cf_check init(void)
{
    set_in_cr4(X86_CR4_PSE);
}

static void cf_check decode(const struct vcpu *v, uint64_t exitcode,
                            struct vsb_exit *exit)
{
    const struct vmcb_struct *vmcb = v->arch.hvm.svm.vmcb;
    uint32_t info = vmcb->exitinfo1;

    switch ( exitcode )
    {
    case VMEXIT_IOIO:
        exit->kind = VSB_EXIT_IO;
        exit->port = IOIO_PORT(info);
        exit->size = IOIO_SIZE(info);
        exit->in = info & IOIO_IN;
        exit->string = info & IOIO_STRING;
        break;

    case VMEXIT_HLT:
        exit->kind = VSB_EXIT_HLT;
        break;

    case VMEXIT_MSR:
        exit->kind = info == MSR_WRITE ? VSB_EXIT_WRMSR : VSB_EXIT_OTHER;
        break;

    case VMEXIT_NPF:
        exit->kind = VSB_EXIT_MEMORY;
        exit->gpa = vmcb->exitinfo2;
        break;

    case VMEXIT_DR0_READ ... VMEXIT_DR15_WRITE:
        exit->kind = VSB_EXIT_DEBUG;
        break;

    case VMEXIT_INTR:
    case VMEXIT_NMI:
    case VMEXIT_VINTR:
        exit->kind = VSB_EXIT_INTERRUPT;
        break;

    default:
        exit->kind = VSB_EXIT_OTHER;
        break;
    }
}

static bool cf_check complete(struct vcpu *v, struct cpu_user_regs *regs,
                              enum vsb_exit_kind kind)
{
    const struct vmcb_struct *vmcb = v->arch.hvm.svm.vmcb;
    unsigned int len;

    if ( likely(kind == VSB_EXIT_IO) )
        len = vmcb->exitinfo2 - vmcb->rip;
    else
        len = svm_get_insn_len(v, kind == VSB_EXIT_HLT ? INSTR_HLT
                                                       : INSTR_WRMSR);
    __update_guest_eip(regs, len);

    return len;
}

/*
 * Nothing is there (appendix B); what follows at 0x3e0 is the software's, and KVM
 * has a use for it. KVM and Xen zero a VMCB when they allocate it, and
 * write only the fields that they know after that, at a reset of their guest, too.
 */
#define VMCB_MARK       0x3d0u

static uint64_t *mark_of(const struct vcpu *v)
{
    struct vmcb_struct *ns_vmcb = vcpu_nestedhvm(v).nv_vvmcx;

    BUILD_BUG_ON(VMCB_MARK < offsetof(struct vmcb_struct, res10a) ||
                 VMCB_MARK + 8 > offsetof(struct vmcb_struct, res10a) +
                                 sizeof(ns_vmcb->res10a));

    return (void *)ns_vmcb + VMCB_MARK;
}

static void cf_check mark(struct vcpu *v, uint64_t mark)
{
    ACCESS_ONCE(*mark_of(v)) = mark;
}

static void cf_check entry(struct vcpu *v, const struct cpu_user_regs *regs,
                           struct vsb_entry *entry)
{
    const struct nestedvcpu *nv = &vcpu_nestedhvm(v);
    const struct vmcb_struct *n2vmcb = nv->nv_n2vmcx;
    unsigned long cr0 = v->arch.hvm.guest_cr[0];
    bool real_mode = !(cr0 & X86_CR0_PE);

    *entry = (struct vsb_entry){
        .vmcx = nv->nv_vvmcxaddr,
        .root = nestedhvm_paging_mode_hap(v)
                ? vcpu_nestedsvm(v).ns_vmcb_hostcr3 : 0,
        .mark = ACCESS_ONCE(*mark_of(v)),
        /* Initial processor state (14.1.3). */
        .at_reset = real_mode && regs->rip == 0xfff0 &&
                    n2vmcb->cs.base == 0xffff0000,
        /* Startup IPI: the vector is bits 12 to 19 of the address (16.5). */
        .at_sipi = real_mode && !regs->rip && n2vmcb->cs.base < MB(1) &&
                   !(n2vmcb->cs.base & ~PAGE_MASK),
        /* hvmloader is linked to 1 MiB, and has its segments begin at 0. */
        .at_loader = !real_mode && !(cr0 & X86_CR0_PG) && !n2vmcb->cs.base &&
                     regs->rip >= MB(1),
        .traps_int3 = vcpu_nestedsvm(v).ns_exception_intercepts &
                      (1u << X86_EXC_BP),
        .injects = n2vmcb->event_inj.v &&
                   n2vmcb->event_inj.type == X86_EVENTTYPE_EXT_INTR,
        .vector = n2vmcb->event_inj.vector,
    };
}

/* No event is on its way, and none held back for an instruction. */
static bool calm(const struct vcpu *v)
{
    const struct vmcb_struct *n2vmcb = vcpu_nestedhvm(v).nv_n2vmcx;

    return !n2vmcb->event_inj.v && !n2vmcb->exit_int_info.v &&
           !n2vmcb->int_stat.intr_shadow &&
           v->io.req.state == STATE_IOREQ_NONE;
}

static bool cf_check can_present(const struct vcpu *v,
                                 const struct cpu_user_regs *regs)
{
    return calm(v) && !(regs->eflags & X86_EFLAGS_TF) &&
           (vcpu_nestedsvm(v).ns_general1_intercepts &
            GENERAL1_INTERCEPT_IOIO_PROT);
}

/*
 * The exit information of an I/O exit is taken from n2vmcb, not from what is
 * deferred.
 */
static void cf_check present(struct vcpu *v, const struct cpu_user_regs *regs)
{
    struct vmcb_struct *n2vmcb = vcpu_nestedhvm(v).nv_n2vmcx;

    n2vmcb->exitinfo1 = ((VSB_COM1 + VSB_UART_IER) << 16) | IOIO_A16 | IOIO_SZ8;
    n2vmcb->exitinfo2 = regs->rip;
    n2vmcb->nextrip = regs->rip;
    n2vmcb->guest_ins_len = 0;
    nestedsvm_vmexit_defer(v, VMEXIT_IOIO, n2vmcb->exitinfo1,
                           n2vmcb->exitinfo2);
}

static bool cf_check can_inject(const struct vcpu *v,
                                const struct cpu_user_regs *regs,
                                uint8_t vector)
{
    const struct vmcb_struct *n2vmcb = vcpu_nestedhvm(v).nv_n2vmcx;

    return calm(v) && (regs->eflags & X86_EFLAGS_IF) &&
           !n2vmcb->_vintr.fields.irq &&
           vector >> 4 > n2vmcb->_vintr.fields.tpr;
}

static void cf_check inject(struct vcpu *v, uint8_t vector)
{
    struct vmcb_struct *n2vmcb = vcpu_nestedhvm(v).nv_n2vmcx;

    n2vmcb->event_inj.raw = 0;
    n2vmcb->event_inj.v = true;
    n2vmcb->event_inj.type = X86_EVENTTYPE_EXT_INTR;
    n2vmcb->event_inj.vector = vector;
}

static unsigned long cf_check dr7(const struct vcpu *v)
{
    const struct vmcb_struct *n2vmcb = vcpu_nestedhvm(v).nv_n2vmcx;

    return vmcb_get_dr7(n2vmcb);
}

/* With event_inj the processor itself would have delivered it. */
static bool cf_check ends_halt(const struct vcpu *v)
{
    const struct vmcb_struct *n2vmcb = vcpu_nestedhvm(v).nv_n2vmcx;

    return n2vmcb->_vintr.fields.irq;
}

const struct vsb_arch __initconst_cf_clobber vsb_svm = {
    .init = init,
    .decode = decode,
    .complete = complete,
    .entry = entry,
    .mark = mark,
    .can_present = can_present,
    .present = present,
    .can_inject = can_inject,
    .inject = inject,
    .dr7 = dr7,
    .ends_halt = ends_halt,
};
