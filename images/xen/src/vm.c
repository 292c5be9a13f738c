/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: which user VM is it?
 *
 * A user VM is known by its VMCB12s (with VMX, VMCS12s), one for each vCPU at an
 * address that is stable while the vCPU exists, and by its nested page table's
 * root (nested CR3), which its vCPUs share. Pages of both kinds are used again,
 * and KVM replaces the root whenever L3 toggles CR0.PG. What L3 cannot change, and
 * what tells a vCPU from a later one at the same address, is a number that is
 * written into its VMCB12 when it is first seen, where L2 writes nothing but the
 * zeroes of a new page:
 *
 *  the number that was written    this vCPU, whatever it executes, and hence its
 *                                 VM: a reset makes no other VM of it
 *  none, at the reset vector,     the boot processor of a new VM
 *  or where Xen's firmware begins
 *  none, elsewhere                one more vCPU of the VM that runs on this root
 *                                 now; of none: a new VM, restored or migrated
 *  another number                 a vCPU of a VM that was forgotten
 *
 * A vCPU whose page has another number, or none, does not exist any more; a VM
 * without vCPUs is gone.
 *
 * The SMBIOS UUID in L3's memory is the name that people know. L2 put it there
 * and could lie: a label, not a proof. L3 can change it, too, so what counts is
 * what the firmware has written before anything else ran. A VM that brings
 * another label after a reset is the same VM, and its label doubtful for good; so
 * is that of a VM which was not seen from its first instruction on.
 */

#include "vsb.h"

#include <xen/random.h>
#include <xen/rcupdate.h>

#include <asm/hvm/nestedhvm.h>

struct vsb_vm vsb_vms[VSB_MAX_VMS];
static DEFINE_SPINLOCK(vsb_vms_lock);

/* The label is written by L3's firmware, so it may appear late. */
#define LABEL_PERIOD    MILLISECS(500)
/* While that runs: so often, a twentieth of the time at most, and so long. */
#define EARLY_PERIOD    MILLISECS(10)
#define EARLY_SHARE     20
#define EARLY_LIMIT     SECONDS(60)

/* A VM that ran so lately has not ended, as far as anybody can tell. */
#define RAN_LATELY      SECONDS(1)
/* Its secondary vCPUs were started by then. */
#define GROWN_UP        SECONDS(300)
/* Whose vCPU a lone one is turns out soon. */
#define PIECE_LIMIT     SECONDS(10)

static uint64_t last_mark;

/*
 * An L2 can make a new user VM of each VMRUN, and each is a record for L0, a reset
 * of a UART, and a slot that another L2's may lose. So many of one domain at once,
 * then one in each period. What is refused has a dead port and asks again with its
 * next VMRUN.
 */
#define NEW_AT_ONCE     VSB_MAX_VMS
#define NEW_PERIOD      MILLISECS(250)
#define NEW_DOMAINS     8u

static struct
{
    uint16_t domid;
    s_time_t even;          /* when the domain's account is even again */
} accounts[NEW_DOMAINS];

void __init vsb_vm_init(void)
{
    unsigned int i;

    /* Not those of a boot before, if L2's memory has come through it. */
    last_mark = (uint64_t)get_random() << 32;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
        spin_lock_init(&vsb_vms[i].lock);
    memset(accounts, 0, sizeof(accounts));
}

static bool live(const struct vsb_vm *vm)
{
    return vm->state == VSB_RUNNING || vm->state == VSB_SILENT_VM;
}

static struct vsb_l3_vcpu *find_vcpu(struct vsb_vm *vm, uint64_t vmcx)
{
    unsigned int i;

    for ( i = 0; i < vm->nr_vcpus; i++ )
        if ( vm->vcpus[i].mark && vm->vcpus[i].vmcx == vmcx )
            return &vm->vcpus[i];

    return NULL;
}

/* It is the vCPU that it was, not another one on the same page. */
static bool same_vcpu(const struct vsb_l3_vcpu *vcpu,
                      const struct vsb_entry *entry)
{
    return vcpu->vmcx == entry->vmcx &&
           (!vsb_arch.mark || vcpu->mark == entry->mark);
}

/* A free entry of vm->vcpus[], or NULL. */
static struct vsb_l3_vcpu *free_vcpu(struct vsb_vm *vm)
{
    unsigned int i;

    for ( i = 0; i < vm->nr_vcpus && vm->vcpus[i].mark; i++ )
        ;
    if ( i == VSB_MAX_VCPUS )
        return NULL;

    if ( i == vm->nr_vcpus )
        vm->count.vcpus = ++vm->nr_vcpus;

    return &vm->vcpus[i];
}

static bool runs(const struct vsb_vm *vm, s_time_t now)
{
    unsigned int i;

    if ( now - vm->last_run <= RAN_LATELY )
        return true;

    for ( i = 0; i < vm->nr_vcpus; i++ )
        if ( vsb_entered(vm, &vm->vcpus[i]) )
            return true;

    return false;
}

/*
 * A vCPU that L2 entered before any other on a new root, so that nobody could
 * tell whose it is.
 */
static bool is_piece(const struct vsb_vm *vm, s_time_t now)
{
    return !vm->from_reset && !vm->doubtful && !vm->uuid_valid &&
           now - vm->born < PIECE_LIMIT;
}

static bool has_root(const struct vsb_vm *vm, uint64_t root)
{
    unsigned int i;

    for ( i = 0; root && i < VSB_MAX_ROOTS; i++ )
        if ( vm->roots[i] == root )
            return true;

    return false;
}

/* @root is the newest, also if it is known: KVM goes to and fro for SMM. */
static void add_root(struct vsb_vm *vm, uint64_t root)
{
    unsigned int i;

    if ( !root )
        return;

    for ( i = 0; i < VSB_MAX_ROOTS - 1 && vm->roots[i] != root; i++ )
        ;
    memmove(&vm->roots[1], &vm->roots[0], i * sizeof(vm->roots[0]));
    vm->roots[0] = root;
}

static void drop_root(struct vsb_vm *vm, uint64_t root)
{
    unsigned int i;

    for ( i = 0; i < VSB_MAX_ROOTS; i++ )
        if ( vm->roots[i] == root )
            vm->roots[i] = 0;
}

static void set_gone(struct vsb_vm *vm)
{
    vm->state = VSB_GONE;
    vm->nr_vcpus = 0;
    /* The vCPUs of a domain that dies are not there any more after this. */
    memset(vm->vcpus, 0, sizeof(vm->vcpus));
    memset(vm->roots, 0, sizeof(vm->roots));
    vm->record_due = true;
}

static void set_silent(struct vsb_vm *vm)
{
    if ( vm->state != VSB_RUNNING )
        return;

    vm->state = VSB_SILENT_VM;
    vm->record_due = true;
}

/* The page of this vCPU is another's. */
static void drop_vcpu(struct vsb_vm *vm, struct vsb_l3_vcpu *vcpu)
{
    unsigned int i;

    *vcpu = (struct vsb_l3_vcpu){ .idle = true };
    for ( i = 0; i < vm->nr_vcpus; i++ )
        if ( vm->vcpus[i].mark )
            return;

    set_gone(vm);
}

/* Of the slots, so many are for each L2. */
static unsigned int share(void)
{
    const struct domain *d;
    unsigned int l2s = 0;

    rcu_read_lock(&domlist_read_lock);
    for_each_domain ( d )
        l2s += nestedhvm_enabled(d);
    rcu_read_unlock(&domlist_read_lock);

    return l2s < VSB_MAX_VMS ? VSB_MAX_VMS / max(l2s, 1u) : 1;
}

/*
 * A slot for a new user VM: a free one, else that of a VM which is gone and
 * whose output L0 has, else of the one that has not run for longest. Never one
 * that another L2 uses, nor a free one beyond this one's share. Called with
 * vsb_vms_lock held.
 */
static struct vsb_vm *take_slot(uint16_t domid, s_time_t now)
{
    struct vsb_vm *oldest = NULL, *unused = NULL;
    unsigned int i, used = 0;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];

        if ( vm->state == VSB_FREE ||
             (vm->state == VSB_GONE && !vm->record_due &&
              vm->out_acked == vsb_vm_out_limit(vm)) )
        {
            if ( !unused )
                unused = vm;
            continue;
        }

        if ( vm->domid != domid )
            continue;

        used++;
        if ( now - vm->last_run >= VSB_SILENT &&
             (!oldest || vm->last_run < oldest->last_run) )
            oldest = vm;
    }

    return unused && used < share() ? unused : oldest;
}

/*
 * A new generation: what was said to or by the one before is not its own. Its
 * output is what came since position @start.
 */
static void restart_streams(struct vsb_vm *vm, uint32_t start)
{
    vm->out_acked = vm->out_sent = vm->out_known = vm->out_reset = start;
    vm->out_timeout = 0;
    vm->in_taken = vm->in_next;
    vm->window_told = 0;
    vm->breaks = 0;
    vm->ack_due = vm->record_due = true;
}

/* Called with vsb_vms_lock held. */
static bool may_be_new(uint16_t domid, s_time_t now)
{
    unsigned int i, mine = 0;

    for ( i = 0; i < NEW_DOMAINS; i++ )
    {
        if ( accounts[i].domid == domid )
        {
            mine = i;
            break;
        }
        if ( accounts[i].even < accounts[mine].even )
            mine = i;
    }
    if ( accounts[mine].domid != domid || accounts[mine].even < now )
        accounts[mine].even = now;
    accounts[mine].domid = domid;

    if ( accounts[mine].even - now > (NEW_AT_ONCE - 1) * NEW_PERIOD )
        return false;
    accounts[mine].even += NEW_PERIOD;

    return true;
}

static struct vsb_vm *new_vm(uint16_t domid, const struct vsb_entry *entry,
                             s_time_t now)
{
    struct vsb_vm *vm = NULL;
    unsigned long flags;

    vsb_count.vms_seen++;

    /* Without a link there is nobody to talk to, and L2 shall not do it either. */
    if ( vsb_link_up && may_be_new(domid, now) )
        vm = take_slot(domid, now);

    if ( !vm )
    {
        vsb_count.vms_refused++;
        return NULL;
    }

    spin_lock_irqsave(&vm->lock, flags);

    vm->state = VSB_RUNNING;
    vm->hooked = true;
    vm->uuid_valid = false;
    memset(vm->uuid, 0, sizeof(vm->uuid));
    /* One that was forgotten has run, and may have written itself a label. */
    vm->doubtful = entry->mark;
    /* Without marks one that was forgotten cannot be told from a new one. */
    vm->from_reset = !vsb_arch.mark ||
                     ((entry->at_reset || entry->at_loader) && !entry->mark);
    vm->grown = false;
    memset(vm->seen, 0, sizeof(vm->seen));
    vm->born = now;
    vm->domid = domid;
    vm->generation++;
    vm->nr_vcpus = 0;
    memset(vm->roots, 0, sizeof(vm->roots));
    vm->last_run = now;
    vm->label_early = vm->from_reset;
    vm->label_next = 0;
    vm->label_tries = 0;
    vm->label_search++;
    vm->halt_policy = vsb_halt_default;
    vm->sessions = 0;
    vm->last_input = 0;
    restart_streams(vm, vm->out_end);
    memset(&vm->count, 0, sizeof(vm->count));
    vsb_com1_reset(vm);

    spin_unlock_irqrestore(&vm->lock, flags);

    return vm;
}

/*
 * Can a vCPU that nobody knows be one of @vm? Only while that runs: L2 may have
 * given the root's page to another. KVM of Linux 5.10 has another root for
 * processors in real mode, which the boot processor has used before.
 */
static bool takes_in(const struct vsb_vm *vm, const struct vsb_entry *entry,
                     s_time_t now)
{
    return entry->root && runs(vm, now) &&
           (vm->roots[0] == entry->root ||
            (entry->at_sipi && has_root(vm, entry->root)));
}

/* Called with vsb_vms_lock held. */
static struct vsb_vm *find_vm(uint16_t domid, const struct vsb_entry *entry,
                              s_time_t now)
{
    struct vsb_vm *by_vmcx = NULL, *by_root = NULL;
    unsigned int i;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];
        const struct vsb_l3_vcpu *vcpu;

        if ( !live(vm) || vm->domid != domid )
            continue;

        vcpu = find_vcpu(vm, entry->vmcx);
        if ( vcpu && same_vcpu(vcpu, entry) )
            by_vmcx = vm;
        else if ( takes_in(vm, entry, now) &&
                  (!by_root || vm->last_run > by_root->last_run) )
            by_root = vm;
    }

    if ( entry->at_reset || !by_root )
        return by_vmcx;

    if ( !by_vmcx && entry->at_loader )
        return NULL;

    if ( by_vmcx )
    {
        /*
         * Without a mark it is a guess: a VMCB12 is there before its VM runs, so
         * where the root's VM ran last the VMCB12 is one more vCPU of that.
         */
        bool reused = !vsb_arch.mark && by_root->roots[0] == entry->root &&
                      by_root->last_run >= by_vmcx->last_run;

        return reused || is_piece(by_vmcx, now) ? by_root : by_vmcx;
    }

    return entry->mark ? NULL : by_root;
}

/* @piece is part of @vm. Called with vsb_vms_lock held. */
static void absorb(struct vsb_vm *vm, struct vsb_vm *piece)
{
    unsigned int i;

    for ( i = 0; i < piece->nr_vcpus; i++ )
    {
        struct vsb_l3_vcpu moved, *vcpu;

        spin_lock(&piece->lock);
        moved = piece->vcpus[i];
        spin_unlock(&piece->lock);
        if ( !moved.mark )
            continue;

        spin_lock(&vm->lock);
        vcpu = free_vcpu(vm);
        if ( vcpu )
            *vcpu = moved;
        spin_unlock(&vm->lock);
    }

    spin_lock(&piece->lock);
    set_gone(piece);
    spin_unlock(&piece->lock);
}

/*
 * No other than @owner, which may be NULL, is known by the pages of @entry any
 * more. Called with vsb_vms_lock held.
 */
static void leave_pages(uint16_t domid, const struct vsb_entry *entry,
                        struct vsb_vm *owner, s_time_t now)
{
    unsigned int i;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];
        struct vsb_l3_vcpu *vcpu = find_vcpu(vm, entry->vmcx);
        bool current_root = entry->root && vm->roots[0] == entry->root;

        if ( vm == owner || !live(vm) || vm->domid != domid ||
             (!vcpu && !has_root(vm, entry->root)) )
            continue;

        if ( owner && !entry->at_reset && is_piece(vm, now) &&
             ((vcpu && same_vcpu(vcpu, entry)) ||
              (current_root && runs(vm, now))) )
        {
            absorb(owner, vm);
            continue;
        }

        spin_lock(&vm->lock);
        drop_root(vm, entry->root);
        if ( vcpu )
            drop_vcpu(vm, vcpu);
        /* It ended, or has yet to run on another root. */
        if ( current_root && !runs(vm, now) )
            set_silent(vm);
        spin_unlock(&vm->lock);
    }
}

void vsb_vm_identify(struct vcpu *v, const struct vsb_entry *entry)
{
    struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    struct vsb_vm *vm = cache->vm;
    uint16_t domid = v->domain->domain_id;
    struct vsb_l3_vcpu *vcpu;
    s_time_t now = NOW();
    bool is_new = false, reset = false, told = false;
    unsigned long flags;

    if ( vm && cache->vmcx == entry->vmcx && cache->root == entry->root )
    {
        spin_lock_irqsave(&vm->lock, flags);
        if ( vm->generation == cache->generation && vm->state == VSB_RUNNING &&
             same_vcpu(&vm->vcpus[cache->index], entry) &&
             !entry->at_reset && !vm->at_reset )
        {
            vm->last_run = now;
            vm->vcpus[cache->index].v = v;
            vm->vcpus[cache->index].halted = false;
            spin_unlock_irqrestore(&vm->lock, flags);
            return;
        }
        spin_unlock_irqrestore(&vm->lock, flags);
    }

    spin_lock_irqsave(&vsb_vms_lock, flags);

    vm = find_vm(domid, entry, now);
    leave_pages(domid, entry, vm, now);
    if ( !vm )
    {
        vm = new_vm(domid, entry, now);
        is_new = vm;
    }

    cache->vm = NULL;
    cache->refused = !vm;
    if ( !vm )
        goto out;

    spin_lock(&vm->lock);

    vcpu = find_vcpu(vm, entry->vmcx);
    if ( vcpu && !same_vcpu(vcpu, entry) )
        *vcpu = (struct vsb_l3_vcpu){ .idle = true };
    if ( !vcpu || !vcpu->mark )
    {
        vcpu = free_vcpu(vm);
        if ( !vcpu )
        {
            spin_unlock(&vm->lock);
            cache->refused = true;
            goto out;
        }
        if ( !++last_mark )
            last_mark++;
        *vcpu = (struct vsb_l3_vcpu){
            .vmcx = entry->vmcx, .mark = last_mark,
        };
        if ( vsb_arch.mark )
            alternative_vcall(vsb_arch.mark, v, vcpu->mark);
        if ( !vm->grown && now - vm->born > GROWN_UP )
            vm->grown = vm->record_due = told = true;
    }
    vcpu->v = v;
    vcpu->halted = false;
    add_root(vm, entry->root);

    /*
     * The user VM was reset: so is its UART, and L2's own. Look at the label
     * again: one that L3 has changed says nothing, nor does the first one that
     * it brings, since something has run.
     */
    reset = entry->at_reset && !vm->at_reset && !is_new;
    vm->at_reset = entry->at_reset;
    if ( reset )
    {
        if ( !vsb_vm_label_in_doubt(vm) )
            vm->out_reset = vm->out_end;
        vm->label_early = false;
        vm->label_next = 0;
        vm->label_tries = 0;
        vm->label_search++;
        /*
         * What was typed at a system that hung stops no boot loader, and
         * answers no login, of the one that comes after it.
         */
        vm->in_taken = vm->in_next;
        vm->breaks = 0;
        /* Nobody could tell whether it still is who it was. */
        if ( !vm->uuid_valid )
            vm->from_reset = false;
        /* With the label in doubt already: no input goes to the new FIFO. */
        vsb_com1_reset(vm);
    }

    if ( vm->state == VSB_SILENT_VM )
        vm->record_due = told = true;
    vm->state = VSB_RUNNING;
    vm->last_run = now;

    cache->vm = vm;
    cache->generation = vm->generation;
    cache->index = vcpu - vm->vcpus;
    cache->vmcx = entry->vmcx;
    cache->root = entry->root;

    spin_unlock(&vm->lock);

 out:
    spin_unlock_irqrestore(&vsb_vms_lock, flags);

    if ( is_new || told )
        vsb_link_kick(vm, true);
}

struct vsb_vm *vsb_vm_lock_current(struct vcpu *v, unsigned long *flags)
{
    const struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    struct vsb_vm *vm = cache->vm;

    if ( !vm )
        return NULL;

    spin_lock_irqsave(&vm->lock, *flags);
    /* Silent, too: L3 may be within one long entry without an exit to L2. */
    if ( vm->generation == cache->generation && live(vm) )
        return vm;
    spin_unlock_irqrestore(&vm->lock, *flags);

    return NULL;
}

/*
 * A user VM with this label was started anew. Another one that has it and does not
 * run has probably ended; if not, it is itself as soon as it runs again.
 */
static void supersede(const struct vsb_vm *vm, const uint8_t uuid[16],
                      s_time_t now)
{
    unsigned int i;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *old = &vsb_vms[i];

        if ( old == vm || !live(old) || old->domid != vm->domid )
            continue;

        spin_lock(&old->lock);
        if ( old->uuid_valid && !memcmp(old->uuid, uuid, 16) &&
             !runs(old, now) )
            set_silent(old);
        spin_unlock(&old->lock);
    }
}

void vsb_vm_find_label(struct vcpu *v, struct vsb_vm *vm)
{
    struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    uint8_t uuid[16];
    s_time_t now = NOW(), cost;
    unsigned long flags;
    uint32_t search = 0;
    bool found, due, early;

    if ( now < vm->label_next )
        return;

    spin_lock_irqsave(&vm->lock, flags);
    /* Another vCPU may be here, too, and the slot another user VM's by now. */
    due = live(vm) && vm->generation == cache->generation &&
          vm->label_tries < VSB_LABEL_TRIES && now >= vm->label_next;
    if ( due )
    {
        vm->label_next = STIME_MAX;
        search = ++vm->label_search;
    }
    spin_unlock_irqrestore(&vm->lock, flags);
    if ( !due )
        return;

    found = vsb_smbios_uuid(v, uuid);
    cost = NOW() - now;

    spin_lock_irqsave(&vsb_vms_lock, flags);
    /* A reset, or another user VM in the slot: what was read is history. */
    if ( !live(vm) || vm->generation != cache->generation ||
         vm->label_search != search )
    {
        spin_unlock_irqrestore(&vsb_vms_lock, flags);
        return;
    }
    if ( found && vm->from_reset && !vm->doubtful )
        supersede(vm, uuid, now);
    spin_lock(&vm->lock);

    early = vm->label_early;
    if ( found || now - vm->born > EARLY_LIMIT )
        vm->label_early = false;
    vm->label_next = NOW() + (early ? max(EARLY_PERIOD, EARLY_SHARE * cost)
                                    : LABEL_PERIOD);
    if ( !found && (early || ++vm->label_tries < VSB_LABEL_TRIES) )
    {
        spin_unlock(&vm->lock);
        spin_unlock_irqrestore(&vsb_vms_lock, flags);
        return;
    }

    vm->label_tries = VSB_LABEL_TRIES;
    if ( vm->uuid_valid && (!found || memcmp(vm->uuid, uuid, sizeof(uuid))) )
    {
        /*
         * L3 has changed it; or L2 did, or runs another VM on an old VMCB12. So
         * nothing of what was said before reaches who says so, and for all who
         * go by names it is nobody.
         */
        vm->generation++;
        restart_streams(vm, vm->out_reset);
        vm->uuid_valid = false;
        vm->doubtful = true;
        cache->generation = vm->generation;
    }
    if ( found && !vm->uuid_valid )
    {
        memcpy(vm->uuid, uuid, sizeof(uuid));
        vm->uuid_valid = vm->record_due = true;
        vm->doubtful |= !vm->from_reset;
    }
    vsb_com1_update(vm);

    spin_unlock(&vm->lock);
    spin_unlock_irqrestore(&vsb_vms_lock, flags);

    vsb_link_kick(vm, true);
}

bool vsb_vm_forget(unsigned int slot, uint16_t generation)
{
    struct vsb_vm *vm;
    unsigned long flags;
    bool done = false;

    if ( slot >= VSB_MAX_VMS )
        return false;

    vm = &vsb_vms[slot];
    spin_lock_irqsave(&vsb_vms_lock, flags);
    spin_lock(&vm->lock);
    if ( (uint16_t)vm->generation == generation && vm->state == VSB_SILENT_VM )
    {
        set_gone(vm);
        done = true;
    }
    spin_unlock(&vm->lock);
    spin_unlock_irqrestore(&vsb_vms_lock, flags);

    return done;
}

void vsb_vm_housekeeping(s_time_t now)
{
    unsigned int i, j;
    unsigned long flags;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];
        bool halted = false;

        spin_lock_irqsave(&vm->lock, flags);
        /* In a captured HLT the VM runs, as far as L2 knows. */
        for ( j = 0; j < vm->nr_vcpus; j++ )
            halted |= vsb_halted(vm, &vm->vcpus[j]);
        if ( halted )
            vm->last_run = now;
        if ( now - vm->last_run > VSB_SILENT )
            set_silent(vm);
        vsb_watch_housekeeping(vm, now);
        /* A ring that L2 lost: a halted VM has no opportunity of its own. */
        vsb_doorbell_wake(vm);
        spin_unlock_irqrestore(&vm->lock, flags);
    }
}

void vsb_domain_relinquish(struct domain *d)
{
    unsigned int i;
    unsigned long flags;
    struct vcpu *v;

    if ( vsb_arch.relinquish )
        for_each_vcpu ( d, v )
            alternative_vcall(vsb_arch.relinquish, v);

    spin_lock_irqsave(&vsb_vms_lock, flags);
    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];

        spin_lock(&vm->lock);
        if ( live(vm) && vm->domid == d->domain_id )
            set_gone(vm);
        spin_unlock(&vm->lock);
    }
    spin_unlock_irqrestore(&vsb_vms_lock, flags);
}
