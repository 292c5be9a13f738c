/* Nested guests by SVM: the VMCB, and a guest of this guest that runs a few lines of code. Layout: AMD64 Architecture Programmer's
 * Manual, volume 2, appendix B. */
#ifndef SVM_H
#define SVM_H

#include "machine.h"

struct segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    uint16_t intercept_cr_read, intercept_cr_write;
    uint16_t intercept_dr_read, intercept_dr_write;
    uint32_t intercept_exceptions;
    uint32_t intercept_1, intercept_2, intercept_3;
    uint8_t reserved_018[0x40 - 0x18];
    uint64_t iopm, msrpm, tsc_offset;
    uint32_t asid;
    uint8_t tlb_control, reserved_05d[3];
    uint64_t virtual_interrupt, interrupt_shadow;
    uint64_t exit_code, exit_info_1, exit_info_2, exit_interrupt_info;
    uint64_t nested_paging, avic_bar, ghcb, event_injection, nested_cr3, lbr_control;
    uint32_t clean, reserved_0c4;
    uint64_t next_rip;
    uint8_t fetched, bytes[15];
    uint8_t reserved_0e0[0x400 - 0xe0];
    struct segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_4a0[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t reserved_4cc;
    uint64_t efer;
    uint8_t reserved_4d8[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_580[0x5d8 - 0x580];
    uint64_t rsp, s_cet, ssp, isst, rax;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t pat, debugctl, branch_from, branch_to, exception_from, exception_to;
    uint8_t reserved_698[0x1000 - 0x698];
} __attribute__((packed));
_Static_assert(offsetof(struct vmcb, es) == 0x400, "");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "");
_Static_assert(offsetof(struct vmcb, pat) == 0x668, "");
_Static_assert(sizeof(struct vmcb) == 0x1000, "");

/* intercept_1 */
#define INTERCEPT_INTR (1u << 0)
#define INTERCEPT_NMI (1u << 1)
#define INTERCEPT_VINTR (1u << 4)
#define INTERCEPT_CPUID (1u << 18)
#define INTERCEPT_HLT (1u << 24)
#define INTERCEPT_IOIO (1u << 27)
#define INTERCEPT_MSR (1u << 28)
#define INTERCEPT_SHUTDOWN (1u << 31)
/* intercept_2 */
#define INTERCEPT_VMRUN (1u << 0)
#define INTERCEPT_VMMCALL (1u << 1)
/* VMLOAD, VMSAVE, STGI, CLGI, SKINIT */
#define INTERCEPTS_OF_SVM 0x7cu
#define INTERCEPT_RDPRU (1u << 14)

#define EXIT_CR_READ 0x00
#define EXIT_EXCEPTION 0x40
#define EXIT_INTR 0x60
#define EXIT_CPUID 0x72
#define EXIT_HLT 0x78
#define EXIT_IOIO 0x7b
#define EXIT_MSR 0x7c
#define EXIT_SHUTDOWN 0x7f
#define EXIT_VMMCALL 0x81
#define EXIT_RDPRU 0x8e
#define EXIT_NPF 0x400
/* Of its lower half: QEMU's TCG has no other. */
#define EXIT_INVALID 0xffffffffu

/* virtual_interrupt */
#define V_IRQ (1ull << 8)
#define V_INTR_MASKING (1ull << 24)

/* Of the guest's guest, in the order of run_guest() in start.S; RAX and RSP are in the VMCB. */
struct registers {
    uint64_t rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};

extern struct vmcb vmcb;
extern struct registers registers;
extern uint8_t iopm[3 * 4096], msrpm[2 * 4096];
/* Tables of nested paging: all where it is, but for one piece of 2 MiB, whose pages each have an entry of their own. */
extern uint64_t nested_root[512], nested_window[512];
#define WINDOW 0x3000000ull
#define NESTED_PRESENT 1u
#define NESTED_WRITABLE 2u
#define NESTED_USER 4u
#define NESTED_ALL (NESTED_PRESENT | NESTED_WRITABLE | NESTED_USER)
#define NESTED_NO_EXECUTE (1ull << 63)

/* Whether its guest's accesses to an MSR end it. */
void let_msr_through(uint32_t msr);
void intercept_msr(uint32_t msr);

/* All as it was in the beginning. */
void fill_nested_tables(void);

void run_guest(struct registers *registers, uint64_t vmcb);

/* Whether the processor has SVM; switches it on. */
bool set_up_svm(void);
bool has_next_rip(void);

/* A guest's guest in 64-bit mode with the same page tables, that begins at code; IN and OUT, HLT, VMMCALL, MSRs are intercepted. */
void new_guest(const void *code);
/* The same in real mode, with the code in a segment of its own. */
void new_real_mode_guest(const void *code, size_t bytes);
/* Runs it to its next exit, which is returned. */
uint64_t run(void);

#endif
