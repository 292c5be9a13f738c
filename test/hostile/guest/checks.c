#include "checks.h"
#include "svm.h"

#define CR0_PE 1u
#define CR0_TS 8u
#define CR0_PG (1u << 31)
#define DR6_BS (1u << 14)
#define NPF_PRESENT 1u
#define NPF_WRITE 2u
#define NPF_FETCH 16u
#define EVENT_VALID (1ull << 31)
/*
 * How long something that is to come may take to come, in ticks of the TSC: seconds, since the clock goes on while the host
 * gives the machine no CPU. And how long it is watched that something does not come.
 */
#define PATIENCE 20000000000ull
#define A_WHILE 20000000ull

#define PROGRAM(name) extern const uint8_t name[]
PROGRAM(print_letters);
PROGRAM(read_clock);
PROGRAM(only_call);
PROGRAM(read_msr_of_rcx);
PROGRAM(load_registers);
PROGRAM(tell_registers);
PROGRAM(read_memory);
PROGRAM(write_memory);
PROGRAM(jump_to_rbx);
PROGRAM(single_step);
PROGRAM(ask_rdpru);
PROGRAM(loop_for_ever);
PROGRAM(ask_cpuid);
PROGRAM(read_cr2);
PROGRAM(read_cr3);
PROGRAM(read_cr8);
PROGRAM(halt);
PROGRAM(halt_with_interrupts);
PROGRAM(raise_ud);
PROGRAM(allow_interrupts);
PROGRAM(busy_with_interrupts);
PROGRAM(slow_with_interrupts);
PROGRAM(real_mode_string);
PROGRAM(real_mode_end);

static bool shadowed;
static bool well;

/* Of the check that runs: says what it was otherwise. */
#define EXPECT(value, expected) \
    do { \
        uint64_t is_ = (value), wanted_ = (expected); \
        if (is_ != wanted_) { \
            print("# %s is %llx, not %llx\n", #value, (unsigned long long)is_, (unsigned long long)wanted_); \
            well = false; \
        } \
    } while (0)

static void set_xmm0(uint64_t value)
{
    asm volatile ("movq %0, %%xmm0" :: "r" (value));
}

static uint64_t get_xmm0(void)
{
    uint64_t value;

    asm volatile ("movq %%xmm0, %0" : "=r" (value));
    return value;
}

static void set_cr0(uint64_t value)
{
    asm volatile ("mov %0, %%cr0" :: "r" (value));
}

/* The guest's guest takes its interrupts by the handlers that this guest has. */
static void share_handlers(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table;

    asm volatile ("sidt %0" : "=m" (table));
    vmcb.idtr.limit = table.limit;
    vmcb.idtr.base = table.base;
    asm volatile ("sgdt %0" : "=m" (table));
    vmcb.gdtr.limit = table.limit;
    vmcb.gdtr.base = table.base;
}

static void intercept_all_msrs(void)
{
    memset(msrpm, 0xff, sizeof(msrpm));
}

static bool timer_comes(uint32_t before)
{
    uint64_t start = read_tsc();

    while (read_tsc() - start < PATIENCE) {
        if (timer_interrupts != before) {
            return true;
        }
        relax();
    }
    return false;
}

static void runs(void)
{
    new_guest(only_call);
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(vmcb.rip, (uintptr_t)only_call);
    if (has_next_rip()) {
        EXPECT(vmcb.next_rip, vmcb.rip + 3);
    }
}

static void exits(void)
{
    new_guest(halt);
    EXPECT(run(), EXIT_HLT);
    EXPECT(vmcb.rflags & RFLAGS_IF, 0);
    new_guest(halt_with_interrupts);
    EXPECT(run(), EXIT_HLT);
    EXPECT(vmcb.rflags & RFLAGS_IF, RFLAGS_IF);
    new_guest(ask_cpuid);
    vmcb.intercept_1 |= INTERCEPT_CPUID;
    EXPECT(run(), EXIT_CPUID);
    new_guest(read_msr_of_rcx);
    registers.rcx = MSR_LSTAR;
    EXPECT(run(), EXIT_MSR);
    new_guest(raise_ud);
    vmcb.intercept_exceptions = 1u << VECTOR_UD;
    EXPECT(run(), EXIT_EXCEPTION + VECTOR_UD);
    new_guest(raise_ud);
    vmcb.idtr.limit = 0;
    EXPECT(run(), EXIT_SHUTDOWN);
}

static void prints(void)
{
    static const char text[] = "[letters]";

    new_guest(print_letters);
    registers.rsi = (uintptr_t)text;
    registers.rcx = sizeof(text) - 1;
    EXPECT(run(), shadowed ? EXIT_VMMCALL : EXIT_IOIO);
    EXPECT(registers.rcx, shadowed ? 0 : sizeof(text) - 1);
}

static void prints_in_real_mode(void)
{
    new_real_mode_guest(real_mode_string, (size_t)(real_mode_end - real_mode_string));
    EXPECT(run(), shadowed ? EXIT_VMMCALL : EXIT_IOIO);
}

/* On its way to long mode, with PAE still to be set: an exit there brought QEMU 7.2's TCG back without CR0 of the host. */
static void may_set_lme_first(void)
{
    new_real_mode_guest(real_mode_string, (size_t)(real_mode_end - real_mode_string));
    vmcb.efer |= EFER_LME;
    EXPECT(run(), shadowed ? EXIT_VMMCALL : EXIT_IOIO);
    EXPECT(vmcb.efer, EFER_SVME | EFER_LME);
    EXPECT(READ_REGISTER(cr0) & (CR0_PG | CR0_PE), CR0_PG | CR0_PE);
}

static void prints_from_a_page_that_is_missing(void)
{
    static const char text[] = "[missing]";
    uint64_t page = WINDOW + 0x5000;

    memcpy((void *)page, text, sizeof(text));
    nested_window[5] = 0;
    new_guest(print_letters);
    registers.rsi = page;
    registers.rcx = sizeof(text) - 1;
    vmcb.tlb_control = 1;
    if (shadowed) {
        EXPECT(run(), EXIT_NPF);
        EXPECT(vmcb.exit_info_2 & ~0xfffull, page);
        EXPECT(registers.rcx, sizeof(text) - 1);
    }
    nested_window[5] = page | NESTED_ALL;
    vmcb.tlb_control = 1;
    EXPECT(run(), shadowed ? EXIT_VMMCALL : EXIT_IOIO);
}

static void has_its_clock(void)
{
    const uint64_t offset = 1ull << 50;
    uint64_t before = read_tsc();

    new_guest(read_clock);
    vmcb.tsc_offset = offset;
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(vmcb.rax - offset - before < 1ull << 40, true);
    EXPECT(read_tsc() - before < 1ull << 40, true);
}

static void keeps_what_vmload_loads(void)
{
    static const uint32_t msrs[] = {MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE,
                                    MSR_KERNEL_GS_BASE, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP};
    unsigned int i;

    for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        write_msr(msrs[i], 0x1000 + i);
    }
    new_guest(read_msr_of_rcx);
    registers.rcx = MSR_KERNEL_GS_BASE;
    let_msr_through(MSR_KERNEL_GS_BASE);
    vmcb.kernel_gs_base = 0x2001;
    vmcb.fs.base = 0x2002;
    vmcb.lstar = 0x2003;
    vmcb.sysenter_esp = 0x2004;
    vmcb.star = 0x2005;
    EXPECT(run(), EXIT_VMMCALL);
    intercept_all_msrs();
    EXPECT(vmcb.rax, 0x2001);
    EXPECT(vmcb.kernel_gs_base, 0x2001);
    EXPECT(vmcb.fs.base, 0x2002);
    EXPECT(vmcb.lstar, 0x2003);
    EXPECT(vmcb.sysenter_esp, 0x2004);
    EXPECT(vmcb.star, 0x2005);
    for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        EXPECT(read_msr(msrs[i]), 0x1000 + i);
    }
}

static void shares_registers_that_vmrun_leaves_alone(void)
{
    new_guest(load_registers);
    vmcb.rax = 0x123456789abcdef0;
    registers.rcx = 0x6789a000;
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(get_xmm0(), 0x123456789abcdef0);
    EXPECT(READ_REGISTER(db0), 0x6789a000);
    set_xmm0(0xfedcba987654321);
    asm volatile ("mov %0, %%db0" :: "r" (0x1234000ull));
    new_guest(tell_registers);
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(vmcb.rax, 0xfedcba987654321);
    EXPECT(registers.rbx, 0x1234000);
}

/* TCG of QEMU 10 takes each read of a control register for one of CR0. */
static void reads_control_registers(void)
{
    new_guest(read_cr2);
    vmcb.intercept_cr_read = 1;
    vmcb.cr2 = 0x123456789;
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(registers.rbx, 0x123456789);
    new_guest(read_cr3);
    vmcb.intercept_cr_read = 1;
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(registers.rbx, vmcb.cr3);
    new_guest(read_cr8);
    vmcb.intercept_cr_read = 1;
    vmcb.virtual_interrupt |= V_INTR_MASKING | 5;
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(registers.rbx, 5);
    new_guest(read_cr3);
    vmcb.intercept_cr_read = 1 << 3 | 1;
    EXPECT(run(), EXIT_CR_READ + 3);
}

static void has_its_own_ts(void)
{
    set_cr0(READ_REGISTER(cr0) | CR0_TS);
    new_guest(load_registers);
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(READ_REGISTER(cr0) & CR0_TS, CR0_TS);
    asm volatile ("clts");
    new_guest(load_registers);
    vmcb.cr0 |= CR0_TS;
    vmcb.intercept_exceptions = 1u << 7;
    EXPECT(run(), EXIT_EXCEPTION + 7);
    EXPECT(READ_REGISTER(cr0) & CR0_TS, 0);
}

static void sees_changed_tables(void)
{
    volatile uint64_t *one = (volatile uint64_t *)WINDOW, *other = (volatile uint64_t *)(WINDOW + 0x1000);
    unsigned int round;

    *one = 0x1111;
    *other = 0x2222;
    for (round = 0; round < 4; round++) {
        bool swapped = round % 2 == 1;

        nested_window[0] = (swapped ? WINDOW + 0x1000 : WINDOW) | NESTED_ALL;
        new_guest(read_memory);
        registers.rbx = WINDOW;
        /* By a flush, and by another ASID. */
        if (round < 2) {
            vmcb.tlb_control = 1;
        } else {
            vmcb.asid = 5 + round;
        }
        EXPECT(run(), EXIT_VMMCALL);
        EXPECT(vmcb.rax, swapped ? 0x2222 : 0x1111);
    }
    nested_window[0] = WINDOW | NESTED_ALL;
}

static void has_the_rights_of_its_tables(void)
{
    uint64_t page = WINDOW + 0x2000;

    nested_window[2] = page | NESTED_PRESENT | NESTED_USER;
    new_guest(write_memory);
    registers.rbx = page;
    vmcb.tlb_control = 1;
    EXPECT(run(), EXIT_NPF);
    EXPECT(vmcb.exit_info_1 & (NPF_PRESENT | NPF_WRITE), NPF_PRESENT | NPF_WRITE);
    EXPECT(vmcb.exit_info_2, page);
    nested_window[2] = 0;
    new_guest(read_memory);
    registers.rbx = page;
    vmcb.tlb_control = 1;
    EXPECT(run(), EXIT_NPF);
    EXPECT(vmcb.exit_info_1 & (NPF_PRESENT | NPF_WRITE), 0);
    memcpy((void *)page, only_call, 8);
    nested_window[2] = page | NESTED_ALL | NESTED_NO_EXECUTE;
    new_guest(jump_to_rbx);
    registers.rbx = page;
    vmcb.tlb_control = 1;
    EXPECT(run(), EXIT_NPF);
    EXPECT(vmcb.exit_info_1 & (NPF_PRESENT | NPF_FETCH), NPF_PRESENT | NPF_FETCH);
    nested_window[2] = page | NESTED_ALL;
    vmcb.tlb_control = 1;
    EXPECT(run(), EXIT_VMMCALL);
}

static void is_stepped(void)
{
    new_guest(single_step);
    vmcb.rflags |= RFLAGS_TF;
    vmcb.intercept_exceptions = 1u << VECTOR_DB;
    EXPECT(run(), EXIT_EXCEPTION + VECTOR_DB);
    EXPECT(vmcb.rip, (uintptr_t)single_step + 1);
    EXPECT(vmcb.dr6 & DR6_BS, DR6_BS);
}

static void has_no_tsc_ratio(void)
{
    uint32_t a, b, c, d;
    uint64_t value;

    cpuid(0x8000000a, &a, &b, &c, &d);
    if ((d & 16) == 0) {
        EXPECT((uint64_t)read_msr_safely(MSR_TSC_RATIO, &value), VECTOR_GP);
        EXPECT((uint64_t)write_msr_safely(MSR_TSC_RATIO, 1ull << 32), VECTOR_GP);
    }
}

static void knows_rdpru(void)
{
    uint32_t a, b, c, d;

    cpuid(0x80000008, &a, &b, &c, &d);
    new_guest(ask_rdpru);
    vmcb.intercept_exceptions = 1u << VECTOR_UD;
    vmcb.intercept_2 |= INTERCEPT_RDPRU;
    EXPECT(run(), (b & 16) != 0 ? EXIT_RDPRU : EXIT_EXCEPTION + VECTOR_UD);
}

static void is_interrupted(void)
{
    uint32_t before = timer_interrupts;

    new_guest(loop_for_ever);
    asm volatile ("sti");
    start_timer(2000000, true);
    EXPECT(run(), EXIT_INTR);
    EXPECT(timer_comes(before), true);
    asm volatile ("cli");
    stop_timer();
}

static void gets_injected_events(void)
{
    uint32_t before = injected_interrupts;

    new_guest(only_call);
    share_handlers();
    vmcb.event_injection = EVENT_VALID | VECTOR_INJECTED;
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(injected_interrupts - before, 1);
    EXPECT(vmcb.event_injection & EVENT_VALID, 0);
    new_guest(only_call);
    share_handlers();
    vmcb.rflags |= RFLAGS_IF;
    vmcb.virtual_interrupt |= V_IRQ | 0xfull << 16 | (uint64_t)VECTOR_INJECTED << 32;
    EXPECT(run(), EXIT_VMMCALL);
    EXPECT(injected_interrupts - before, 2);
    EXPECT(vmcb.virtual_interrupt & V_IRQ, 0);
    new_guest(allow_interrupts);
    vmcb.intercept_1 |= INTERCEPT_VINTR;
    vmcb.virtual_interrupt |= V_IRQ | 0xfull << 16 | (uint64_t)VECTOR_INJECTED << 32;
    EXPECT(run(), 0x64);
}

/*
 * As a hypervisor does it: an event that had not arrived is injected again, another one only where interrupts are on. Exits of
 * all kinds come between, also of the event's own frame, whose page goes away now and then.
 */
static void gets_each_event_once(void)
{
    const uint32_t wanted = 4000;
    uint64_t stack = WINDOW + 0x10000, i;
    uint32_t injected = 0, before = injected_interrupts, untimely = untimely_interrupts;

    new_guest(busy_with_interrupts);
    share_handlers();
    vmcb.intercept_1 |= INTERCEPT_CPUID;
    vmcb.rsp = stack;
    registers.r9 = WINDOW + 0x20000;
    asm volatile ("sti");
    for (i = 0; i < wanted * 40ull; i++) {
        uint64_t code = run();

        vmcb.tlb_control = 0;
        vmcb.event_injection = 0;
        if (code == EXIT_CPUID) {
            vmcb.rip += 2;
        } else if (code == EXIT_NPF) {
            nested_window[vmcb.exit_info_2 >> 12 & 511] = (vmcb.exit_info_2 & ~0xfffull) | NESTED_ALL;
        } else if (code != EXIT_INTR) {
            EXPECT(code, EXIT_CPUID);
            break;
        }
        if ((vmcb.exit_interrupt_info & EVENT_VALID) != 0) {
            vmcb.event_injection = vmcb.exit_interrupt_info;
        } else if (injected == wanted) {
            /* Its handler comes to an end. */
            if (code == EXIT_CPUID) {
                break;
            }
        } else if ((vmcb.rflags & RFLAGS_IF) != 0 && (vmcb.interrupt_shadow & 1) == 0 && i % 3 == 0) {
            vmcb.event_injection = EVENT_VALID | VECTOR_INJECTED;
            injected++;
            if (i % 7 == 0) {
                nested_window[(stack - 8) >> 12 & 511] = 0;
                vmcb.tlb_control = 1;
            }
        }
        if (i % 5 == 0) {
            start_timer((uint32_t)(i * 131 % 20000) + 1, false);
        }
    }
    asm volatile ("cli");
    stop_timer();
    fill_nested_tables();
    EXPECT(injected, wanted);
    EXPECT(injected_interrupts - before, injected);
    EXPECT(untimely_interrupts - untimely, 0);
}

/* The same while much time passes, with the interrupts of others in it, and without an exit. */
static void gets_each_event_once_in_time(void)
{
    const uint32_t wanted = 1000;
    uint32_t injected = 0, before = injected_interrupts, untimely = untimely_interrupts;

    new_guest(slow_with_interrupts);
    share_handlers();
    vmcb.intercept_1 |= INTERCEPT_CPUID;
    while (injected < wanted) {
        EXPECT(run(), EXIT_CPUID);
        if (vmcb.exit_code != EXIT_CPUID) {
            break;
        }
        vmcb.rip += 2;
        vmcb.event_injection = EVENT_VALID | VECTOR_INJECTED;
        injected++;
    }
    EXPECT(run(), EXIT_CPUID);
    EXPECT(injected_interrupts - before, injected);
    EXPECT(untimely_interrupts - untimely, 0);
}

static void keeps_gif_clear_when_it_fails(void)
{
    uint32_t before = timer_interrupts;
    uint64_t start = read_tsc();

    new_guest(only_call);
    vmcb.asid = 0;
    asm volatile ("sti; clgi");
    start_timer(1000, false);
    run_guest(&registers, (uintptr_t)&vmcb);
    EXPECT((uint32_t)vmcb.exit_code, EXIT_INVALID);
    while (read_tsc() - start < A_WHILE) {
        relax();
    }
    EXPECT(timer_interrupts - before, 0);
    asm volatile ("stgi");
    EXPECT(timer_comes(before), true);
    asm volatile ("cli");
    stop_timer();
}

static void loses_no_interrupt_at_stgi(void)
{
    unsigned int round;

    for (round = 0; round < 200; round++) {
        uint32_t before = timer_interrupts;

        asm volatile ("clgi; sti");
        start_timer(100 + round * 37, false);
        asm volatile ("stgi; clgi; stgi; clgi; stgi");
        if (!timer_comes(before)) {
            EXPECT(round, 200);
            break;
        }
    }
    asm volatile ("cli");
    stop_timer();
}

struct wrong {
    const char *what;
    uint16_t offset, bytes;
    uint64_t value;
};

/* 15.5.1 of the manual, "Canonicalization and Consistency Checks". */
static void refuses_wrong_state(void)
{
#define WRONG(field, value) {#field " " #value, offsetof(struct vmcb, field), sizeof(vmcb.field), value}
    static const struct wrong all[] = {
        WRONG(efer, EFER_LME | EFER_LMA),
        WRONG(cr0, 0xa0010013),
        WRONG(cr0, 0x180010013),
        WRONG(cr4, 0x600),
        WRONG(cr4, 0x8000000000000620),
        WRONG(efer, 1ull << 40 | EFER_SVME | EFER_LME | EFER_LMA),
        WRONG(dr6, 0x1ffff0ff0),
        WRONG(dr7, 0x100000400),
        WRONG(intercept_2, INTERCEPT_VMMCALL),
        WRONG(asid, 0),
        WRONG(cs.attributes, 0x69b),
        WRONG(event_injection, EVENT_VALID | 1ull << 8),
    };
    uint32_t a, b, c, d;
    unsigned int i;

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        bool before = well;

        new_guest(only_call);
        memcpy((uint8_t *)&vmcb + all[i].offset, &all[i].value, all[i].bytes);
        EXPECT((uint32_t)run(), EXIT_INVALID);
        if (well != before) {
            print("# with %s\n", all[i].what);
        }
    }
    cpuid(0x80000008, &a, &b, &c, &d);
    new_guest(only_call);
    vmcb.iopm = (1ull << (a & 0xff)) - 0x1000;
    EXPECT((uint32_t)run(), EXIT_INVALID);
}

static const struct {
    const char *name;
    void (*run)(void);
} checks[] = {
    {"a guest runs and calls", runs},
    {"intercepts end it", exits},
    {"COM1 is printed on by a string instruction", prints},
    {"the same in real mode", prints_in_real_mode},
    {"the same from a page that its tables miss, once it is there", prints_from_a_page_that_is_missing},
    {"its clock has its offset", has_its_clock},
    {"state of VMLOAD and VMSAVE is each one's own", keeps_what_vmload_loads},
    {"XMM and debug registers go through", shares_registers_that_vmrun_leaves_alone},
    {"CR0.TS is each one's own", has_its_own_ts},
    {"a read of a control register is one of that register", reads_control_registers},
    {"changed nested tables hold after a flush", sees_changed_tables},
    {"rights of nested tables hold", has_the_rights_of_its_tables},
    {"a single step is told in DR6", is_stepped},
    {"no TSC ratio where CPUID offers none", has_no_tsc_ratio},
    {"RDPRU ends it, or is unknown", knows_rdpru},
    {"an interrupt of this guest ends it", is_interrupted},
    {"events are injected", gets_injected_events},
    {"each event arrives once, while interrupts are on", gets_each_event_once},
    {"also while time passes", gets_each_event_once_in_time},
    {"a VMRUN that fails leaves GIF clear", keeps_gif_clear_when_it_fails},
    {"STGI loses no interrupt", loses_no_interrupt_at_stgi},
    {"state that makes no sense is refused", refuses_wrong_state},
    /* The last one: without Xen, QEMU does not come back from it. */
    {"EFER.LME may be set before CR4.PAE", may_set_lme_first},
};

void run_checks(bool with_shadow)
{
    unsigned int i, failed = 0, count = sizeof(checks) / sizeof(checks[0]);

    shadowed = with_shadow;
    print("1..%u\n", count);
    for (i = 0; i < count; i++) {
        well = true;
        checks[i].run();
        failed += !well;
        print("%s %u - %s\n", well ? "ok" : "not ok", i + 1, checks[i].name);
    }
    if (failed > 0) {
        end("# some failed");
    }
}
