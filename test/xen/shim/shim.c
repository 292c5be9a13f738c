/* SPDX-License-Identifier: GPL-2.0-only */
/* See shim.h. */

#include "shim.h"

#include <xen/random.h>
#include <xen/version.h>

#include <asm/hvm/hvm.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/hvm/support.h>

#define HELD_MAX 4

bool vsb_enabled = true;

s_time_t shim_now;
unsigned int shim_kicks, shim_reads;
uint8_t shim_memory[SHIM_MEMORY];
void (*shim_on_read)(paddr_t address, unsigned int len);
struct vcpu *shim_current;
void (*shim_on_block)(void);

static spinlock_t link_lock = { .rank = SHIM_RANK_LINK };
static spinlock_t *held[HELD_MAX];
static unsigned int held_count;
static bool irqs_off;
static uint64_t random_state = 1;

void spin_lock_init(spinlock_t *lock)
{
    *lock = (spinlock_t){ .rank = SHIM_RANK_DYNAMIC };
}

void spin_lock(spinlock_t *lock)
{
    CHECK(irqs_off);
    CHECK(lock->rank != SHIM_RANK_NONE);
    CHECK(!lock->held);
    CHECK(!held_count || held[held_count - 1]->rank < lock->rank);
    CHECK(held_count < HELD_MAX);
    lock->held = true;
    held[held_count++] = lock;
}

void spin_unlock(spinlock_t *lock)
{
    CHECK(lock->held);
    CHECK(held_count && held[held_count - 1] == lock);
    lock->held = false;
    held_count--;
}

unsigned long shim_irqsave(void)
{
    unsigned long flags = irqs_off;

    irqs_off = true;

    return flags;
}

void shim_irqrestore(unsigned long flags)
{
    CHECK(irqs_off);
    CHECK(flags || !held_count);
    irqs_off = flags;
}

void vcpu_block(void)
{
    CHECK(!held_count && !irqs_off);
    shim_current->shim_blocked = true;
    if ( shim_on_block )
        shim_on_block();
}

void vcpu_unblock(struct vcpu *v)
{
    v->shim_unblocked++;
    v->shim_blocked = false;
}

void vcpu_kick(struct vcpu *v)
{
    v->shim_kicked++;
}

unsigned int get_random(void)
{
    return shim_random();
}

unsigned int xen_major_version(void)
{
    return 4;
}

unsigned int xen_minor_version(void)
{
    return 17;
}

const char *xen_extra_version(void)
{
    return ".5-shim";
}

/* The walk and the copy take locks of Xen's: none of ours may be held. */
int nhvm_hap_walk_L1_p2m(struct vcpu *v, paddr_t l2_gpa, paddr_t *l1_gpa,
                         unsigned int *page_order, uint8_t *p2m_access,
                         struct npfec npfec)
{
    CHECK(v && npfec.read_access && !held_count && !irqs_off);
    if ( l2_gpa >= SHIM_MEMORY )
        return NESTEDHVM_PAGEFAULT_INJECT;

    *l1_gpa = l2_gpa;
    *page_order = 0;
    *p2m_access = 0;

    return NESTEDHVM_PAGEFAULT_DONE;
}

enum hvm_translation_result hvm_copy_from_guest_phys(void *buf, paddr_t paddr,
                                                     unsigned int size)
{
    CHECK(!held_count && !irqs_off);
    CHECK((paddr & ~PAGE_MASK) + size <= PAGE_SIZE);
    shim_reads++;
    if ( paddr >= SHIM_MEMORY )
        return HVMTRANS_bad_gfn_to_mfn;

    if ( shim_on_read )
        shim_on_read(paddr, size);
    memcpy(buf, &shim_memory[paddr], size);

    return HVMTRANS_okay;
}

/* link.c takes its lock in this call. */
void vsb_link_kick(struct vsb_vm *vm, bool urgent)
{
    CHECK(!held_count);
    CHECK(vm >= vsb_vms && vm < vsb_vms + VSB_MAX_VMS);
    shim_kicks += urgent;
}

unsigned int shim_next(uint8_t *payload)
{
    unsigned long flags;
    unsigned int n;

    spin_lock_irqsave(&link_lock, flags);
    n = vsb_protocol_next(payload);
    spin_unlock_irqrestore(&link_lock, flags);

    return n;
}

void shim_receive(const uint8_t *payload, unsigned int len)
{
    unsigned long flags;

    spin_lock_irqsave(&link_lock, flags);
    vsb_protocol_receive(payload, len);
    spin_unlock_irqrestore(&link_lock, flags);
}

void shim_housekeeping(void)
{
    unsigned long flags;

    spin_lock_irqsave(&link_lock, flags);
    vsb_vm_housekeeping(shim_now);
    vsb_protocol_timeouts(shim_now);
    spin_unlock_irqrestore(&link_lock, flags);
}

void shim_reset(void)
{
    CHECK(!held_count && !irqs_off);
    memset(vsb_vms, 0, sizeof(vsb_vms));
    memset(&vsb_count, 0, sizeof(vsb_count));
    memset(shim_memory, 0, sizeof(shim_memory));
    vsb_halt_default = VSB_HALT_ADAPTIVE;
    vsb_irq_mode = VSB_IRQ_DOORBELL;
    shim_on_read = NULL;
    shim_on_block = NULL;
    shim_kicks = shim_reads = 0;
    /* Not 0: some times are 0 for "never". */
    shim_now = SECONDS(100);
    vsb_vm_init();
    vsb_protocol_init();
}

void shim_seed(uint64_t seed)
{
    random_state = seed * 0x9e3779b97f4a7c15ull | 1;
}

uint32_t shim_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;

    return (random_state * 0x2545f4914f6cdd1dull) >> 32;
}

bool shim_chance(unsigned int percent)
{
    return shim_random() % 100 < percent;
}
