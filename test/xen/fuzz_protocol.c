/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames of L0, with valid headers and arbitrary bodies, between accesses of
 * L3 and entries of L2: whatever they are, the streams' positions keep their
 * order and distance, counters only grow, and what L1 sends can be sent.
 */

#include <string.h>

#include "frame.h"
#include "fuzz.h"
#include "shim.h"

#include <asm/hvm/nestedhvm.h>

#define CPUS 3

static struct domain l2[2] = { { .domain_id = 1 }, { .domain_id = 2 } };
static struct vcpu cpus[CPUS];

/* As the last check left them. */
static struct vsb_vm_counters counters[VSB_MAX_VMS];
static uint32_t generations[VSB_MAX_VMS];
static struct vsb_counters totals;

static void check(void)
{
    const uint64_t *now, *before;
    unsigned int i, j;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        const struct vsb_vm *vm = &vsb_vms[i];
        uint32_t unacked = vm->out_end - vm->out_acked;

        INVARIANT(unacked <= VSB_OUT_RING);
        INVARIANT(vm->out_sent - vm->out_acked <= unacked);
        INVARIANT(vm->in_next - vm->in_taken <= VSB_IN_RING);
        INVARIANT(vm->window_told <= VSB_IN_RING);
        INVARIANT(vm->nr_vcpus <= VSB_MAX_VCPUS);
        INVARIANT(vm->halt_policy <= VSB_HALT_ALWAYS);
        INVARIANT(vm->state <= VSB_GONE);
        INVARIANT(vm->state != VSB_FREE || !vm->out_end);
        INVARIANT(vm->bell.asserted == vsb_uart_intr(&vm->uart));
        INVARIANT(vm->state == VSB_FREE ||
                  vm->uart.tx_ready == (unacked < VSB_OUT_MARK) ||
                  !vm->generation);
        INVARIANT(vm->generation - generations[i] <= 2);

        if ( vm->generation == generations[i] )
        {
            now = (const uint64_t *)&vm->count;
            before = (const uint64_t *)&counters[i];
            for ( j = 0; j < sizeof(vm->count) / 8; j++ )
                INVARIANT(now[j] >= before[j]);
        }
        generations[i] = vm->generation;
        counters[i] = vm->count;
    }

    now = (const uint64_t *)&vsb_count;
    before = (const uint64_t *)&totals;
    for ( j = 0; j < sizeof(vsb_count) / 8; j++ )
        INVARIANT(now[j] >= before[j]);
    totals = vsb_count;
}

/* A position near one that the VM has, or any. */
static uint32_t position(const struct vsb_vm *vm, uint8_t choice, uint8_t value)
{
    switch ( choice % 8 )
    {
    case 0:
        return vm->out_acked + value;
    case 1:
        return vm->out_sent - value;
    case 2:
        return vm->out_end + value;
    case 3:
    case 4:
        return vm->in_next;
    case 5:
        return vm->in_next - value;
    case 6:
        return vm->in_taken + VSB_IN_RING + value;
    }

    return value * 0x01010101u;
}

/* The frame that these bytes describe; the number of bytes used. */
static size_t frame(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {
        0x81, 0x83, 0x83, 0x83, 0x84, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a,
        0x8b, 0x8b, 0x8c,
    };
    uint8_t payload[VSB_FRAME_PAYLOAD];
    struct vsb_vm *vm;
    unsigned int len, slot, n;

    if ( size < 5 )
        return size;

    slot = data[1] % 8 == 7 ? data[1] : data[1] % 4;
    vm = &vsb_vms[slot % VSB_MAX_VMS];
    payload[0] = data[0] < 250 ? types[data[0] % ARRAY_SIZE(types)] : data[0];
    /* HELLO starts everything over: seldom. */
    if ( payload[0] == 0x81 && data[1] > 8 )
        payload[0] = 0x84;
    payload[1] = slot;
    vsb_put16(payload + 2, data[2] < 240 ? vm->generation : data[2]);
    vsb_put32(payload + 4, position(vm, data[2], data[3]));
    len = VSB_FRAME_HEADER + data[4];
    data += 5;
    size -= 5;

    n = len > 8 ? len - 8 : 0;
    if ( n > size )
    {
        len -= n - size;
        n = size;
    }
    memcpy(payload + 8, data, n);
    shim_receive(payload, len);

    return 5 + n;
}

static void run(uint8_t which, uint8_t how)
{
    struct vcpu *v = &cpus[which % CPUS];
    struct vsb_entry entry = {
        .vmcx = 0x1000 * (1 + how % 7),
        .root = 0x100000 + 0x1000 * (how / 7 % 5),
        .at_reset = how / 35 == 6,
        .at_sipi = which & 0x20,
        .at_loader = which & 0x10,
    };

    if ( which & 0x40 )
        shim_new_vmcb(v, entry.vmcx);
    shim_enter(v, &entry, how);
}

/* The user VM that the CPU runs accesses COM1, halts, or is about to go on. */
static void access(uint8_t which, uint8_t reg, uint8_t val)
{
    struct vcpu *v = &cpus[which % CPUS];
    uint32_t data = val;

    if ( !v->arch.hvm.nvcpu.nv_guestmode )
        return;

    shim_cpu.regs.rip = shim_cpu.regs.rax = val;
    shim_cpu.regs.eflags = val & 1 ? X86_EFLAGS_IF : 0;
    shim_cpu.busy = val & 2;
    shim_cpu.unreadable = val == 0xee;
    if ( reg < 128 )
        shim_io(v, VSB_COM1 - 3 + reg % 14, 1 << (reg / 16 % 3), reg & 8, &data);
    else if ( reg < 192 )
        shim_io(v, VSB_COM1 + reg % 8, 1, reg & 8, &data);
    else if ( reg < 208 )
        shim_string(v, VSB_COM1 + reg % 8, 1, reg & 8, &data);
    else if ( reg < 224 )
        shim_opportunity(v);
    else if ( reg < 240 )
        shim_hlt(v);
    else if ( reg < 248 )
        shim_wrmsr(v, 0x808 + reg % 8, val & 4);
    else
        shim_fault(v, 0xfec00000 + val);
    shim_cpu.busy = shim_cpu.unreadable = false;
}

/* A process of the L2 that the CPU belongs to calls. */
static void ultracall(uint8_t which)
{
    struct vcpu *v = &cpus[which % CPUS];
    struct cpu_user_regs regs = { .rax = VSB_ULTRACALL };
    bool answered = false;

    regs.eflags = X86_EFLAGS_IF;
    shim_current = v;
    if ( vsb_hypercall(v, &regs, &answered) )
        INVARIANT(vsb_irq_mode == VSB_IRQ_ULTRACALL);
    else
        INVARIANT(regs.rax == VSB_ULTRACALL && !answered);
}

/* @n bytes of output, more than a ring in a few calls. */
static void flood(uint8_t which, unsigned int n)
{
    while ( n-- )
        access(which, 128, n);
}

static void send_frames(unsigned int n)
{
    uint8_t payload[VSB_FRAME_PAYLOAD], wire[VSB_FRAME_WIRE_MAX];
    unsigned int len;

    while ( n-- )
    {
        memset(payload, 0, sizeof(payload));
        len = shim_next(payload);
        if ( !len )
            return;
        INVARIANT(len <= VSB_FRAME_PAYLOAD);
        INVARIANT(vsb_frame_encode(wire, payload, len));
        INVARIANT(payload[0] >= 0x01 && payload[0] <= 0x07);
        INVARIANT(payload[0] != 0x07 || vsb_irq_mode == VSB_IRQ_NET);
    }
    INVARIANT(!vsb_protocol_holds(shim_now + MILLISECS(1000)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t hello[] = { 0x81, 0xff, 0, 0, 1, 0 };
    unsigned int i;
    size_t used;

    shim_reset();
    memset(counters, 0, sizeof(counters));
    memset(generations, 0, sizeof(generations));
    memset(&totals, 0, sizeof(totals));
    for ( i = 0; i < CPUS; i++ )
        cpus[i] = (struct vcpu){ .domain = &l2[i / 2] };
    cpus[0].next_in_list = &cpus[1];
    l2[0].shim_vcpus = &cpus[0];
    l2[1].shim_vcpus = &cpus[2];
    for ( i = 0; i < CPUS; i++ )
        run(i, i);
    shim_receive(hello, sizeof(hello));
    send_frames(200);

    for ( ; size >= 4; data += used, size -= used )
    {
        used = 4;
        shim_now += data[1] * MICROSECS(100);
        switch ( data[0] % 16 )
        {
        case 0 ... 5:
            used = 1 + frame(data + 1, size - 1);
            break;

        case 6 ... 9:
            access(data[1], data[2], data[3]);
            break;

        case 10:
            send_frames(data[1] % 32);
            break;

        case 11:
            run(data[1], data[2]);
            break;

        case 12:
            flood(data[1], 16 * data[2]);
            break;

        case 13:
            shim_now += data[1] * MILLISECS(4);
            shim_housekeeping();
            break;

        case 14:
            if ( data[2] & 2 )
                ultracall(data[1]);
            else
                cpus[data[1] % CPUS].arch.hvm.nvcpu.nv_guestmode = data[2] & 1;
            break;

        case 15:
            if ( data[1] == 0 )
                vsb_domain_relinquish(&l2[data[2] % 2]);
            else
                send_frames(1);
            break;
        }
        check();
    }

    return 0;
}
