#include "machine.h"
#include "console.h"

struct gate {
    uint16_t low, selector;
    uint8_t stack, type;
    uint16_t middle;
    uint32_t high, reserved;
};

/* A task state segment has nothing of interest but that it is there. */
static uint8_t task_state[104] __attribute__((aligned(16)));
static struct gate gates[256] __attribute__((aligned(16)));
extern const uint8_t stubs[];
extern uint64_t task_descriptor[2];

/* Where to go on after an exception that was expected, and its vector. */
static volatile uint64_t resume_at;
static volatile int raised;

volatile uint32_t timer_interrupts, injected_interrupts, untimely_interrupts;
/* Its next period; 0: it is to come once. */
static volatile uint32_t next_ticks;

/* Of MSR_APIC_BASE. */
#define APIC_OF_FIRST_CPU (1u << 8)
#define APIC_ENABLED (1u << 11)
/* Registers. */
#define APIC_TASK_PRIORITY 0x80
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_COMMAND 0x300
#define APIC_COMMAND_HIGH 0x310
#define APIC_TIMER 0x320
#define APIC_TIMER_COUNT 0x380
#define APIC_TIMER_DIVIDE 0x3e0
#define APIC_MASKED (1u << 16)
#define APIC_PERIODIC (1u << 17)

static uintptr_t apic_base;

static volatile uint32_t *apic(uint32_t offset)
{
    return (volatile uint32_t *)(apic_base + offset);
}

/* From now on half as often: where another CPU is in its way for long, this one must get on between two of them. */
static void arm_timer_again(void)
{
    uint32_t ticks = next_ticks;

    next_ticks = ticks < 1u << 30 ? 2 * ticks : ticks;
    *apic(APIC_TIMER_COUNT) = ticks;
}

void on_trap(struct frame *frame);
void on_trap(struct frame *frame)
{
    uint64_t fault;

    if (frame->vector == VECTOR_TIMER) {
        timer_interrupts++;
        if (next_ticks != 0) {
            arm_timer_again();
        }
        *apic(APIC_EOI) = 0;
        return;
    }
    if (frame->vector == VECTOR_INJECTED) {
        injected_interrupts++;
        untimely_interrupts += (frame->rflags & RFLAGS_IF) == 0;
        return;
    }
    if (frame->vector == VECTOR_SPURIOUS) {
        return;
    }
    if (resume_at != 0) {
        raised = (int)frame->vector;
        frame->rip = resume_at;
        resume_at = 0;
        return;
    }
    asm volatile ("mov %%cr2, %0" : "=r" (fault));
    print("# exception %u, error %llx, at %llx, CR2 %llx\n", (unsigned int)frame->vector, (unsigned long long)frame->error,
          (unsigned long long)frame->rip, (unsigned long long)fault);
    end("an exception that nobody expected");
}

void set_up_apic(void)
{
    write_msr(MSR_APIC_BASE, apic_base | APIC_ENABLED | APIC_OF_FIRST_CPU);
    *apic(APIC_SPURIOUS) = 0x100 | VECTOR_SPURIOUS;
    *apic(APIC_TASK_PRIORITY) = 0;
    *apic(APIC_EOI) = 0;
}

void set_up_traps(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table = {sizeof(gates) - 1, (uintptr_t)gates};
    uint64_t base = (uintptr_t)task_state;
    unsigned int i;

    for (i = 0; i < 256; i++) {
        uint64_t stub = (uintptr_t)stubs + 16 * i;

        gates[i] = (struct gate){(uint16_t)stub, 8, 0, 0x8e, (uint16_t)(stub >> 16), (uint32_t)(stub >> 32), 0};
    }
    asm volatile ("lidt %0" :: "m" (table));
    task_descriptor[0] = (sizeof(task_state) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    task_descriptor[1] = base >> 32;
    asm volatile ("ltr %w0" :: "r" (0x20));
    apic_base = read_msr(MSR_APIC_BASE) & 0xfffff000;
    set_up_apic();
    /* The PC's interrupt controllers, where there are any, would use the vectors of exceptions. */
    out_byte(0x21, 0xff);
    out_byte(0xa1, 0xff);
}

void start_timer(uint32_t ticks, bool again)
{
    *apic(APIC_TIMER_DIVIDE) = 0xb; /* by 1 */
    *apic(APIC_TIMER) = (again ? APIC_PERIODIC : 0) | VECTOR_TIMER;
    next_ticks = again ? 2 * ticks : 0;
    *apic(APIC_TIMER_COUNT) = ticks;
}

void stop_timer(void)
{
    next_ticks = 0;
    *apic(APIC_TIMER) = APIC_MASKED | VECTOR_TIMER;
    *apic(APIC_TIMER_COUNT) = 0;
}

/* By INIT and two SIPIs (Intel SDM 3, 9.4.4). Virtual CPUs need none of the pauses. */
void start_second_cpu(void)
{
    extern const uint8_t trampoline[], trampoline_end[];
    const uint32_t page = 8;
    unsigned int i;

    memcpy((void *)(uintptr_t)(page << 12), trampoline, (size_t)(trampoline_end - trampoline));
    for (i = 0; i < 3; i++) {
        *apic(APIC_COMMAND_HIGH) = 2u << 24;
        *apic(APIC_COMMAND) = i == 0 ? 0x4500 : 0x4600 | page;
    }
}

int read_msr_safely(uint32_t msr, uint64_t *value)
{
    uint32_t low = 0, high = 0;

    raised = -1;
    asm volatile ("lea 1f(%%rip), %%r8\n\tmov %%r8, %[resume]\n\trdmsr\n1:"
                  : "+a" (low), "+d" (high), [resume] "=m" (resume_at)
                  : "c" (msr)
                  : "r8", "memory");
    resume_at = 0;
    *value = (uint64_t)high << 32 | low;
    return raised;
}

int write_msr_safely(uint32_t msr, uint64_t value)
{
    raised = -1;
    asm volatile ("lea 1f(%%rip), %%r8\n\tmov %%r8, %[resume]\n\twrmsr\n1:"
                  : [resume] "=m" (resume_at)
                  : "c" (msr), "a" ((uint32_t)value), "d" ((uint32_t)(value >> 32))
                  : "r8", "memory");
    resume_at = 0;
    return raised;
}

void *memset(void *to, int value, size_t bytes)
{
    void *start = to;

    asm volatile ("rep stosb" : "+D" (to), "+c" (bytes) : "a" (value) : "memory");
    return start;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
    void *start = to;

    asm volatile ("rep movsb" : "+D" (to), "+S" (from), "+c" (bytes) :: "memory");
    return start;
}

int memcmp(const void *one, const void *other, size_t bytes)
{
    const uint8_t *a = one, *b = other;
    size_t i;

    for (i = 0; i < bytes; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}
