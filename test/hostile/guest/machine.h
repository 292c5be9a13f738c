/* The bare processor: registers, ports, traps, and what little of a C library there is. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a trap leaves on the stack (start.S). */
struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

#define VECTOR_DB 1
#define VECTOR_UD 6
#define VECTOR_GP 13
/* Of the timer of the local APIC. */
#define VECTOR_TIMER 0x40
/* Only injected, by no device: nothing has to be acknowledged. */
#define VECTOR_INJECTED 0x41
#define VECTOR_SPURIOUS 0xff

#define MSR_APIC_BASE 0x1b
#define MSR_TSC 0x10
#define MSR_SYSENTER_CS 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_DEBUGCTL 0x1d9
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_SFMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_RATIO 0xc0000104
#define MSR_VM_CR 0xc0010114
#define MSR_VM_HSAVE_PA 0xc0010117

#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define EFER_SVME (1u << 12)

#define RFLAGS_TF (1u << 8)
#define RFLAGS_IF (1u << 9)

/* The vector of the exception that the access raised; -1: none. */
int read_msr_safely(uint32_t msr, uint64_t *value);
int write_msr_safely(uint32_t msr, uint64_t value);

static inline uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;

    asm volatile ("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
    return (uint64_t)high << 32 | low;
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
    asm volatile ("wrmsr" :: "c" (msr), "a" ((uint32_t)value), "d" ((uint32_t)(value >> 32)) : "memory");
}

/* A control or debug register: READ_REGISTER(cr0). */
#define READ_REGISTER(name) \
    ({ \
        uint64_t value_; \
        asm volatile ("mov %%" #name ", %0" : "=r" (value_)); \
        value_; \
    })

static inline uint64_t read_tsc(void)
{
    uint32_t low, high;

    asm volatile ("rdtsc" : "=a" (low), "=d" (high));
    return (uint64_t)high << 32 | low;
}

static inline void cpuid(uint32_t leaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    asm volatile ("cpuid" : "=a" (*a), "=b" (*b), "=c" (*c), "=d" (*d) : "a" (leaf), "c" (0));
}

static inline void out_byte(uint16_t port, uint8_t value)
{
    asm volatile ("outb %0, %1" :: "a" (value), "Nd" (port));
}

/* Ends the time slice, and the guest if nothing interrupts it. */
static inline void relax(void)
{
    asm volatile ("pause" ::: "memory");
}

void *memset(void *to, int value, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);
int memcmp(const void *one, const void *other, size_t bytes);

void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

void set_up_traps(void);
/* The local APIC takes interrupts again, whatever was done to it. */
void set_up_apic(void);
/* How often the timer has interrupted; how often that came that was injected, and how often while interrupts were off. */
extern volatile uint32_t timer_interrupts, injected_interrupts, untimely_interrupts;
/* The timer interrupts after so many of its ticks; if that is wanted again and again, each time twice as late. */
void start_timer(uint32_t ticks, bool again);
void stop_timer(void);
/* Starts the other CPU at second_main(). */
void start_second_cpu(void);

/* Says why, and ends the guest. */
void end(const char *why) __attribute__((noreturn));

#endif
