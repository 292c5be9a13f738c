/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an L2 or L3 can make without end keeps nobody from the link: records, lines
 * and output take turns with answers (protocol.c), and a domain's new user VMs are
 * limited (vm.c).
 */

#include "frame.h"
#include "shim.h"
#include "tap.h"

#include <asm/hvm/nestedhvm.h>

#define RECORD      0x02
#define DATA        0x03
#define COUNTERS    0x05
#define RESULT      0x06

static struct domain l2[2] = { { .domain_id = 1 }, { .domain_id = 2 } };
static struct vcpu cpus[2];

static void start(void)
{
    static const uint8_t hello[] = { 0x81, 0xff, 0, 0, 1, 0 };
    uint8_t payload[VSB_FRAME_PAYLOAD];
    unsigned int i;

    shim_reset();
    for ( i = 0; i < 2; i++ )
        cpus[i] = (struct vcpu){ .domain = &l2[i] };
    shim_receive(hello, sizeof(hello));
    while ( shim_next(payload) )
        ;
}

/* A VMRUN of a VMCB12 that nobody knows. True: it is a user VM now. */
static bool make(unsigned int domain)
{
    static uint64_t page = 0x1000;
    struct vsb_entry entry = { .vmcx = page, .root = page + 0x1000 };

    page += 0x2000;
    shim_enter(&cpus[domain], &entry, 0);

    return vcpu_nestedhvm(&cpus[domain]).nv_vsb.vm;
}

static void ask(uint8_t type, uint8_t slot, uint16_t generation,
                unsigned int argument)
{
    uint8_t payload[] = { type, slot, generation & 0xff, generation >> 8, 1, 0,
                          argument & 0xff, argument >> 8 };

    shim_receive(payload, sizeof(payload));
}

static struct vsb_vm *any_vm(void)
{
    return vcpu_nestedhvm(&cpus[0]).nv_vsb.vm;
}

/* More of it, whatever has been sent. */
static void more_records(void)
{
    unsigned int i;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
        if ( vsb_vms[i].state != VSB_FREE )
            vsb_vms[i].record_due = true;
}

static void more_data(void)
{
    unsigned long flags;

    spin_lock_irqsave(&any_vm()->lock, flags);
    while ( any_vm()->out_end - any_vm()->out_sent < 1000 )
    {
        vsb_com1_write(any_vm(), VSB_UART_THR, 'x');
        any_vm()->out_acked = any_vm()->out_sent;
    }
    spin_unlock_irqrestore(&any_vm()->lock, flags);
}

/* How many frames until one of this type, while there is always more; 0: never. */
static unsigned int frames_until(uint8_t type, void (*more)(void))
{
    uint8_t payload[VSB_FRAME_PAYLOAD];
    unsigned int i;

    for ( i = 1; i <= 1000; i++ )
    {
        more();
        if ( !shim_next(payload) )
            return 0;
        if ( payload[0] == type )
            return i;
    }

    return 0;
}

static bool soon(uint8_t type, void (*more)(void))
{
    unsigned int frames = frames_until(type, more);

    return frames && frames <= 8;
}

static void turns(void)
{
    unsigned int slot, i;
    bool all = true;

    start();
    for ( i = 0; i < 4; i++ )
        make(0);

    ask(0x85, 0xff, 0, 0);
    tap_ok(soon(COUNTERS, more_records), "GET_COUNTERS, records without end");
    ask(0x8c, 0xff, 0, 500);
    tap_ok(soon(RESULT, more_records) && vsb_protocol_holds(shim_now),
           "HOLD, the same");
    slot = vsb_slot(any_vm());
    ask(0x85, slot, any_vm()->generation, 0);
    tap_ok(soon(COUNTERS, more_records), "the counters of one user VM");
    tap_ok(soon(RECORD, more_data), "a record, output without end");
    ask(0x85, 0xff, 0, 0);
    tap_ok(soon(COUNTERS, more_data), "GET_COUNTERS, the same");

    more_records();
    for ( i = 0; i < 4; i++ )
    {
        uint8_t payload[VSB_FRAME_PAYLOAD];
        unsigned int j;

        /* The first slot's is always due, and the others' come all the same. */
        for ( j = 0; j < 8 && vsb_vms[i].record_due; j++ )
        {
            vsb_vms[0].record_due = true;
            shim_next(payload);
            if ( payload[0] == RECORD && payload[1] == i )
                break;
        }
        all &= j < 8;
    }
    tap_ok(all, "one slot's records keep back no other's");
}

static void order(void)
{
    uint8_t payload[VSB_FRAME_PAYLOAD];
    bool told = false, early = false, answered = false;
    uint16_t before;

    start();
    make(0);
    more_data();
    while ( shim_next(payload) )
        if ( payload[1] == vsb_slot(any_vm()) )
        {
            told |= payload[0] == RECORD;
            early |= !told;
        }
    tap_ok(told && !early, "nothing of a user VM before its record");

    ask(0x86, vsb_slot(any_vm()), any_vm()->generation, 0);
    told = early = false;
    while ( shim_next(payload) )
    {
        told |= payload[0] == RECORD;
        early |= payload[0] == RESULT && !told;
        answered |= payload[0] == RESULT;
    }
    tap_ok(answered && told && !early, "what a request changed before its answer");

    before = any_vm()->generation;
    ask(0x85, vsb_slot(any_vm()), before, 0);
    any_vm()->generation++;
    answered = false;
    while ( shim_next(payload) )
    {
        early |= payload[0] == COUNTERS;
        answered |= payload[0] == RESULT && payload[VSB_FRAME_HEADER + 3] == 1 &&
                    vsb_get16(payload + 2) == before;
    }
    tap_ok(answered && !early, "no counters of one that L0 has not asked about");
}

static void churn(void)
{
    uint8_t payload[VSB_FRAME_PAYLOAD];
    unsigned int i, made = 0;

    start();
    for ( i = 0; i < 1000; i++ )
    {
        made += make(0);
        shim_now += MICROSECS(100);
    }
    tap_ok(made == VSB_MAX_VMS, "as many as there are slots at once: %u", made);
    tap_ok(vsb_count.vms_refused == 1000 - made, "the others are counted");
    shim_now += SECONDS(11);
    for ( made = i = 0; i < 1000; i++ )
        made += make(0);
    tap_ok(made >= VSB_MAX_VMS, "after a while again");
    vsb_domain_relinquish(&l2[0]);
    while ( shim_next(payload) )
        ;
    for ( made = i = 0; i < 1000; i++ )
    {
        shim_now += MILLISECS(1);
        made += make(0);
    }
    tap_ok(made == 4, "then a few in a second: %u", made);
    shim_now += SECONDS(11);
    tap_ok(make(1), "another domain's are its own");
}

int main(void)
{
    turns();
    order();
    churn();

    return tap_done();
}
