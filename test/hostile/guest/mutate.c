#include "mutate.h"
#include "svm.h"

#define PROGRAM(name) extern const uint8_t name[]
PROGRAM(print_letters);
PROGRAM(port_widths);
PROGRAM(port_strings);
PROGRAM(only_call);
PROGRAM(read_msr_of_rcx);
PROGRAM(write_msr_of_rcx);
PROGRAM(load_registers);
PROGRAM(read_memory);
PROGRAM(write_memory);
PROGRAM(jump_to_rbx);
PROGRAM(single_step);
PROGRAM(ask_rdpru);
PROGRAM(ask_cpuid);
PROGRAM(loop_for_ever);
PROGRAM(halt);
PROGRAM(halt_with_interrupts);
PROGRAM(raise_ud);
PROGRAM(switch_interrupts);
PROGRAM(enter_again);
PROGRAM(change_control_registers);
PROGRAM(write_task_priority);
PROGRAM(write_debug_registers);
PROGRAM(real_mode_string);
PROGRAM(real_mode_end);

static const uint8_t *const programs[] = {
    print_letters, port_widths, port_strings, only_call, read_msr_of_rcx, write_msr_of_rcx, load_registers, read_memory,
    write_memory, jump_to_rbx, single_step, ask_rdpru, ask_cpuid, loop_for_ever, halt, halt_with_interrupts, raise_ud,
    switch_interrupts, enter_again, change_control_registers,
    /* Left out under TCG: see leave_out_what_ends_qemu(). */
    write_task_priority, write_debug_registers,
};
#define PROGRAMS_OF_HARDWARE 2
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What of a VMCB means something. */
static const struct {
    uint16_t offset, bytes;
} fields[] = {
#define FIELD(name) {offsetof(struct vmcb, name), sizeof(vmcb.name)}
    FIELD(intercept_cr_read), FIELD(intercept_cr_write), FIELD(intercept_dr_read), FIELD(intercept_dr_write),
    FIELD(intercept_exceptions), FIELD(intercept_1), FIELD(intercept_2), FIELD(intercept_3), FIELD(iopm), FIELD(msrpm),
    FIELD(tsc_offset), FIELD(asid), FIELD(tlb_control), FIELD(virtual_interrupt), FIELD(interrupt_shadow), FIELD(exit_code),
    FIELD(exit_interrupt_info), FIELD(nested_paging), FIELD(avic_bar), FIELD(ghcb), FIELD(event_injection), FIELD(nested_cr3),
    FIELD(lbr_control), FIELD(clean), FIELD(next_rip), FIELD(es.attributes), FIELD(cs.selector), FIELD(cs.attributes),
    FIELD(cs.limit), FIELD(cs.base), FIELD(ss.attributes), FIELD(ds.limit), FIELD(ds.base), FIELD(gdtr.base), FIELD(gdtr.limit),
    FIELD(idtr.base), FIELD(idtr.limit), FIELD(tr.attributes), FIELD(tr.base), FIELD(cpl), FIELD(efer), FIELD(cr4), FIELD(cr3),
    FIELD(cr0), FIELD(dr7), FIELD(dr6), FIELD(rflags), FIELD(rip), FIELD(rsp), FIELD(s_cet), FIELD(rax), FIELD(star), FIELD(lstar),
    FIELD(sfmask), FIELD(kernel_gs_base), FIELD(sysenter_cs), FIELD(sysenter_esp), FIELD(cr2), FIELD(pat), FIELD(debugctl),
    FIELD(branch_from),
};

/* What a guest may program without a right to it, among them those that are intercepted for L2 or for its guest. */
static const uint32_t msrs[] = {
    MSR_EFER, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_RATIO, MSR_VM_CR,
    MSR_VM_HSAVE_PA, MSR_APIC_BASE, MSR_TSC, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_DEBUGCTL, 0x277, 0x2ff, 0x17a,
    0x17b, 0x48, 0x49, 0x10a, 0x6e0, 0x808, 0x80b, 0x830, 0xc0000103, 0xc0010010, 0xc0010015, 0xc001011b, 0xc0011029, 0x40000000,
    0x40000001, 0x13371337,
};

static uint64_t state;
/* What a case is made of is told. */
static bool in_detail;
static bool on_tcg;

/* xorshift64*, S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016. */
static uint64_t random(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

static uint64_t below(uint64_t limit)
{
    return (random() >> 16) % limit;
}

static bool one_in(uint64_t many)
{
    return below(many) == 0;
}

/* Values at which code goes wrong. */
static uint64_t odd_value(uint64_t now)
{
    switch (below(12)) {
    case 0:
        return 0;
    case 1:
        return ~0ull;
    case 2:
        return 1ull << below(64);
    case 3:
        return random();
    case 4:
        return now ^ 1ull << below(64);
    case 5:
        return (uintptr_t)&vmcb;
    case 6:
        return below(64) << 20; /* some memory */
    case 7:
        return 0xfee00000 + below(3) * 0x1000; /* the local APIC */
    case 8:
        return 1ull << 40 | below(1 << 20) << 12; /* none */
    case 9:
        return (uintptr_t)nested_root + below(4096);
    case 10:
        return 0x7fffffffffff + below(3);
    default:
        return now + below(17) - 8;
    }
}

static void change_a_field(void)
{
    unsigned int field = (unsigned int)below(COUNT(fields));
    uint8_t *at = (uint8_t *)&vmcb + fields[field].offset;
    uint64_t value = 0;

    memcpy(&value, at, fields[field].bytes);
    value = odd_value(value);
    memcpy(at, &value, fields[field].bytes);
    if (in_detail) {
        print("# offset %x: %llx\n", fields[field].offset, (unsigned long long)value);
    }
}

static void change_a_byte(void)
{
    unsigned int offset = (unsigned int)below(sizeof(vmcb));

    ((uint8_t *)&vmcb)[offset] = (uint8_t)random();
    if (in_detail) {
        print("# byte %x: %x\n", offset, ((uint8_t *)&vmcb)[offset]);
    }
}

static void change_a_table(void)
{
    uint64_t *entry = one_in(8) ? &nested_root[0] : &nested_window[below(512)];

    *entry = odd_value(*entry);
    if (in_detail) {
        print("# nested table entry at %llx: %llx\n", (unsigned long long)(uintptr_t)entry, (unsigned long long)*entry);
    }
    vmcb.tlb_control = (uint8_t)below(8);
}

/* Mostly memory that nothing else is in: what this guest breaks of itself ends the run. */
static uint64_t some_address(void)
{
    return one_in(32) ? odd_value(0) : WINDOW + below(1 << 21);
}

/*
 * TCG of QEMU 7.2 knows of a breakpoint what DR7 said when the guest wrote it. VMRUN loads another DR7, and then a written debug
 * register makes QEMU take a watchpoint for a breakpoint: its memory is corrupted. And it ends by an assertion
 * (tcg_handle_interrupt) where a guest lets a virtual interrupt pass by writing CR8. Neither is L1's to bear.
 */
static void leave_out_what_ends_qemu(void)
{
    vmcb.dr7 &= ~0xffull; /* no breakpoint is enabled */
}

static void make_case(void)
{
    unsigned int changes = (unsigned int)below(5);

    fill_nested_tables();
    memset(iopm, one_in(2) ? 0xff : (int)random(), sizeof(iopm));
    memset(msrpm, one_in(2) ? 0xff : (int)random(), sizeof(msrpm));
    intercept_msr(MSR_APIC_BASE);
    if (one_in(10)) {
        new_real_mode_guest(real_mode_string, (size_t)(real_mode_end - real_mode_string));
    } else {
        new_guest(programs[below(COUNT(programs) - (on_tcg ? PROGRAMS_OF_HARDWARE : 0))]);
    }
    registers.rcx = one_in(2) ? msrs[below(COUNT(msrs))] : below(40);
    registers.rdx = one_in(2) ? 0x3f0 + below(0x18) : random();
    registers.rbx = some_address();
    registers.rsi = some_address();
    registers.rdi = some_address();
    vmcb.rax = one_in(2) ? (uintptr_t)&vmcb : random();
    vmcb.nested_paging = !one_in(3);
    if (in_detail) {
        print("# begins at %llx, nested paging %llx, RAX %llx, RCX %llx, RDX %llx, RSI %llx, RDI %llx\n", (unsigned long long)vmcb.rip,
              (unsigned long long)vmcb.nested_paging, (unsigned long long)vmcb.rax, (unsigned long long)registers.rcx,
              (unsigned long long)registers.rdx, (unsigned long long)registers.rsi, (unsigned long long)registers.rdi);
    }
    while (changes-- > 0) {
        if (one_in(6)) {
            change_a_table();
        } else if (one_in(16)) {
            change_a_byte();
        } else {
            change_a_field();
        }
    }
    /* The timer ends what loops or sleeps. */
    vmcb.intercept_1 |= INTERCEPT_INTR;
    vmcb.virtual_interrupt |= V_INTR_MASKING;
    /* Otherwise they would end this system: a shutdown by right, SVM's own instructions since Xen does not do them for a guest's guest. */
    if (!one_in(2000)) {
        vmcb.intercept_1 |= INTERCEPT_SHUTDOWN;
        vmcb.intercept_2 |= INTERCEPTS_OF_SVM;
    }
    if (on_tcg) {
        leave_out_what_ends_qemu();
    }
}

/* What must be as it was after each exit, whatever happened. */
struct own_state {
    uint64_t cr0, cr3, cr4, efer, dr7, star, lstar, kernel_gs_base, sysenter_esp;
};

static void take_own_state(struct own_state *into)
{
    into->cr0 = READ_REGISTER(cr0);
    into->cr3 = READ_REGISTER(cr3);
    into->cr4 = READ_REGISTER(cr4);
    into->dr7 = READ_REGISTER(db7);
    into->efer = read_msr(MSR_EFER);
    into->star = read_msr(MSR_STAR);
    into->lstar = read_msr(MSR_LSTAR);
    into->kernel_gs_base = read_msr(MSR_KERNEL_GS_BASE);
    into->sysenter_esp = read_msr(MSR_SYSENTER_ESP);
}

static void tell_own_state(const struct own_state *own)
{
    print("# CR0 %llx, CR3 %llx, CR4 %llx, EFER %llx, DR7 %llx, STAR %llx, LSTAR %llx, KernelGSBase %llx, SYSENTER_ESP %llx\n",
          (unsigned long long)own->cr0, (unsigned long long)own->cr3, (unsigned long long)own->cr4,
          (unsigned long long)own->efer, (unsigned long long)own->dr7, (unsigned long long)own->star,
          (unsigned long long)own->lstar, (unsigned long long)own->kernel_gs_base,
          (unsigned long long)own->sysenter_esp);
}

/* What ends each case stays, and what must not end QEMU. */
static bool may_flip(unsigned int offset)
{
    return offset / 4 != offsetof(struct vmcb, intercept_1) / 4 && offset / 8 != offsetof(struct vmcb, virtual_interrupt) / 8 &&
           !(on_tcg && offset == offsetof(struct vmcb, dr7));
}

static volatile bool flipping;

/* The second CPU, which changes what the first one has given to VMRUN while that is under way. */
void second_main(void);
void second_main(void)
{
    uint64_t mine = 0x9e3779b97f4a7c15;

    for (;;) {
        mine = mine * 6364136223846793005 + 1442695040888963407;
        if (flipping) {
            uint8_t *page = mine >> 62 == 0 ? (uint8_t *)nested_window : (uint8_t *)&vmcb;
            unsigned int offset = mine >> 40 & 0xfff;

            if (may_flip(offset)) {
                page[offset] ^= (uint8_t)(1u << (mine >> 56 & 7));
            }
        }
        relax();
    }
}

void run_mutations(const struct campaign *campaign)
{
    struct own_state before, after;
    uint64_t which;

    memset(&before, 0, sizeof(before));
    memset(&after, 0, sizeof(after));
    write_msr(MSR_LSTAR, 0x11111111);
    write_msr(MSR_STAR, 0x22222222);
    write_msr(MSR_KERNEL_GS_BASE, 0x33333333);
    write_msr(MSR_SYSENTER_ESP, 0x44444444);
    take_own_state(&before);
    in_detail = campaign->told == 1;
    on_tcg = campaign->tcg;
    if (campaign->second_cpu) {
        start_second_cpu();
    }
    for (which = campaign->first; which < campaign->first + campaign->cases; which++) {
        /* Each by itself, so that it can be run alone. */
        state = (campaign->seed * 0x9e3779b97f4a7c15 ^ which * 0xbf58476d1ce4e5b9) | 1;
        random();
        if (which % campaign->told == 0) {
            print("case %llu\n", (unsigned long long)which);
        }
        make_case();
        set_up_apic();
        /* The first may come before the guest's guest runs. */
        start_timer(20000, true);
        asm volatile ("sti");
        flipping = campaign->second_cpu;
        run();
        flipping = false;
        asm volatile ("cli");
        stop_timer();
        take_own_state(&after);
        if (memcmp(&before, &after, sizeof(before)) != 0) {
            print("# case %llu: this system's own state has changed\n", (unsigned long long)which);
            tell_own_state(&before);
            tell_own_state(&after);
            end("not ok");
        }
    }
    print("ran %llu cases\n", (unsigned long long)campaign->cases);
}
