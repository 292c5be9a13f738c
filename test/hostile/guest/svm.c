#include "svm.h"

struct vmcb vmcb __attribute__((aligned(4096)));
struct registers registers;
uint8_t iopm[3 * 4096] __attribute__((aligned(4096))), msrpm[2 * 4096] __attribute__((aligned(4096)));
uint64_t nested_root[512] __attribute__((aligned(4096))), nested_window[512] __attribute__((aligned(4096)));

static uint64_t nested_pointers[512] __attribute__((aligned(4096)));
static uint64_t nested_directories[4][512] __attribute__((aligned(4096)));
/* The only device that this system has: what its guest's guest does to it would end the interrupts that end that one. */
#define LOCAL_APIC 0xfee00000ull
static uint64_t guest_root[512] __attribute__((aligned(4096))), guest_pointers[512] __attribute__((aligned(4096)));
static uint64_t guest_directory[512] __attribute__((aligned(4096)));
static uint8_t host_save_area[4096] __attribute__((aligned(4096)));
static struct vmcb own __attribute__((aligned(4096)));
static uint8_t guest_stack[4096] __attribute__((aligned(16)));
/* Below 1 MiB, where real mode reaches. */
#define REAL_MODE_CODE 0x9000u

extern const uint64_t root[];

void fill_nested_tables(void)
{
    unsigned int i, j;

    memset(nested_root, 0, sizeof(nested_root));
    nested_root[0] = (uintptr_t)nested_pointers | NESTED_ALL;
    for (i = 0; i < 4; i++) {
        nested_pointers[i] = (uintptr_t)nested_directories[i] | NESTED_ALL;
        for (j = 0; j < 512; j++) {
            nested_directories[i][j] = ((uint64_t)i << 30) | ((uint64_t)j << 21) | 0x80 | NESTED_ALL;
        }
    }
    for (i = 0; i < 512; i++) {
        nested_window[i] = (WINDOW + i * 4096) | NESTED_ALL;
    }
    nested_directories[0][WINDOW >> 21] = (uintptr_t)nested_window | NESTED_ALL;
    nested_directories[3][(LOCAL_APIC >> 21) & 511] = 0;
}

/* Its own tables: all where it is, but for the local APIC. */
static void fill_guest_tables(void)
{
    unsigned int i;

    memcpy(guest_root, root, sizeof(guest_root));
    memcpy(guest_pointers, (const void *)(uintptr_t)(root[0] & ~0xfffull), sizeof(guest_pointers));
    memcpy(guest_directory, (const void *)(uintptr_t)(guest_pointers[3] & ~0xfffull), sizeof(guest_directory));
    guest_root[0] = (uintptr_t)guest_pointers | (root[0] & 0xfff);
    i = (LOCAL_APIC >> 21) & 511;
    guest_pointers[3] = (uintptr_t)guest_directory | (guest_pointers[3] & 0xfff);
    guest_directory[i] = 0;
}

bool set_up_svm(void)
{
    uint32_t a, b, c, d;

    cpuid(0x80000001, &a, &b, &c, &d);
    if ((c & 4) == 0) {
        return false;
    }
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SVME);
    write_msr(MSR_VM_HSAVE_PA, (uintptr_t)host_save_area);
    memset(iopm, 0xff, sizeof(iopm));
    memset(msrpm, 0xff, sizeof(msrpm));
    fill_guest_tables();
    fill_nested_tables();
    return true;
}

bool has_next_rip(void)
{
    uint32_t a, b, c, d;

    cpuid(0x8000000a, &a, &b, &c, &d);
    return (d & 8) != 0;
}

static struct segment segment(uint16_t selector, uint16_t attributes, uint32_t limit, uint64_t base)
{
    return (struct segment){selector, attributes, limit, base};
}

static void new_vmcb(void)
{
    memset(&vmcb, 0, sizeof(vmcb));
    memset(&registers, 0, sizeof(registers));
    vmcb.intercept_1 = INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_HLT | INTERCEPT_IOIO | INTERCEPT_MSR | INTERCEPT_SHUTDOWN;
    vmcb.intercept_2 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL;
    vmcb.iopm = (uintptr_t)iopm;
    vmcb.msrpm = (uintptr_t)msrpm;
    vmcb.asid = 1;
    vmcb.virtual_interrupt = V_INTR_MASKING;
    vmcb.nested_paging = 1;
    vmcb.nested_cr3 = (uintptr_t)nested_root;
    vmcb.efer = EFER_SVME;
    vmcb.dr6 = 0xffff0ff0;
    vmcb.dr7 = 0x400;
    vmcb.rflags = 2;
    vmcb.pat = 0x0007040600070406;
    vmcb.gdtr = segment(0, 0, 0xffff, 0);
    vmcb.idtr = segment(0, 0, 0xffff, 0);
    vmcb.ldtr = segment(0, 0x82, 0xffff, 0);
    vmcb.tr = segment(0, 0x8b, 0xffff, 0);
}

void new_guest(const void *code)
{
    struct segment data = segment(0x10, 0xc93, 0xffffffff, 0);

    new_vmcb();
    vmcb.cs = segment(8, 0x29b, 0xffffffff, 0);
    vmcb.ds = vmcb.es = vmcb.ss = vmcb.fs = vmcb.gs = data;
    vmcb.cr0 = 0x80010013; /* PG, WP, ET, MP, PE */
    vmcb.cr3 = (uintptr_t)guest_root;
    vmcb.cr4 = 0x620;
    vmcb.efer |= EFER_LME | EFER_LMA;
    vmcb.rip = (uintptr_t)code;
    vmcb.rsp = (uintptr_t)(guest_stack + sizeof(guest_stack));
}

void new_real_mode_guest(const void *code, size_t bytes)
{
    new_vmcb();
    vmcb.cs = segment(REAL_MODE_CODE >> 4, 0x9b, 0xffff, REAL_MODE_CODE);
    vmcb.ds = vmcb.es = vmcb.ss = vmcb.fs = vmcb.gs = segment(REAL_MODE_CODE >> 4, 0x93, 0xffff, REAL_MODE_CODE);
    vmcb.cr0 = 0x10;
    vmcb.rsp = 0xff0;
    memcpy((void *)(uintptr_t)REAL_MODE_CODE, code, bytes);
}

uint64_t run(void)
{
    /* What VMRUN does not give back (15.5.1 of the manual) is kept by VMSAVE. */
    asm volatile ("clgi; vmsave" :: "a" (&own) : "memory");
    run_guest(&registers, (uintptr_t)&vmcb);
    asm volatile ("vmload; stgi" :: "a" (&own) : "memory");
    return vmcb.exit_code;
}

/* The two bits of an MSR in the map (15.11): reads, writes. */
static uint8_t *bits_of(uint32_t msr, unsigned int *shift)
{
    uint32_t bit = (msr & 0x1fff) * 2, base = msr >= 0xc0010000 ? 0x1000 : msr >= 0xc0000000 ? 0x800 : 0;

    *shift = bit % 8;
    return msrpm + base + bit / 8;
}

void let_msr_through(uint32_t msr)
{
    unsigned int shift;
    uint8_t *bits = bits_of(msr, &shift);

    *bits &= (uint8_t)~(3u << shift);
}

void intercept_msr(uint32_t msr)
{
    unsigned int shift;
    uint8_t *bits = bits_of(msr, &shift);

    *bits |= (uint8_t)(3u << shift);
}
