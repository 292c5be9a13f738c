/* SPDX-License-Identifier: GPL-2.0-only */
/* A processor with VMX around the sources' vmx.c: see shim.h and vmx.h. */

#include "shim.h"
#include "vmx.h"

#include <xen/domain_page.h>

#include <asm/apicdef.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/msr.h>
#include <asm/time.h>
#include <asm/x86-defns.h>

#define VAPIC_ADDRESS   0x5000ul
#define CONTROLS        (CPU_BASED_UNCOND_IO_EXITING | CPU_BASED_TPR_SHADOW)

uint64_t shim_vmcs[SHIM_VMCS_FIELDS];
uint64_t shim_vvmcs[SHIM_VMCS_FIELDS];
uint8_t shim_vapic[PAGE_SIZE];
unsigned int shim_in_service;
unsigned long cpu_khz = 2000000;

static unsigned int mapped;

static bool l3_is_loaded(void)
{
    return nestedhvm_vcpu_in_guestmode(shim_current);
}

static bool is_read_only(unsigned long field)
{
    return (field >> 10 & 3) == 1;
}

void __vmread(unsigned long field, unsigned long *val)
{
    CHECK(field < SHIM_VMCS_FIELDS && l3_is_loaded());
    *val = shim_vmcs[field];
}

/* Not every processor lets the information about exits be written. */
void __vmwrite(unsigned long field, unsigned long val)
{
    CHECK(field < SHIM_VMCS_FIELDS && l3_is_loaded() && !is_read_only(field));
    shim_vmcs[field] = val;
}

uint64_t get_vvmcs(const struct vcpu *v, unsigned long field)
{
    CHECK(v == shim_current && field < SHIM_VMCS_FIELDS);

    return shim_vvmcs[field];
}

void set_vvmcs(const struct vcpu *v, unsigned long field, uint64_t val)
{
    CHECK(v == shim_current && field < SHIM_VMCS_FIELDS);
    shim_vvmcs[field] = val;
}

uint64_t nvmx_vcpu_eptp_base(struct vcpu *v)
{
    return get_vvmcs(v, EPT_POINTER) & PAGE_MASK;
}

void update_guest_eip(void)
{
    CHECK(shim_vmcs[VM_EXIT_INSTRUCTION_LEN]);
    shim_cpu.regs.rip += shim_vmcs[VM_EXIT_INSTRUCTION_LEN];
    shim_cpu.completed++;
}

void virtual_vmexit(struct cpu_user_regs *regs)
{
    unsigned long field;

    CHECK(l3_is_loaded() && regs == &shim_cpu.regs);
    vsb_leave_halt(shim_current);
    for ( field = 0; field < SHIM_VMCS_FIELDS; field++ )
        if ( is_read_only(field) )
            shim_vvmcs[field] = shim_vmcs[field];
    shim_vvmcs[GUEST_RIP] = regs->rip;
    shim_vvmcs[GUEST_PREEMPTION_TIMER] = shim_vmcs[GUEST_PREEMPTION_TIMER];
    vcpu_nestedhvm(shim_current).nv_guestmode = false;
    /* nvmx_update_apicv() */
    if ( shim_vvmcs[VM_EXIT_REASON] == EXIT_REASON_EXTERNAL_INTERRUPT &&
         vcpu_2_nvmx(shim_current).intr.source == hvm_intsrc_lapic )
        shim_in_service = shim_vvmcs[VM_EXIT_INTR_INFO] & INTR_INFO_VECTOR_MASK;
    regs->rip = 0xffffffff81000000;
    shim_cpu.presented++;
}

const void *map_domain_page(uint64_t mfn)
{
    CHECK(mfn == VAPIC_ADDRESS >> PAGE_SHIFT && !mapped++);

    return shim_vapic;
}

void unmap_domain_page(const void *page)
{
    CHECK(page == shim_vapic && mapped--);
}

uint64_t shim_rdmsr(unsigned int msr)
{
    CHECK(msr == MSR_IA32_VMX_MISC);

    /* Bits beside the timer's rate are set as well. */
    return 0x20000040ul | SHIM_TIMER_SHIFT;
}

uint64_t tsc_ticks2ns(uint64_t ticks)
{
    return ticks * 1000000 / cpu_khz;
}

static uint64_t exit_reason(struct vcpu *v, const struct vsb_exit *exit)
{
    shim_vmcs[EXIT_QUALIFICATION] = 0;
    shim_vmcs[VM_EXIT_INSTRUCTION_LEN] = 0;
    shim_vmcs[GUEST_DR7] = shim_cpu.dr7;
    vcpu_2_nvmx(v).controls[NVMX_CPU] =
        CONTROLS | (shim_cpu.ends_halt ? CPU_BASED_VIRTUAL_INTR_PENDING : 0);

    switch ( exit->kind )
    {
    case VSB_EXIT_IO:
        shim_vmcs[EXIT_QUALIFICATION] =
            (uint64_t)exit->port << 16 | exit->string << 4 | exit->in << 3 |
            (exit->size - 1);
        shim_vmcs[VM_EXIT_INSTRUCTION_LEN] = 1;
        return EXIT_REASON_IO_INSTRUCTION;

    case VSB_EXIT_HLT:
        shim_vmcs[VM_EXIT_INSTRUCTION_LEN] = 1;
        return EXIT_REASON_HLT;

    case VSB_EXIT_WRMSR:
        shim_vmcs[VM_EXIT_INSTRUCTION_LEN] = 2;
        return EXIT_REASON_MSR_WRITE;

    case VSB_EXIT_EOI:
        shim_vmcs[EXIT_QUALIFICATION] = 1u << 12 | APIC_EOI;
        shim_vmcs[VM_EXIT_INSTRUCTION_LEN] = 6;
        return EXIT_REASON_APIC_ACCESS;

    case VSB_EXIT_MEMORY:
        shim_vmcs[GUEST_PHYSICAL_ADDRESS] = exit->gpa;
        return EXIT_REASON_EPT_VIOLATION;

    case VSB_EXIT_DEBUG:
        return EXIT_REASON_DR_ACCESS;

    case VSB_EXIT_INTERRUPT:
        return EXIT_REASON_EXTERNAL_INTERRUPT;

    case VSB_EXIT_OTHER:
        break;
    }

    return EXIT_REASON_CPUID;
}

static uint64_t event(unsigned int type, uint8_t vector)
{
    return INTR_INFO_VALID_MASK | MASK_INSR(type, INTR_INFO_INTR_TYPE_MASK) |
           vector;
}

static void enter(struct vcpu *v, const struct vsb_entry *entry)
{
    vcpu_nestedhvm(v).nv_vvmcxaddr = entry->vmcx;
    shim_vvmcs[EPT_POINTER] = entry->root | 0x1e;
    vcpu_2_nvmx(v).controls[NVMX_CPU] =
        CONTROLS | (entry->steps ? CPU_BASED_MONITOR_TRAP_FLAG : 0);
    shim_vvmcs[EXCEPTION_BITMAP] = entry->traps_int3 ? 1u << X86_EXC_BP : 0;
    shim_vmcs[GUEST_DR7] = shim_cpu.dr7;
    vcpu_2_nvmx(v).controls[NVMX_PIN] = PIN_BASED_PREEMPT_TIMER;
    shim_vmcs[VIRTUAL_APIC_PAGE_ADDR] = VAPIC_ADDRESS;
    shim_vmcs[GUEST_CS_BASE] = entry->at_reset ? 0xffff0000 : 0;
    v->arch.hvm.guest_cr[0] = entry->at_reset ? 0 : X86_CR0_PE;
    shim_vmcs[VM_ENTRY_INTR_INFO] =
        entry->injects ? event(X86_EVENTTYPE_EXT_INTR, entry->vector) : 0;
}

/* L3 ran: the processor has delivered what was to be injected. */
static void before_opportunity(struct vcpu *v)
{
    shim_vmcs[VM_ENTRY_INTR_INFO] =
        shim_cpu.busy ? event(X86_EVENTTYPE_NMI, 2) : 0;
}

static void after_opportunity(struct vcpu *v)
{
    uint64_t info = shim_vmcs[VM_ENTRY_INTR_INFO];

    if ( l3_is_loaded() && !shim_cpu.busy && (info & INTR_INFO_VALID_MASK) )
    {
        CHECK(!MASK_EXTR(info, INTR_INFO_INTR_TYPE_MASK));
        shim_cpu.injected++;
        shim_cpu.vector = info & INTR_INFO_VECTOR_MASK;
    }
    /* L2 has it go on. */
    if ( !l3_is_loaded() )
    {
        CHECK(shim_vvmcs[VM_EXIT_REASON] == EXIT_REASON_IO_INSTRUCTION);
        shim_cpu.regs.rip = shim_vvmcs[GUEST_RIP] +
                            shim_vvmcs[VM_EXIT_INSTRUCTION_LEN];
        vcpu_nestedhvm(v).nv_guestmode = true;
    }
}

static const struct shim_backend backend = {
    .arch = &vsb_vmx,
    .exit = exit_reason,
    .enter = enter,
    .before_opportunity = before_opportunity,
    .after_opportunity = after_opportunity,
};

static void __attribute__((constructor)) use(void)
{
    shim_backend = &backend;
    vsb_vmx.init();
}
