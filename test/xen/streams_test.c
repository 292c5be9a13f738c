/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The byte streams of a user VM (protocol.c, com1.c) over a line that loses,
 * spoils, repeats and holds frames back, with an L0 that is started anew in
 * the middle. L0 is a model after docs/link-protocol.md.
 */

#include "frame.h"
#include "shim.h"
#include "tap.h"

#include <asm/hvm/nestedhvm.h>

#define L1_HELLO    0x01
#define L1_VM       0x02
#define L1_DATA     0x03
#define L1_ACK      0x04
#define L0_HELLO    0x81
#define L0_DATA     0x83
#define L0_ACK      0x84
#define ACK_RESEND  0x01

#define OUT_BYTES   200000u
#define IN_BYTES    50000u
#define MAX_DATA    248u

/* Byte @i of each stream: no two places look alike for long. */
static uint8_t pattern(uint32_t i)
{
    return (i * 2654435761u) >> 23 ^ i >> 8;
}

/* One direction of the line: frames on their way, in order. */
#define FRAMES 64
struct line
{
    struct
    {
        uint8_t wire[VSB_FRAME_WIRE_MAX];
        unsigned int len;
        s_time_t arrival;
    } frames[FRAMES];
    unsigned int head, count;
    s_time_t stalled_until;
    unsigned int loss;          /* percent of frames, for each kind */
    struct vsb_frame_decoder decoder;
};

static bool has_room(const struct line *line)
{
    return line->count + 2 <= FRAMES;
}

static void put(struct line *line, const uint8_t *payload, unsigned int len)
{
    unsigned int copies = 1 + shim_chance(line->loss);

    if ( shim_chance(line->loss) )
        return;

    while ( copies-- && line->count < FRAMES )
    {
        unsigned int i = (line->head + line->count++) % FRAMES, n;

        n = vsb_frame_encode(line->frames[i].wire, payload, len);
        if ( shim_chance(line->loss) )
            line->frames[i].wire[shim_random() % n] ^= 1 << shim_random() % 8;
        if ( shim_chance(line->loss) )
            n = shim_random() % n;
        line->frames[i].len = n;
        line->frames[i].arrival = shim_now + MICROSECS(500);
    }
    if ( shim_chance(line->loss) && shim_chance(20) )
        line->stalled_until = shim_now + MILLISECS(shim_random() % 1500);
}

static void take(struct line *line,
                 void (*receive)(void *, const uint8_t *, unsigned int),
                 void *who)
{
    while ( line->count && shim_now >= line->stalled_until &&
            shim_now >= line->frames[line->head].arrival )
    {
        unsigned int i, h = line->head, n;

        line->head = (h + 1) % FRAMES;
        line->count--;
        for ( i = 0; i < line->frames[h].len; i++ )
        {
            n = vsb_frame_decode(&line->decoder, line->frames[h].wire[i]);
            if ( n )
                receive(who, line->decoder.buf, n);
        }
    }
}

struct l0
{
    struct line *to_l1;
    bool connected, known;      /* has had HELLO; the VM's record */
    uint16_t generation;
    uint32_t next;              /* of the output */
    bool gap, ack_due;
    uint32_t acked, sent, window;
    s_time_t progress;

    /* The session of all L0s together. */
    uint32_t received;          /* output up to here was seen */
    unsigned int wrong, beyond_window;
    bool reader;                /* acknowledges output */
};

static void l0_head(uint8_t *payload, uint8_t type, uint16_t generation)
{
    payload[0] = type;
    payload[1] = type == L0_HELLO ? 0xff : 0;
    vsb_put16(payload + 2, generation);
}

static void l0_start(struct l0 *l0)
{
    uint8_t payload[8];

    l0->connected = l0->known = l0->gap = l0->ack_due = false;
    l0->progress = shim_now;
    l0_head(payload, L0_HELLO, 0);
    vsb_put16(payload + 4, 1);
    put(l0->to_l1, payload, 6);
}

static void l0_ack(struct l0 *l0, uint8_t flags)
{
    uint8_t payload[16];

    l0_head(payload, L0_ACK, l0->generation);
    vsb_put32(payload + 4, l0->next);
    payload[8] = flags;
    put(l0->to_l1, payload, 9);
    l0->ack_due = false;
}

static void l0_data(struct l0 *l0, const uint8_t *data, unsigned int len,
                    uint32_t offset)
{
    if ( offset != l0->next )
    {
        if ( (int32_t)(offset - l0->next) > 0 )
        {
            if ( !l0->gap )
                l0_ack(l0, ACK_RESEND);
            l0->gap = true;
            return;
        }
        l0->ack_due = true;
        if ( l0->next - offset >= len )
            return;
        data += l0->next - offset;
        len -= l0->next - offset;
    }

    l0->gap = false;
    l0->ack_due = true;
    for ( ; len--; data++, l0->next++ )
        l0->wrong += *data != pattern(l0->next);
    if ( (int32_t)(l0->next - l0->received) > 0 )
        l0->received = l0->next;
}

static void l0_receive(void *who, const uint8_t *payload, unsigned int len)
{
    struct l0 *l0 = who;

    if ( payload[0] == L1_HELLO )
    {
        l0->connected = true;
        return;
    }
    if ( !l0->connected || payload[1] != 0 )
        return;

    switch ( payload[0] )
    {
    case L1_VM:
        if ( l0->known && l0->generation == vsb_get16(payload + 2) )
            break;
        l0->known = true;
        l0->generation = vsb_get16(payload + 2);
        l0->next = vsb_get32(payload + 24);
        l0->acked = l0->sent = vsb_get32(payload + 32);
        l0->window = 0;
        break;

    case L1_DATA:
        if ( l0->known )
            l0_data(l0, payload + 8, len - 8, vsb_get32(payload + 4));
        break;

    case L1_ACK:
        if ( !l0->known )
            break;
        if ( vsb_get32(payload + 4) != l0->acked )
            l0->progress = shim_now;
        l0->acked = vsb_get32(payload + 4);
        l0->window = vsb_get16(payload + 8);
        if ( (int32_t)(l0->acked - l0->sent) > 0 )
            l0->sent = l0->acked;
        break;
    }
}

static void l0_run(struct l0 *l0)
{
    uint8_t payload[VSB_FRAME_PAYLOAD];

    if ( !l0->connected || !l0->known )
    {
        if ( shim_now - l0->progress > MILLISECS(500) )
            l0_start(l0);
        return;
    }

    if ( l0->ack_due && l0->reader )
        l0_ack(l0, 0);

    if ( l0->sent != l0->acked && shim_now - l0->progress > MILLISECS(500) )
    {
        l0->sent = l0->acked;
        l0->progress = shim_now;
    }

    while ( l0->sent - l0->acked < l0->window && l0->sent < IN_BYTES &&
            has_room(l0->to_l1) )
    {
        uint32_t len = 1 + shim_random() % MAX_DATA, i;

        len = min(len, l0->window - (l0->sent - l0->acked));
        len = min(len, IN_BYTES - l0->sent);
        if ( l0->sent == l0->acked )
            l0->progress = shim_now;
        l0_head(payload, L0_DATA, l0->generation);
        vsb_put32(payload + 4, l0->sent);
        for ( i = 0; i < len; i++ )
            payload[8 + i] = pattern(l0->sent++);
        put(l0->to_l1, payload, 8 + len);
    }
}

struct l1
{
    struct vsb_vm *vm;
    struct line *to_l0;
    uint32_t written, read;
    unsigned int wrong, false_windows;
};

static void l1_receive(void *who, const uint8_t *payload, unsigned int len)
{
    (void)who;
    shim_receive(payload, len);
}

static uint8_t in(struct l1 *l1, unsigned int reg)
{
    unsigned long flags;
    uint8_t val;

    spin_lock_irqsave(&l1->vm->lock, flags);
    val = vsb_com1_read(l1->vm, reg);
    spin_unlock_irqrestore(&l1->vm->lock, flags);

    return val;
}

static void out(struct l1 *l1, unsigned int reg, uint8_t val)
{
    unsigned long flags;

    spin_lock_irqsave(&l1->vm->lock, flags);
    vsb_com1_write(l1->vm, reg, val);
    spin_unlock_irqrestore(&l1->vm->lock, flags);
}

static void l1_run(struct l1 *l1)
{
    uint8_t payload[VSB_FRAME_PAYLOAD];
    unsigned int i, n;

    for ( i = 0; i < 8 && has_room(l1->to_l0); i++ )
    {
        n = shim_next(payload);
        if ( !n )
            break;
        if ( payload[0] == L1_ACK &&
             vsb_get32(payload + 4) + vsb_get16(payload + 8) -
             l1->vm->in_taken > VSB_IN_RING )
            l1->false_windows++;
        put(l1->to_l0, payload, n);
    }
}

/* L3 writes while the transmitter is ready, and reads what there is. */
static void l3_run(struct l1 *l1)
{
    unsigned int i, n = shim_random() % 200;

    for ( i = 0; i < n; i++ )
    {
        uint8_t lsr = in(l1, VSB_UART_LSR);

        if ( lsr & VSB_UART_LSR_DR )
            l1->wrong += in(l1, VSB_UART_RBR) != pattern(l1->read++);
        if ( (lsr & VSB_UART_LSR_THRE) && l1->written < OUT_BYTES )
            out(l1, VSB_UART_THR, pattern(l1->written++));
    }
}

static struct domain l2 = { .domain_id = 1 };
static struct vcpu cpu;
static struct line up, down;

static void start(struct l1 *l1, struct l0 *l0, unsigned int loss)
{
    struct vsb_entry entry = { .vmcx = 0x1000, .root = 0x2000 };

    shim_reset();
    cpu = (struct vcpu){ .domain = &l2 };
    shim_identify(&cpu, &entry);
    memset(&up, 0, sizeof(up));
    memset(&down, 0, sizeof(down));
    vsb_frame_decoder_init(&up.decoder);
    vsb_frame_decoder_init(&down.decoder);
    up.loss = down.loss = loss;
    *l1 = (struct l1){ .vm = cpu.arch.hvm.nvcpu.nv_vsb.vm, .to_l0 = &up };
    *l0 = (struct l0){ .to_l1 = &down, .reader = true };
    l1->vm->label_tries = VSB_LABEL_TRIES;
    out(l1, VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    l0_start(l0);
}

/* A millisecond. */
static void tick(struct l1 *l1, struct l0 *l0)
{
    shim_now += MILLISECS(1);
    l1->vm->last_run = shim_now;
    if ( shim_now % MILLISECS(250) == 0 )
        shim_housekeeping();
    take(&up, l0_receive, l0);
    take(&down, l1_receive, NULL);
    l0_run(l0);
    l1_run(l1);
}

/* @restarts of L0, at random moments of the transfer. */
static void transfer(unsigned int loss, unsigned int restarts, s_time_t limit)
{
    struct l1 l1;
    struct l0 l0;
    s_time_t begin;
    unsigned int done = 0;

    shim_seed(loss + restarts + 1);
    start(&l1, &l0, loss);
    begin = shim_now;
    while ( (l0.received < OUT_BYTES || l1.read < IN_BYTES ||
             l1.vm->out_acked != l1.vm->out_end) &&
            shim_now - begin < limit )
    {
        l3_run(&l1);
        tick(&l1, &l0);
        if ( done < restarts &&
             l0.received > (done + 1) * (OUT_BYTES / (restarts + 1)) )
        {
            done++;
            if ( shim_chance(50) )
                down.count = up.count = 0;
            l0_start(&l0);
        }
    }

    tap_ok(l0.received == OUT_BYTES && l1.read == IN_BYTES &&
           l1.vm->out_acked == OUT_BYTES,
           "%u%% of each kind of loss, %u restarts of L0: all arrives in %u ms",
           loss, restarts, (unsigned int)((shim_now - begin) / 1000000));
    tap_ok(!l0.wrong && !l1.wrong, "intact");
    tap_ok(!l1.false_windows, "no window beyond the ring");
    tap_ok(!l1.vm->count.tx_overruns && !l1.vm->count.rx_overruns &&
           l1.vm->count.bytes_out == OUT_BYTES &&
           l1.vm->count.bytes_in == IN_BYTES, "nothing lost, all counted");
}

/* Nobody takes the output. */
static void held_back(void)
{
    struct l1 l1;
    struct l0 l0;
    unsigned int i;

    start(&l1, &l0, 0);
    while ( !l0.known )
        tick(&l1, &l0);
    l0.reader = false;
    out(&l1, VSB_UART_MCR, VSB_UART_MCR_OUT2);
    out(&l1, VSB_UART_IER, VSB_UART_IER_THRE);

    for ( i = 0; in(&l1, VSB_UART_LSR) & VSB_UART_LSR_THRE; i++ )
        out(&l1, VSB_UART_THR, pattern(i));
    tap_ok(i == VSB_OUT_MARK, "THRE is held back after %u bytes", i);
    tap_ok(!vsb_uart_intr(&l1.vm->uart), "and so is its interrupt");

    for ( ; i < VSB_OUT_RING; i++ )
        out(&l1, VSB_UART_THR, pattern(i));
    tap_ok(!l1.vm->count.tx_overruns && l1.vm->out_end == VSB_OUT_RING,
           "who does not ask loses nothing until the ring is full");
    for ( i = 0; i < 10; i++ )
        out(&l1, VSB_UART_THR, '!');
    tap_ok(l1.vm->count.tx_overruns == 10, "and beyond it is counted");

    l0.reader = true;
    for ( i = 0; i < 20000 && l1.vm->out_acked != VSB_OUT_RING; i++ )
        tick(&l1, &l0);
    tap_ok(l0.received == VSB_OUT_RING && !l0.wrong,
           "what is in the ring arrives when L0 reads again");
    tap_ok((in(&l1, VSB_UART_LSR) & VSB_UART_LSR_THRE) &&
           vsb_uart_intr(&l1.vm->uart), "THRE and its interrupt are back");
}

/* L3 does not read, and L0 ignores the window. */
static void window(void)
{
    struct l1 l1;
    struct l0 l0;
    unsigned int i, n;

    start(&l1, &l0, 0);
    for ( i = 0; i < 100; i++ )
        tick(&l1, &l0);
    tap_ok(l0.window < MAX_DATA && l1.vm->in_next - l1.vm->in_taken ==
           VSB_IN_RING - l0.window, "the window closes when L3 does not read");
    l0.window = 60000;
    for ( i = 0; i < 3000; i++ )
        tick(&l1, &l0);
    tap_ok(l1.vm->in_next - l1.vm->in_taken == VSB_IN_RING,
           "what L0 sends beyond it is not taken");
    for ( n = 0; n < 20000 && l1.read < IN_BYTES; n++ )
    {
        l3_run(&l1);
        tick(&l1, &l0);
    }
    tap_ok(l1.read == IN_BYTES && !l1.wrong, "and nothing is lost by that");
}

int main(void)
{
    transfer(0, 0, SECONDS(10));
    transfer(0, 5, SECONDS(20));
    transfer(1, 3, SECONDS(300));
    transfer(5, 3, SECONDS(900));
    transfer(15, 8, SECONDS(3600));
    held_back();
    window();

    return tap_done();
}
