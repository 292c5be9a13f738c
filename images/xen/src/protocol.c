/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: what is said on the link to L0. docs/link-protocol.md describes
 * it; the constants below are the ones of that page.
 *
 * Each stream of bytes is carried by go-back-N: the receiver takes only the
 * next position, the sender goes back to the last acknowledged one when told
 * to or when time passes without progress. So nothing is lost by garbage on
 * the line, nor by a restart of L0's end.
 */

#include "vsb.h"

#include <xen/random.h>
#include <xen/version.h>

#include "frame.h"

#define PROTOCOL_VERSION    1

#define NO_VM               0xff
#define HEADER              VSB_FRAME_HEADER
#define MAX_DATA            248u

#define L1_HELLO            0x01
#define L1_VM               0x02
#define L1_DATA             0x03
#define L1_ACK              0x04
#define L1_COUNTERS         0x05
#define L1_RESULT           0x06
#define L1_LINE             0x07

#define L0_HELLO            0x81
#define L0_DATA             0x83
#define L0_ACK              0x84
#define L0_GET_COUNTERS     0x85
#define L0_HOOK             0x86
#define L0_HLT_POLICY       0x87
#define L0_BREAK            0x88
#define L0_ATTACHED         0x89
#define L0_FORGET           0x8a
#define L0_IRQ_MODE         0x8b
#define L0_HOLD             0x8c

#define ACK_RESEND          0x01

#define VM_HOOKED           0x01
#define VM_UUID             0x02
#define VM_DOUBTFUL         0x04
#define VM_GROWN            0x08
/* and from here on, what is seen now of enum vsb_evidence */
#define VM_EVIDENCE         0x10

#define RESULT_OK           0
#define RESULT_NO_VM        1
#define RESULT_BAD          2

/* For how long L0 may ask to run no guest. */
#define HOLD_LIMIT_MS       1000

#define RESEND_FIRST        MILLISECS(500)
#define RESEND_LAST         SECONDS(4)

struct vsb_counters vsb_count;
enum vsb_halt_policy vsb_halt_default = VSB_HALT_ADAPTIVE;

/* Answers that are still to be sent. An L0 that asks faster is not answered. */
struct answer
{
    uint8_t slot, type, status;
    uint16_t generation, tag;
    bool preceded;              /* by the record that it may have changed */
};

static struct answer answers[32];
static unsigned int answers_head, answers_count;
static uint64_t boot_id;
static bool hello_due = true;
static bool peer;               /* L0 has said hello */
static unsigned int kind_turn;  /* what is said next */
static unsigned int record_turn, data_turn; /* and of which slot, each after it */
static unsigned int hold_ms;    /* as asked, until the answer is sent */
static s_time_t hold_until;

void __init vsb_protocol_init(void)
{
    boot_id = ((uint64_t)get_random() << 32) | get_random();
}

static unsigned int head(uint8_t *p, uint8_t type, const struct vsb_vm *vm)
{
    p[0] = type;
    p[1] = vm ? vsb_slot(vm) : NO_VM;
    vsb_put16(p + 2, vm ? vm->generation : 0);

    return HEADER;
}

static unsigned int put_hello(uint8_t *p)
{
    unsigned int n = head(p, L1_HELLO, NULL);

    vsb_put16(p + n, PROTOCOL_VERSION);
    vsb_put16(p + n + 2, VSB_MAX_VMS);
    vsb_put32(p + n + 4, VSB_OUT_RING);
    vsb_put32(p + n + 8, VSB_IN_RING);
    vsb_put64(p + n + 12, boot_id);
    n += 20;
    snprintf((char *)p + n, VSB_FRAME_PAYLOAD - n, "%u.%u%s",
             xen_major_version(), xen_minor_version(), xen_extra_version());

    return n + strlen((char *)p + n);
}

static unsigned int put_record(uint8_t *p, const struct vsb_vm *vm)
{
    unsigned int n = head(p, L1_VM, vm), i;

    p[n] = vm->state;
    p[n + 1] = (vm->hooked ? VM_HOOKED : 0) | (vm->uuid_valid ? VM_UUID : 0) |
               (vm->doubtful ? VM_DOUBTFUL : 0) | (vm->grown ? VM_GROWN : 0);
    for ( i = 0; i < VSB_EVIDENCE; i++ )
        p[n + 1] |= vm->seen[i] ? VM_EVIDENCE << i : 0;
    vsb_put16(p + n + 2, vm->domid);
    memcpy(p + n + 4, vm->uuid, sizeof(vm->uuid));
    vsb_put32(p + n + 20, vm->out_acked);
    vsb_put32(p + n + 24, vm->out_end);
    vsb_put32(p + n + 28, vm->in_next);

    return n + 32;
}

static unsigned int put_line(uint8_t *p, struct vsb_vm *vm)
{
    unsigned int n = head(p, L1_LINE, vm);

    p[n] = vsb_doorbell_tell_line(vm);

    return n + 1;
}

static unsigned int put_ack(uint8_t *p, struct vsb_vm *vm)
{
    unsigned int n = head(p, L1_ACK, vm);

    vm->window_told = vsb_com1_window(vm);
    vsb_put32(p + n, vm->in_next);
    vsb_put16(p + n + 4, vm->window_told);

    return n + 6;
}

static unsigned int put_data(uint8_t *p, struct vsb_vm *vm)
{
    unsigned int n = head(p, L1_DATA, vm), i;
    unsigned int len = min(vsb_vm_out_limit(vm) - vm->out_sent, MAX_DATA);

    vsb_put32(p + n, vm->out_sent);
    n += 4;
    for ( i = 0; i < len; i++ )
        p[n++] = vm->out[vm->out_sent++ % VSB_OUT_RING];
    if ( vm->out_sent - vm->out_acked > vm->out_known - vm->out_acked )
        vm->out_known = vm->out_sent;

    vm->out_last = NOW();
    if ( !vm->out_timeout )
    {
        vm->out_timeout = RESEND_FIRST;
        vm->out_progress = NOW();
    }

    return n;
}

static unsigned int put_counters(uint8_t *p, uint16_t tag, const uint64_t *count,
                                 unsigned int nr, unsigned int n)
{
    unsigned int i;

    vsb_put16(p + n, tag);
    n += 2;
    for ( i = 0; i < nr; i++, n += 8 )
        vsb_put64(p + n, count[i]);

    return n;
}

/* The record of @vm, if one is due. */
static unsigned int next_record(uint8_t *p, struct vsb_vm *vm)
{
    unsigned long flags;
    unsigned int n = 0;

    if ( !vm->record_due )
        return 0;

    spin_lock_irqsave(&vm->lock, flags);
    /* What a VM said before it went comes first. */
    if ( vm->record_due &&
         (vm->state != VSB_GONE || vm->out_sent == vsb_vm_out_limit(vm)) )
    {
        vm->record_due = false;
        n = put_record(p, vm);
    }
    spin_unlock_irqrestore(&vm->lock, flags);

    return n;
}

static unsigned int put_answer(uint8_t *p)
{
    struct answer *a = &answers[answers_head];
    struct vsb_vm *vm = a->slot < VSB_MAX_VMS ? &vsb_vms[a->slot] : NULL;
    unsigned long flags;
    unsigned int n;

    /* L0 shall know what its request has changed; once, for more may change. */
    if ( vm && !a->preceded )
    {
        a->preceded = true;
        n = next_record(p, vm);
        if ( n )
            return n;
    }

    answers_head = (answers_head + 1) % ARRAY_SIZE(answers);
    answers_count--;

    BUILD_BUG_ON(HEADER + 2 + sizeof(vsb_count) > VSB_FRAME_PAYLOAD);
    BUILD_BUG_ON(HEADER + 2 + sizeof(vm->count) > VSB_FRAME_PAYLOAD);

    if ( a->type == L0_GET_COUNTERS && a->status == RESULT_OK && !vm )
    {
        vsb_count.uptime_ns = NOW();
        return put_counters(p, a->tag, (const uint64_t *)&vsb_count,
                            sizeof(vsb_count) / 8, head(p, L1_COUNTERS, NULL));
    }

    if ( a->type == L0_GET_COUNTERS && a->status == RESULT_OK )
    {
        n = 0;
        spin_lock_irqsave(&vm->lock, flags);
        /* Not those of another one, of which L0 has not heard yet. */
        if ( (uint16_t)vm->generation == a->generation )
            n = put_counters(p, a->tag, (const uint64_t *)&vm->count,
                             sizeof(vm->count) / 8, head(p, L1_COUNTERS, vm));
        spin_unlock_irqrestore(&vm->lock, flags);
        if ( n )
            return n;
        a->status = RESULT_NO_VM;
    }

    /* From now on, for L0 waits for this answer before it stops the machine. */
    if ( a->type == L0_HOLD && a->status == RESULT_OK && hold_ms )
    {
        hold_until = NOW() + MILLISECS(hold_ms);
        hold_ms = 0;
    }

    n = head(p, L1_RESULT, NULL);
    p[1] = a->slot;
    vsb_put16(p + 2, a->generation);
    vsb_put16(p + n, a->tag);
    p[n + 2] = a->type;
    p[n + 3] = a->status;

    return n + 4;
}

static unsigned int next_of_records(uint8_t *p)
{
    unsigned int i, n = 0;

    for ( i = 0; i < VSB_MAX_VMS && !n; i++ )
    {
        record_turn = (record_turn + 1) % VSB_MAX_VMS;
        n = next_record(p, &vsb_vms[record_turn]);
    }

    return n;
}

/* L3 waits for these. */
static unsigned int next_of_lines(uint8_t *p)
{
    unsigned int i, n = 0;

    for ( i = 0; vsb_irq_mode == VSB_IRQ_NET && i < VSB_MAX_VMS && !n; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];
        unsigned long flags;

        if ( !vsb_doorbell_line_due(vm) )
            continue;

        spin_lock_irqsave(&vm->lock, flags);
        if ( !vm->record_due && vsb_doorbell_line_due(vm) )
            n = put_line(p, vm);
        spin_unlock_irqrestore(&vm->lock, flags);
    }

    return n;
}

static unsigned int next_of_answers(uint8_t *p)
{
    return answers_count ? put_answer(p) : 0;
}

static unsigned int next_of_data(uint8_t *p)
{
    unsigned int i, n = 0;

    for ( i = 0; i < VSB_MAX_VMS && !n; i++ )
    {
        struct vsb_vm *vm;
        unsigned long flags;

        data_turn = (data_turn + 1) % VSB_MAX_VMS;
        vm = &vsb_vms[data_turn];
        if ( !vm->ack_due && vm->out_sent == vsb_vm_out_limit(vm) )
            continue;

        spin_lock_irqsave(&vm->lock, flags);
        /* The record comes before what names the generation that it announces. */
        if ( vm->record_due && vm->state != VSB_GONE )
            ;
        else if ( vm->ack_due )
        {
            vm->ack_due = false;
            if ( vm->state != VSB_FREE && vm->state != VSB_GONE )
                n = put_ack(p, vm);
        }
        else if ( vm->out_sent != vsb_vm_out_limit(vm) )
            n = put_data(p, vm);
        spin_unlock_irqrestore(&vm->lock, flags);
    }

    return n;
}

/*
 * All kinds take turns: a user VM can make any one of them without end, a new
 * record with each VMRUN say, and L0's requests are answered all the same.
 */
unsigned int vsb_protocol_next(uint8_t *payload)
{
    unsigned int i, n = 0;

    if ( hello_due )
    {
        hello_due = false;
        return put_hello(payload);
    }

    for ( i = 0; peer && i < 4 && !n; i++ )
        switch ( kind_turn++ % 4 )
        {
        case 0:
            n = next_of_records(payload);
            break;

        case 1:
            n = next_of_lines(payload);
            break;

        case 2:
            n = next_of_answers(payload);
            break;

        case 3:
            n = next_of_data(payload);
            break;
        }

    return n;
}

bool vsb_protocol_holds(s_time_t now)
{
    return now < hold_until;
}

bool vsb_protocol_timeouts(s_time_t now)
{
    bool any = false;
    unsigned int i;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];
        unsigned long flags;

        spin_lock_irqsave(&vm->lock, flags);
        if ( vm->out_timeout && now - vm->out_progress > vm->out_timeout )
        {
            vm->out_sent = vm->out_acked;
            vm->out_progress = now;
            vm->out_timeout = min(vm->out_timeout * 2, RESEND_LAST);
            vsb_count.resends++;
            any = true;
        }
        spin_unlock_irqrestore(&vm->lock, flags);
    }

    return any;
}

static void answer(const uint8_t *frame, uint16_t tag, uint8_t status)
{
    struct answer *a;

    if ( answers_count == ARRAY_SIZE(answers) )
        return;

    a = &answers[(answers_head + answers_count++) % ARRAY_SIZE(answers)];
    *a = (struct answer){
        .type = frame[0], .slot = frame[1], .generation = vsb_get16(frame + 2),
        .tag = tag, .status = status,
    };
}

static void say_hello(void)
{
    unsigned int i;

    peer = true;
    hello_due = true;
    answers_count = 0;
    hold_ms = 0;
    hold_until = 0;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];
        unsigned long flags;

        spin_lock_irqsave(&vm->lock, flags);
        if ( vm->state != VSB_FREE )
        {
            vm->record_due = vm->ack_due = true;
            vm->out_sent = vm->out_acked;
            vm->out_timeout = 0;
            vm->sessions = 0;
            /* The server may be another one, too. */
            vm->bell.line_due |= vm->bell.raised;
        }
        spin_unlock_irqrestore(&vm->lock, flags);
    }
}

static void receive_ack(struct vsb_vm *vm, uint32_t next, uint8_t flags)
{
    /* Only what was sent can be acknowledged. */
    if ( next - vm->out_acked > vm->out_known - vm->out_acked )
    {
        vsb_count.frames_stale++;
        return;
    }

    if ( next != vm->out_acked )
    {
        /* L0 had more than it was thought to have when out_sent went back. */
        if ( next - vm->out_acked > vm->out_sent - vm->out_acked )
            vm->out_sent = next;
        vm->out_acked = next;
        vm->out_progress = NOW();
        vm->out_timeout = RESEND_FIRST;
        vsb_com1_update(vm);
    }

    if ( vm->out_acked == vsb_vm_out_limit(vm) )
        vm->out_timeout = 0;
    else if ( flags & ACK_RESEND )
    {
        vm->out_sent = vm->out_acked;
        vsb_count.resends++;
    }
}

static void receive_data(struct vsb_vm *vm, uint32_t offset,
                         const uint8_t *data, unsigned int len)
{
    uint32_t known = vm->in_next - offset;

    /* Answer a duplicate and a gap, too: L0 has missed what was said. */
    vm->ack_due = true;

    if ( known > len )
        return;

    vsb_com1_input(vm, data + known, len - known);
}

/* The tag, and how a request for one user VM went. */
static int request(struct vsb_vm *vm, uint8_t type, const uint8_t *body,
                   unsigned int len)
{
    switch ( type )
    {
    case L0_GET_COUNTERS:
        return RESULT_OK;

    case L0_HOOK:
        if ( len < 3 || body[2] > 1 )
            return RESULT_BAD;
        vsb_doorbell_hook(vm, body[2]);
        vm->record_due = true;
        return RESULT_OK;

    case L0_HLT_POLICY:
        if ( len < 3 || body[2] > VSB_HALT_ALWAYS )
            return RESULT_BAD;
        vm->halt_policy = body[2];
        return RESULT_OK;

    case L0_BREAK:
        return vsb_com1_break(vm) ? RESULT_OK : RESULT_BAD;

    case L0_ATTACHED:
        if ( len < 4 )
            return RESULT_BAD;
        vm->sessions = vsb_get16(body + 2);
        return RESULT_OK;
    }

    return RESULT_BAD;
}

static int request_all(uint8_t type, const uint8_t *body, unsigned int len)
{
    unsigned int i;
    unsigned long flags;

    switch ( type )
    {
    case L0_GET_COUNTERS:
        return RESULT_OK;

    case L0_HLT_POLICY:
        if ( len < 3 || body[2] > VSB_HALT_ALWAYS )
            return RESULT_BAD;
        vsb_halt_default = body[2];
        for ( i = 0; i < VSB_MAX_VMS; i++ )
            vsb_vms[i].halt_policy = body[2];
        return RESULT_OK;

    case L0_IRQ_MODE:
        if ( len < 3 || body[2] > VSB_IRQ_DIRECT )
            return RESULT_BAD;
        /*
         * The lines stay as they are: whichever way L2 was told, it is the line
         * of its own UART. A waiter finds out when L2 next interrupts it.
         */
        vsb_irq_mode = body[2];
        for ( i = 0; i < VSB_MAX_VMS; i++ )
        {
            spin_lock_irqsave(&vsb_vms[i].lock, flags);
            if ( vsb_vms[i].state != VSB_FREE )
                vsb_doorbell_wake(&vsb_vms[i]);
            spin_unlock_irqrestore(&vsb_vms[i].lock, flags);
        }
        return RESULT_OK;

    case L0_HOLD:
        if ( len < 4 || vsb_get16(body + 2) > HOLD_LIMIT_MS )
            return RESULT_BAD;
        hold_ms = vsb_get16(body + 2);
        hold_until = 0;
        return RESULT_OK;
    }

    return RESULT_BAD;
}

void vsb_protocol_receive(const uint8_t *payload, unsigned int len)
{
    uint8_t type = payload[0], slot = payload[1];
    uint16_t generation = vsb_get16(payload + 2);
    const uint8_t *body = payload + HEADER;
    struct vsb_vm *vm = slot < VSB_MAX_VMS ? &vsb_vms[slot] : NULL;
    unsigned long flags;
    int result = RESULT_NO_VM;

    len -= HEADER;

    if ( type == L0_HELLO && len >= 2 )
    {
        say_hello();
        return;
    }

    if ( type < L0_DATA || type > L0_HOLD || len < 2 || (!vm && slot != NO_VM) )
    {
        vsb_count.frames_unknown++;
        return;
    }

    if ( type == L0_FORGET )
    {
        result = vsb_vm_forget(slot, generation) ? RESULT_OK : RESULT_NO_VM;
        answer(payload, vsb_get16(body), result);
        return;
    }

    if ( !vm )
    {
        answer(payload, vsb_get16(body), request_all(type, body, len));
        return;
    }

    spin_lock_irqsave(&vm->lock, flags);
    if ( vm->state == VSB_FREE || (uint16_t)vm->generation != generation )
        vsb_count.frames_stale++;
    else if ( type == L0_ACK && len >= 5 )
        receive_ack(vm, vsb_get32(body), body[4]);
    else if ( vm->state == VSB_GONE )
        ;
    else if ( type == L0_DATA && len > 4 )
        receive_data(vm, vsb_get32(body), body + 4, len - 4);
    else if ( type != L0_ACK && type != L0_DATA )
        result = request(vm, type, body, len);
    vsb_doorbell_wake(vm);
    spin_unlock_irqrestore(&vm->lock, flags);

    if ( type != L0_ACK && type != L0_DATA )
        answer(payload, vsb_get16(body), result);
}
