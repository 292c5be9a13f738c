/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: nested VMX, as exits.c has to do with it.
 *
 * References are to Intel 64 and IA-32 Architectures Software Developer's
 * Manual, volume 3.
 */

#include "vsb.h"

#include <xen/domain_page.h>
#include <xen/init.h>

#include <asm/apicdef.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/hvm/vmx/vmcs.h>
#include <asm/hvm/vmx/vmx.h>
#include <asm/hvm/vmx/vvmx.h>
#include <asm/msr.h>
#include <asm/time.h>
#include <asm/x86-defns.h>

/* Exit qualification of an I/O instruction (28.2.1). */
#define IO_SIZE(qual)   (((qual) & 7) + 1)
#define IO_IN           (1u << 3)
#define IO_STRING       (1u << 4)
#define IO_PORT(qual)   ((uint16_t)((qual) >> 16))

/* Exit qualification of an access to the APIC-access page (28.2.1). */
#define APIC_OFFSET(qual)   ((qual) & 0xfff)
#define APIC_ACCESS(qual)   (((qual) >> 12) & 0xf)
#define APIC_LINEAR_WRITE   1u

/* IA32_VMX_MISC: the preemption timer counts down once in 2^shift TSC ticks. */
#define MISC_TIMER_SHIFT    0x1fu

static unsigned int __ro_after_init timer_shift;

static unsigned long read_field(unsigned long field)
{
    unsigned long val;

    __vmread(field, &val);

    return val;
}

static void __init cf_check init(void)
{
    uint64_t misc;

    rdmsrl(MSR_IA32_VMX_MISC, misc);
    timer_shift = misc & MISC_TIMER_SHIFT;
}

static void cf_check decode(const struct vcpu *v, uint64_t reason,
                            struct vsb_exit *exit)
{
    unsigned long qual;

    exit->kind = VSB_EXIT_OTHER;

    switch ( reason )
    {
    case EXIT_REASON_IO_INSTRUCTION:
        qual = read_field(EXIT_QUALIFICATION);
        exit->kind = VSB_EXIT_IO;
        exit->port = IO_PORT(qual);
        exit->size = IO_SIZE(qual);
        exit->in = qual & IO_IN;
        exit->string = qual & IO_STRING;
        break;

    case EXIT_REASON_HLT:
        exit->kind = VSB_EXIT_HLT;
        break;

    case EXIT_REASON_MSR_WRITE:
        exit->kind = VSB_EXIT_WRMSR;
        break;

    case EXIT_REASON_APIC_ACCESS:
        qual = read_field(EXIT_QUALIFICATION);
        if ( APIC_OFFSET(qual) == APIC_EOI &&
             APIC_ACCESS(qual) == APIC_LINEAR_WRITE )
            exit->kind = VSB_EXIT_EOI;
        break;

    case EXIT_REASON_EPT_VIOLATION:
    case EXIT_REASON_EPT_MISCONFIG:
        exit->kind = VSB_EXIT_MEMORY;
        exit->gpa = read_field(GUEST_PHYSICAL_ADDRESS);
        break;

    case EXIT_REASON_DR_ACCESS:
        exit->kind = VSB_EXIT_DEBUG;
        break;

    case EXIT_REASON_EXTERNAL_INTERRUPT:
    case EXIT_REASON_PENDING_VIRT_INTR:
    case EXIT_REASON_VMX_PREEMPTION_TIMER_EXPIRED:
        exit->kind = VSB_EXIT_INTERRUPT;
        break;
    }
}

/* The kinds of exits that have an instruction length (28.2.5). */
static bool cf_check complete(struct vcpu *v, struct cpu_user_regs *regs,
                              enum vsb_exit_kind kind)
{
    update_guest_eip();

    return true;
}

/* L2's own, as of its last VM entry; what L3 runs with has some of Xen's as well. */
static uint32_t controls(const struct vcpu *v)
{
    return vcpu_2_nvmx(v).controls[NVMX_CPU];
}

static void cf_check entry(struct vcpu *v, const struct cpu_user_regs *regs,
                           struct vsb_entry *entry)
{
    unsigned long event = read_field(VM_ENTRY_INTR_INFO);

    *entry = (struct vsb_entry){
        .vmcx = vcpu_nestedhvm(v).nv_vvmcxaddr,
        .root = nestedhvm_paging_mode_hap(v) ? nvmx_vcpu_eptp_base(v) : 0,
        /* State after a reset (10.1.1 of volume 3). */
        .at_reset = regs->rip == 0xfff0 &&
                    read_field(GUEST_CS_BASE) == 0xffff0000 &&
                    !(v->arch.hvm.guest_cr[0] & X86_CR0_PE),
        .steps = controls(v) & CPU_BASED_MONITOR_TRAP_FLAG,
        .traps_int3 = get_vvmcs(v, EXCEPTION_BITMAP) & (1u << X86_EXC_BP),
        .injects = (event & INTR_INFO_VALID_MASK) &&
                   MASK_EXTR(event, INTR_INFO_INTR_TYPE_MASK) ==
                   X86_EVENTTYPE_EXT_INTR,
        .vector = MASK_EXTR(event, INTR_INFO_VECTOR_MASK),
    };
}

/* No event is on its way, and none held back for an instruction. */
static bool calm(const struct vcpu *v)
{
    return !(read_field(VM_ENTRY_INTR_INFO) & INTR_INFO_VALID_MASK) &&
           !(read_field(GUEST_INTERRUPTIBILITY_INFO) &
             (VMX_INTR_SHADOW_STI | VMX_INTR_SHADOW_MOV_SS)) &&
           v->io.req.state == STATE_IOREQ_NONE;
}

/* L2 has to take an I/O exit, and L3's code to go on to the left of RIP. */
static bool cf_check can_present(const struct vcpu *v,
                                 const struct cpu_user_regs *regs)
{
    return calm(v) && !(regs->eflags & X86_EFLAGS_TF) && regs->rip &&
           (controls(v) &
            (CPU_BASED_UNCOND_IO_EXITING | CPU_BASED_ACTIVATE_IO_BITMAP));
}

/*
 * Xen and KVM as L2 refuse an instruction without a length: this one is one byte
 * long, and before the current RIP. The information about an exit can be written
 * to L2's VMCS alone, so L2's state is loaded first. What the processor's last exit
 * was for, an interrupt of this hypervisor's own say, is none of L2's interrupts.
 */
static void cf_check present(struct vcpu *v, const struct cpu_user_regs *regs)
{
    vcpu_2_nvmx(v).intr.source = hvm_intsrc_none;
    virtual_vmexit(guest_cpu_user_regs());

    set_vvmcs(v, VM_EXIT_REASON, EXIT_REASON_IO_INSTRUCTION);
    set_vvmcs(v, EXIT_QUALIFICATION, (VSB_COM1 + VSB_UART_IER) << 16);
    set_vvmcs(v, VM_EXIT_INSTRUCTION_LEN, 1);
    set_vvmcs(v, VM_EXIT_INTR_INFO, 0);
    set_vvmcs(v, IDT_VECTORING_INFO, 0);
    set_vvmcs(v, GUEST_RIP, get_vvmcs(v, GUEST_RIP) - 1);
}

/* L3's task priority; the highest there is if only L2 knows it. */
static uint8_t tpr(const struct vcpu *v)
{
    const uint8_t *page;
    uint8_t val;

    if ( !(controls(v) & CPU_BASED_TPR_SHADOW) )
        return 0xff;

    page = map_domain_page(maddr_to_mfn(read_field(VIRTUAL_APIC_PAGE_ADDR)));
    val = page[APIC_TASKPRI];
    unmap_domain_page(page);

    return val;
}

static unsigned long cf_check dr7(const struct vcpu *v)
{
    return read_field(GUEST_DR7);
}

/* L2 waits for L3 to be able to take an event. */
static bool cf_check ends_halt(const struct vcpu *v)
{
    return controls(v) &
           (CPU_BASED_VIRTUAL_INTR_PENDING | CPU_BASED_VIRTUAL_NMI_PENDING);
}

static bool cf_check can_inject(const struct vcpu *v,
                                const struct cpu_user_regs *regs,
                                uint8_t vector)
{
    return calm(v) && (regs->eflags & X86_EFLAGS_IF) && !ends_halt(v) &&
           vector >> 4 > tpr(v) >> 4;
}

static void cf_check inject(struct vcpu *v, uint8_t vector)
{
    __vmwrite(VM_ENTRY_INTR_INFO,
              INTR_INFO_VALID_MASK |
              MASK_INSR(X86_EVENTTYPE_EXT_INTR, INTR_INFO_INTR_TYPE_MASK) |
              MASK_INSR(vector, INTR_INFO_VECTOR_MASK));
}

/*
 * The VMX-preemption timer (27.5.1) counts while L3 runs, which it does not in a
 * HLT that is captured, and Linux's KVM drives L3's APIC timer by it. A timer of
 * Xen stands in for it, which does nothing but wake the vCPU: L3 is entered with
 * nothing left, and exits to L2 at once.
 */
static void cf_check timer_expired(void *data)
{
    vcpu_unblock(data);
}

static bool has_timer(const struct vcpu *v)
{
    return vcpu_2_nvmx(v).controls[NVMX_PIN] & PIN_BASED_PREEMPT_TIMER;
}

static void cf_check halted(struct vcpu *v)
{
    struct timer *timer = &vcpu_2_nvmx(v).vsb_timer;
    uint64_t ticks;

    if ( !has_timer(v) )
        return;

    if ( !timer->function )
        init_timer(timer, timer_expired, v, v->processor);
    else
        migrate_timer(timer, v->processor);

    ticks = (uint64_t)(uint32_t)read_field(GUEST_PREEMPTION_TIMER)
            << timer_shift;
    set_timer(timer, NOW() + tsc_ticks2ns(ticks));
}

static void cf_check resumed(struct vcpu *v)
{
    struct timer *timer = &vcpu_2_nvmx(v).vsb_timer;
    s_time_t left;
    uint64_t ticks = 0;

    if ( !has_timer(v) )
        return;

    left = timer->expires - NOW();
    stop_timer(timer);
    if ( left > 0 )
        ticks = ((uint64_t)left * cpu_khz / 1000000) >> timer_shift;
    __vmwrite(GUEST_PREEMPTION_TIMER, min_t(uint64_t, ticks, ~0u));
}

static void cf_check relinquish(struct vcpu *v)
{
    struct timer *timer = &vcpu_2_nvmx(v).vsb_timer;

    if ( timer->function )
        kill_timer(timer);
}

const struct vsb_arch __initconst_cf_clobber vsb_vmx = {
    .init = init,
    .decode = decode,
    .complete = complete,
    .entry = entry,
    .can_present = can_present,
    .present = present,
    .can_inject = can_inject,
    .inject = inject,
    .dr7 = dr7,
    .ends_halt = ends_halt,
    .halted = halted,
    .resumed = resumed,
    .relinquish = relinquish,
};
