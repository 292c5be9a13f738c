#include <stdarg.h>

#include "console.h"
#include "machine.h"

/* Xen's interface: public/xen.h, hvm/hvm_op.h, hvm/params.h, io/console.h, sched.h. */
#define HYPERCALL_SCHED 29
#define HYPERCALL_EVENT_CHANNEL 32
#define HYPERCALL_HVM 34
#define SCHEDOP_YIELD 0
#define SCHEDOP_SHUTDOWN 2
#define EVTCHNOP_SEND 4
#define HVMOP_GET_PARAM 1
#define PARAM_CONSOLE_PAGE 17
#define PARAM_CONSOLE_EVENT 18
#define DOMID_SELF 0x7ff0u

struct ring {
    char in[1024];
    char out[2048];
    volatile uint32_t in_taken, in_given, out_taken, out_given;
};

struct start_info {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line;
};

extern const struct start_info *start_info;
static uint8_t hypercalls[4096] __attribute__((aligned(4096)));
static struct ring *ring;
static uint32_t event;

static uint64_t hypercall(unsigned int which, uint64_t one, const void *other)
{
    uint64_t result;

    asm volatile ("call *%[entry]"
                  : "=a" (result), "+D" (one), "+S" (other)
                  : [entry] "r" (hypercalls + 32 * which)
                  : "rcx", "rdx", "r8", "r10", "r11", "memory");
    return result;
}

static uint64_t hvm_parameter(uint32_t index)
{
    struct {
        uint16_t domain;
        uint32_t index;
        uint64_t value;
    } parameter = {DOMID_SELF, index, 0};

    hypercall(HYPERCALL_HVM, HVMOP_GET_PARAM, &parameter);
    return parameter.value;
}

void set_up_console(void)
{
    uint32_t leaf, a, b, c, d;

    for (leaf = 0x40000000; leaf < 0x40010000; leaf += 0x100) {
        cpuid(leaf, &a, &b, &c, &d);
        if (b == 0x566e6558 && c == 0x65584d4d && d == 0x4d4d566e) { /* XenVMMXenVMM */
            cpuid(leaf + 2, &a, &b, &c, &d);
            write_msr(b, (uintptr_t)hypercalls);
            ring = (struct ring *)(uintptr_t)(hvm_parameter(PARAM_CONSOLE_PAGE) << 12);
            event = (uint32_t)hvm_parameter(PARAM_CONSOLE_EVENT);
            return;
        }
    }
}

const char *command_line(void)
{
    return start_info->command_line == 0 ? "" : (const char *)(uintptr_t)start_info->command_line;
}

static void tell(void)
{
    hypercall(HYPERCALL_EVENT_CHANNEL, EVTCHNOP_SEND, &event);
}

static void put(char character)
{
    if (ring == NULL) {
        out_byte(0xe9, (uint8_t)character);
        return;
    }
    while (ring->out_given - ring->out_taken >= sizeof(ring->out)) {
        tell();
        hypercall(HYPERCALL_SCHED, SCHEDOP_YIELD, NULL);
    }
    ring->out[ring->out_given % sizeof(ring->out)] = character;
    asm volatile ("" ::: "memory");
    ring->out_given++;
}

static void put_number(uint64_t value, unsigned int base, unsigned int width)
{
    char digits[20];
    unsigned int count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count < width) {
        digits[count++] = '0';
    }
    while (count > 0) {
        put(digits[--count]);
    }
}

/* %s, %u, %x, %llu, %llx, and %02x and the like. */
void print(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    for (; *format != '\0'; format++) {
        unsigned int width = 0, longs = 0;

        if (*format != '%') {
            put(*format);
            continue;
        }
        for (format++; *format >= '0' && *format <= '9'; format++) {
            width = width * 10 + (unsigned int)(*format - '0');
        }
        for (; *format == 'l'; format++) {
            longs++;
        }
        if (*format == 's') {
            const char *text = va_arg(values, const char *);

            while (*text != '\0') {
                put(*text++);
            }
        } else {
            uint64_t value = longs > 0 ? va_arg(values, unsigned long long) : va_arg(values, unsigned int);

            put_number(value, *format == 'x' ? 16 : 10, width);
        }
    }
    va_end(values);
    if (ring != NULL) {
        tell();
    }
}

void end(const char *why)
{
    const uint32_t crashed = 3, off = 0;
    bool well = why == NULL;

    print("%s\n", well ? "# end" : why);
    if (ring != NULL) {
        while (ring->out_taken != ring->out_given) {
            tell();
            hypercall(HYPERCALL_SCHED, SCHEDOP_YIELD, NULL);
        }
        hypercall(HYPERCALL_SCHED, SCHEDOP_SHUTDOWN, well ? &off : &crashed);
    }
    /* isa-debug-exit of QEMU. */
    out_byte(0xf4, well ? 0 : 1);
    for (;;) {
        asm volatile ("cli; hlt");
    }
}
