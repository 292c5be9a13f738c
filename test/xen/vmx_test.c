/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested VMX, as exits.c has to do with it (vmx.c): what it reads in L3's VMCS and
 * L2's for it, and what it writes there.
 */

#include "shim.h"
#include "tap.h"
#include "vmx.h"

#include <asm/hvm/hvm.h>
#include <asm/hvm/nestedhvm.h>

#define VECTOR 0x31

static const struct vsb_entry entry = { .vmcx = 0x1000, .root = 0x2000 };
static struct domain l2;
static struct vcpu cpu;
static struct vsb_vm *vm;

static struct vsb_vcpu *cache(void)
{
    return &vcpu_nestedhvm(&cpu).nv_vsb;
}

static uint32_t *controls(void)
{
    return vcpu_2_nvmx(&cpu).controls;
}

static void start(void)
{
    memset(shim_vmcs, 0, sizeof(shim_vmcs));
    memset(shim_vvmcs, 0, sizeof(shim_vvmcs));
    memset(shim_vapic, 0, sizeof(shim_vapic));
    shim_reset();
    l2 = (struct domain){ .domain_id = 1, .shim_vcpus = &cpu };
    cpu = (struct vcpu){ .domain = &l2, .processor = 1 };
    shim_enter(&cpu, &entry, 0);
    vm = cache()->vm;
    vm->label_tries = VSB_LABEL_TRIES;
    vm->halt_policy = VSB_HALT_ALWAYS;
}

static struct vsb_exit decode(uint64_t reason, uint64_t qual)
{
    struct vsb_exit exit;

    shim_vmcs[EXIT_QUALIFICATION] = qual;
    vsb_vmx.decode(&cpu, reason, &exit);

    return exit;
}

static bool is_io(struct vsb_exit exit, unsigned int port, unsigned int size,
                  bool in, bool string)
{
    return exit.kind == VSB_EXIT_IO && exit.port == port && exit.size == size &&
           exit.in == in && exit.string == string;
}

static void reasons(void)
{
    start();
    tap_ok(is_io(decode(EXIT_REASON_IO_INSTRUCTION, 0x3f80000), 0x3f8, 1, false,
                 false), "OUT of a byte");
    tap_ok(is_io(decode(EXIT_REASON_IO_INSTRUCTION, 0x3fd0008), 0x3fd, 1, true,
                 false), "IN of a byte");
    tap_ok(is_io(decode(EXIT_REASON_IO_INSTRUCTION, 0x3f80041), 0x3f8, 2, false,
                 false), "OUT of a word to a port that is an immediate");
    tap_ok(is_io(decode(EXIT_REASON_IO_INSTRUCTION, 0xcfc000b), 0xcfc, 4, true,
                 false), "IN of 32 bits");
    tap_ok(is_io(decode(EXIT_REASON_IO_INSTRUCTION, 0x3f80030), 0x3f8, 1, false,
                 true), "REP OUTS");
    tap_ok(is_io(decode(EXIT_REASON_IO_INSTRUCTION, 0xffff0018), 0xffff, 1, true,
                 true), "INS at the last port");

    tap_ok(decode(EXIT_REASON_APIC_ACCESS, 0x10b0).kind == VSB_EXIT_EOI,
           "a write to EOI of an xAPIC");
    tap_ok(decode(EXIT_REASON_APIC_ACCESS, 0x00b0).kind == VSB_EXIT_OTHER &&
           decode(EXIT_REASON_APIC_ACCESS, 0x1080).kind == VSB_EXIT_OTHER &&
           decode(EXIT_REASON_APIC_ACCESS, 0xf0b0).kind == VSB_EXIT_OTHER,
           "not a read, another register, or one whose address is not linear");

    shim_vmcs[GUEST_PHYSICAL_ADDRESS] = 0xfec00010;
    tap_ok(decode(EXIT_REASON_EPT_MISCONFIG, 0).kind == VSB_EXIT_MEMORY &&
           decode(EXIT_REASON_EPT_VIOLATION, 0).gpa == 0xfec00010,
           "memory that L2 does not give it");
    tap_ok(decode(0x80000000 | EXIT_REASON_IO_INSTRUCTION, 0x3f80000).kind ==
           VSB_EXIT_OTHER, "a VM entry that failed is no exit of L3's");
}

static void entries(void)
{
    struct vsb_entry seen;
    struct vsb_entry other = { .vmcx = 0x9000, .root = 0xa000 };

    start();
    shim_vvmcs[EPT_POINTER] = 0x123456701e;
    shim_vmcs[VM_ENTRY_INTR_INFO] = 0x80000031;
    vsb_vmx.entry(&cpu, &shim_cpu.regs, &seen);
    tap_ok(seen.vmcx == 0x1000 && seen.root == 0x1234567000,
           "a user VM is L2's VMCS and EPT tables, without the EPTP's bits");
    tap_ok(seen.injects && seen.vector == 0x31, "L2 injects an interrupt");
    shim_vmcs[VM_ENTRY_INTR_INFO] = 0x80000202;
    vsb_vmx.entry(&cpu, &shim_cpu.regs, &seen);
    tap_ok(!seen.injects, "an NMI is none");
    shim_vmcs[VM_ENTRY_INTR_INFO] = 0x80000b0e;
    vsb_vmx.entry(&cpu, &shim_cpu.regs, &seen);
    tap_ok(!seen.injects, "nor is an exception");
    shim_vmcs[VM_ENTRY_INTR_INFO] = 0x31;
    vsb_vmx.entry(&cpu, &shim_cpu.regs, &seen);
    tap_ok(!seen.injects, "nor what is not valid");

    shim_vmcs[GUEST_CS_BASE] = 0xffff0000;
    cpu.arch.hvm.guest_cr[0] = 0x60000010;
    shim_cpu.regs.rip = 0xfff0;
    vsb_vmx.entry(&cpu, &shim_cpu.regs, &seen);
    tap_ok(seen.at_reset, "the reset vector");
    cpu.arch.hvm.guest_cr[0] |= X86_CR0_PE;
    vsb_vmx.entry(&cpu, &shim_cpu.regs, &seen);
    tap_ok(!seen.at_reset, "not in protected mode");

    shim_enter(&cpu, &other, 0);
    tap_ok(cache()->vm && cache()->vm != vm, "another VMCS, another user VM");
    other.root = 0x2000;
    other.vmcx = 0xb000;
    shim_enter(&cpu, &other, 0);
    tap_ok(cache()->vm == vm && vm->nr_vcpus == 2,
           "one with the same EPT tables is its second vCPU");
}

static void presents(void)
{
    start();
    shim_out(&cpu, VSB_UART_MCR, VSB_UART_MCR_OUT2);
    shim_out(&cpu, VSB_UART_IER, VSB_UART_IER_RDA);
    shim_type(vm);
    shim_current = &cpu;
    shim_cpu.regs.rip = 0x7000;
    shim_cpu.regs.rax = 0x11223344;

    shim_vmcs[GUEST_INTERRUPTIBILITY_INFO] = VMX_INTR_SHADOW_STI;
    tap_ok(!vsb_opportunity(&cpu, &shim_cpu.regs), "not behind STI");
    shim_vmcs[GUEST_INTERRUPTIBILITY_INFO] = VMX_INTR_SHADOW_MOV_SS;
    tap_ok(!vsb_opportunity(&cpu, &shim_cpu.regs), "nor behind MOV SS");
    shim_vmcs[GUEST_INTERRUPTIBILITY_INFO] = VMX_INTR_SHADOW_NMI;
    cpu.io.req.state = STATE_IOREQ_READY;
    tap_ok(!vsb_opportunity(&cpu, &shim_cpu.regs),
           "nor while an access is emulated");
    cpu.io.req.state = STATE_IOREQ_NONE;
    controls()[NVMX_CPU] = 0;
    tap_ok(!vsb_opportunity(&cpu, &shim_cpu.regs),
           "nor to an L2 that takes no exits for I/O");
    controls()[NVMX_CPU] = CPU_BASED_ACTIVATE_IO_BITMAP;
    shim_cpu.regs.rip = 0;
    tap_ok(!vsb_opportunity(&cpu, &shim_cpu.regs),
           "nor where there is nothing before RIP");
    shim_cpu.regs.rip = 0x7000;

    /* What an exit before it left: an interrupt's of L1, after one of L2's. */
    vcpu_2_nvmx(&cpu).intr.source = hvm_intsrc_lapic;
    shim_vmcs[VM_EXIT_REASON] = EXIT_REASON_EXTERNAL_INTERRUPT;
    shim_vmcs[VM_EXIT_INTR_INFO] = 0x80000020;
    shim_vmcs[IDT_VECTORING_INFO] = 0x80000030;
    tap_ok(vsb_opportunity(&cpu, &shim_cpu.regs) &&
           !nestedhvm_vcpu_in_guestmode(&cpu), "L2 is loaded");
    tap_ok(shim_vvmcs[VM_EXIT_REASON] == EXIT_REASON_IO_INSTRUCTION &&
           shim_vvmcs[EXIT_QUALIFICATION] == 0x3f90000 &&
           shim_cpu.regs.eax == 0x11223302, "with OUT DX, AL; DX = 3f9, AL = 2");
    tap_ok(shim_vvmcs[GUEST_RIP] == 0x6fff &&
           shim_vvmcs[VM_EXIT_INSTRUCTION_LEN] == 1,
           "after which L3 goes on where it is");
    tap_ok(!shim_vvmcs[VM_EXIT_INTR_INFO] && !shim_vvmcs[IDT_VECTORING_INFO],
           "and with no event");
    tap_ok(!shim_in_service, "L1's interrupt is not in service in L2's APIC");
}

static bool can_inject(void)
{
    return vsb_vmx.can_inject(&cpu, &shim_cpu.regs, VECTOR);
}

static void injects(void)
{
    start();
    shim_current = &cpu;
    tap_ok(can_inject(), "nothing is in the way");
    shim_vapic[0x80] = 0x2f;
    tap_ok(can_inject(), "nor is a lower task priority");
    shim_vapic[0x80] = 0x30;
    tap_ok(!can_inject(), "one of the vector's class is");
    shim_vapic[0x80] = 0;
    controls()[NVMX_CPU] &= ~CPU_BASED_TPR_SHADOW;
    tap_ok(!can_inject(), "one that only L2 knows may be");
    controls()[NVMX_CPU] |= CPU_BASED_TPR_SHADOW;
    controls()[NVMX_CPU] |= CPU_BASED_VIRTUAL_INTR_PENDING;
    tap_ok(!can_inject() && vsb_vmx.ends_halt(&cpu),
           "an interrupt of L2's is, and ends a HLT");
    controls()[NVMX_CPU] ^= CPU_BASED_VIRTUAL_INTR_PENDING |
                            CPU_BASED_VIRTUAL_NMI_PENDING;
    tap_ok(!can_inject() && vsb_vmx.ends_halt(&cpu), "so does an NMI");
    controls()[NVMX_CPU] &= ~CPU_BASED_VIRTUAL_NMI_PENDING;
    shim_vmcs[VM_ENTRY_INTR_INFO] = 0x80000b0e;
    tap_ok(!can_inject(), "an exception is");
    shim_vmcs[VM_ENTRY_INTR_INFO] = 0;
    shim_vmcs[GUEST_INTERRUPTIBILITY_INFO] = VMX_INTR_SHADOW_STI;
    tap_ok(!can_inject(), "so is STI");
    shim_vmcs[GUEST_INTERRUPTIBILITY_INFO] = VMX_INTR_SHADOW_NMI;
    tap_ok(can_inject(), "a handler of NMIs is not");
    shim_cpu.regs.eflags = 0;
    tap_ok(!can_inject(), "interrupts off are");
    vsb_vmx.inject(&cpu, VECTOR);
    tap_ok(shim_vmcs[VM_ENTRY_INTR_INFO] == 0x80000031, "an interrupt");
}

/* Of the preemption timer, in ns. */
#define TICKS(ns) ((ns) * 2 >> SHIM_TIMER_SHIFT)

static void timers(void)
{
    struct timer *timer = &vcpu_2_nvmx(&cpu).vsb_timer;

    start();
    shim_vmcs[GUEST_PREEMPTION_TIMER] = TICKS(4000000);
    tap_ok(shim_hlt(&cpu) && timer->shim_active && timer->cpu == 1 &&
           timer->expires == shim_now + 4000000,
           "what is left of L3's timer is in Xen's");
    shim_now += 1000000;
    vcpu_unblock(&cpu);
    shim_opportunity(&cpu);
    tap_ok(!timer->shim_active &&
           shim_vmcs[GUEST_PREEMPTION_TIMER] == TICKS(3000000),
           "L3 goes on with what is left then");

    cpu.processor = 0;
    shim_hlt(&cpu);
    tap_ok(timer->cpu == 0, "on the CPU where it is now");
    shim_now += 3000000;
    timer->function(timer->data);
    tap_ok(!cpu.shim_blocked, "it wakes the vCPU");
    shim_now += 50000;
    shim_opportunity(&cpu);
    tap_ok(shim_vmcs[GUEST_PREEMPTION_TIMER] == 0, "for an exit at once");

    shim_vmcs[GUEST_PREEMPTION_TIMER] = ~0u;
    shim_hlt(&cpu);
    tap_ok(timer->expires - shim_now == 68719476720, "all its 32 bits count");
    shim_now -= SECONDS(9);
    vcpu_unblock(&cpu);
    shim_opportunity(&cpu);
    tap_ok(shim_vmcs[GUEST_PREEMPTION_TIMER] == ~0u, "and no more");

    shim_vmcs[GUEST_PREEMPTION_TIMER] = TICKS(4000000);
    shim_hlt(&cpu);
    shim_now += 2000000;
    vcpu_unblock(&cpu);
    virtual_vmexit(&shim_cpu.regs);
    tap_ok(!timer->shim_active &&
           shim_vvmcs[GUEST_PREEMPTION_TIMER] == TICKS(2000000),
           "an interrupt of L2's ends the HLT: L2 sees what is left");
    shim_enter(&cpu, &entry, 0);
    shim_vmcs[GUEST_PREEMPTION_TIMER] = 7;
    shim_opportunity(&cpu);
    tap_ok(shim_vmcs[GUEST_PREEMPTION_TIMER] == 7,
           "and what it then sets it to stays");

    controls()[NVMX_PIN] = 0;
    tap_ok(shim_hlt(&cpu) && !timer->shim_active, "L3 has none: nor has Xen");
    vcpu_unblock(&cpu);
    shim_opportunity(&cpu);
    tap_ok(shim_vmcs[GUEST_PREEMPTION_TIMER] == 7, "nor does it set one");

    controls()[NVMX_PIN] = PIN_BASED_PREEMPT_TIMER;
    shim_hlt(&cpu);
    vsb_domain_relinquish(&l2);
    tap_ok(timer->shim_killed && !timer->shim_active,
           "a dying domain takes it along");
}

int main(void)
{
    reasons();
    entries();
    presents();
    injects();
    timers();

    return tap_done();
}
