/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: which user VM is it?
 *
 * A user VM is known by its nested page table's root (nested CR3), which all
 * its vCPUs share, and by its VMCB12s (with VMX, VMCS12s), one for each vCPU at
 * an address that is stable while the vCPU exists. Neither is enough: KVM
 * replaces the root now and then, and pages of both kinds are used again after a
 * VM died. So VMCB12s that ever shared a root form a group, and the group is the
 * user VM:
 *
 *  known VMCB12, known root       it; of two user VMs: see find_vm()
 *  known VMCB12, new root         it, with one more root
 *  new VMCB12, known root         it, with one more vCPU; but a VMCB12 that
 *                                 starts at the reset vector is a boot
 *                                 processor, so a new VM on recycled pages
 *  new VMCB12, new root           a new VM
 *
 * The pages of a VM cannot be in use by another of the same L2 any more:
 * whoever else is known by them is gone.
 *
 * The SMBIOS UUID in L3's memory is the name that people know. L2 put it there
 * and could lie: a label, not a proof.
 */

#include "vsb.h"

#include <asm/hvm/hvm.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/hvm/support.h>

struct vsb_vm vsb_vms[VSB_MAX_VMS];
static DEFINE_SPINLOCK(vsb_vms_lock);

/* The label is written by L3's firmware, so it may appear late. */
#define LABEL_PERIOD    MILLISECS(500)

void __init vsb_vm_init(void)
{
    unsigned int i;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
        spin_lock_init(&vsb_vms[i].lock);
}

static bool live(const struct vsb_vm *vm)
{
    return vm->state == VSB_RUNNING || vm->state == VSB_SILENT_VM;
}

static struct vsb_l3_vcpu *find_vcpu(struct vsb_vm *vm, uint64_t vmcx)
{
    unsigned int i;

    for ( i = 0; i < vm->nr_vcpus; i++ )
        if ( vm->vcpus[i].vmcx == vmcx )
            return &vm->vcpus[i];

    return NULL;
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

/*
 * A slot for a new user VM: a free one, else that of a VM which is gone and
 * whose output L0 has, else of the one that has not run for longest. Called
 * with vsb_vms_lock held.
 */
static struct vsb_vm *take_slot(s_time_t now)
{
    struct vsb_vm *oldest = NULL;
    unsigned int i;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];

        if ( vm->state == VSB_FREE ||
             (vm->state == VSB_GONE && !vm->record_due &&
              vm->out_acked == vsb_vm_out_limit(vm)) )
            return vm;

        if ( now - vm->last_run < VSB_SILENT )
            continue;

        if ( !oldest || vm->last_run < oldest->last_run )
            oldest = vm;
    }

    return oldest;
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

static struct vsb_vm *new_vm(uint16_t domid, s_time_t now)
{
    struct vsb_vm *vm = take_slot(now);
    unsigned long flags;

    vsb_count.vms_seen++;

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
    vm->domid = domid;
    vm->generation++;
    vm->nr_vcpus = 0;
    memset(vm->roots, 0, sizeof(vm->roots));
    vm->last_run = now;
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
 * The VMCB12 and the root can be known of two user VMs: one of them is dead,
 * and its page used again. A VMCB12 was allocated before the VM that it belongs
 * to ran, so if the root's VM ran last, the VMCB12 is one more vCPU of it. This
 * is a guess if L2 reuses pages in other ways; hence the label is looked at.
 * Called with vsb_vms_lock held.
 */
static struct vsb_vm *find_vm(uint16_t domid, const struct vsb_entry *entry)
{
    struct vsb_vm *by_vmcx = NULL, *by_root = NULL;
    unsigned int i;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];

        if ( !live(vm) || vm->domid != domid )
            continue;

        if ( find_vcpu(vm, entry->vmcx) )
            by_vmcx = vm;
        else if ( has_root(vm, entry->root) )
            by_root = vm;
    }

    if ( entry->at_reset || !by_root )
        return by_vmcx;

    if ( by_vmcx && (by_root->roots[0] != entry->root ||
                     by_root->last_run < by_vmcx->last_run) )
        return by_vmcx;

    return by_root;
}

/*
 * No other than @owner is known by the pages of @entry any more. True if
 * another was, and is gone. Called with vsb_vms_lock held.
 */
static bool evict_others(uint16_t domid, const struct vsb_entry *entry,
                         const struct vsb_vm *owner)
{
    unsigned int i;
    bool evicted = false;

    for ( i = 0; i < VSB_MAX_VMS; i++ )
    {
        struct vsb_vm *vm = &vsb_vms[i];
        bool has_vcpu = find_vcpu(vm, entry->vmcx);

        if ( vm == owner || !live(vm) || vm->domid != domid ||
             (!has_vcpu && !has_root(vm, entry->root)) )
            continue;

        spin_lock(&vm->lock);
        /* A root may be an old one of a VM that still runs. */
        if ( has_vcpu || vm->roots[0] == entry->root )
        {
            set_gone(vm);
            evicted = true;
        }
        else
            drop_root(vm, entry->root);
        spin_unlock(&vm->lock);
    }

    return evicted;
}

void vsb_vm_identify(struct vcpu *v, const struct vsb_entry *entry)
{
    struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    struct vsb_vm *vm = cache->vm;
    uint16_t domid = v->domain->domain_id;
    struct vsb_l3_vcpu *vcpu;
    s_time_t now = NOW();
    bool is_new = false, evicted, reset = false, silent = false;
    unsigned long flags;

    if ( vm && cache->vmcx == entry->vmcx && cache->root == entry->root )
    {
        spin_lock_irqsave(&vm->lock, flags);
        if ( vm->generation == cache->generation && vm->state == VSB_RUNNING &&
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

    vm = find_vm(domid, entry);
    evicted = evict_others(domid, entry, vm);
    if ( !vm )
    {
        vm = new_vm(domid, now);
        is_new = vm;
    }

    cache->vm = NULL;
    cache->refused = !vm;
    if ( !vm )
        goto out;

    spin_lock(&vm->lock);

    vcpu = find_vcpu(vm, entry->vmcx);
    if ( !vcpu )
    {
        if ( vm->nr_vcpus == VSB_MAX_VCPUS )
        {
            spin_unlock(&vm->lock);
            cache->refused = true;
            goto out;
        }
        vcpu = &vm->vcpus[vm->nr_vcpus++];
        *vcpu = (struct vsb_l3_vcpu){ .vmcx = entry->vmcx };
        vm->count.vcpus = vm->nr_vcpus;
    }
    vcpu->v = v;
    vcpu->halted = false;
    add_root(vm, entry->root);

    /*
     * The user VM was reset: so is its UART, and L2's own. Under the same
     * VMCB12 it could be another VM by now, so look at the label again.
     */
    reset = entry->at_reset && !vm->at_reset && !is_new;
    vm->at_reset = entry->at_reset;
    if ( !is_new && (reset || evicted) )
    {
        if ( !vsb_vm_label_in_doubt(vm) )
            vm->out_reset = vm->out_end;
        vm->label_next = 0;
        vm->label_tries = 0;
        vm->label_search++;
        /* Nobody could tell whether it still is who this was typed for. */
        if ( !vm->uuid_valid )
        {
            vm->in_taken = vm->in_next;
            vm->breaks = 0;
        }
    }
    /* With the label in doubt already: no input goes to the new FIFO. */
    if ( reset )
        vsb_com1_reset(vm);

    silent = vm->state == VSB_SILENT_VM;
    vm->state = VSB_RUNNING;
    vm->last_run = now;
    if ( silent )
        vm->record_due = true;

    cache->vm = vm;
    cache->generation = vm->generation;
    cache->index = vcpu - vm->vcpus;
    cache->vmcx = entry->vmcx;
    cache->root = entry->root;

    spin_unlock(&vm->lock);

 out:
    spin_unlock_irqrestore(&vsb_vms_lock, flags);

    if ( is_new || silent )
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
 * SMBIOS reference specification 3.6: entry points (5.2), structure header
 * (6.1.2), system information with the UUID (7.2). L3 and L2 can change all of
 * it while it is read: each piece is copied once and checked after that.
 */
#define SMBIOS_AREA     0xf0000ul
#define SMBIOS_AREA_END 0x100000ul
#define SMBIOS_TABLE    4096u
#define SMBIOS_STRUCTS  64u
#define SMBIOS_ANCHORS  16u     /* looked at: each one costs walks of tables */

/* Copy from L3's physical memory, within a page. */
static bool copy_from_l3(struct vcpu *v, void *buf, paddr_t gpa,
                         unsigned int len)
{
    struct npfec npfec = { .read_access = 1 };
    paddr_t l2_gpa = gpa;
    unsigned int order;
    uint8_t access;

    if ( (gpa & ~PAGE_MASK) + len > PAGE_SIZE )
        return false;

    if ( nestedhvm_paging_mode_hap(v) &&
         nhvm_hap_walk_L1_p2m(v, gpa, &l2_gpa, &order, &access,
                              npfec) != NESTEDHVM_PAGEFAULT_DONE )
        return false;

    return hvm_copy_from_guest_phys(buf, l2_gpa, len) == HVMTRANS_okay;
}

struct smbios
{
    paddr_t table;
    unsigned int len;
    bool since_2_6;
};

static bool find_smbios(struct vcpu *v, struct smbios *smbios)
{
    unsigned int anchors = 0;
    paddr_t gpa;

    for ( gpa = SMBIOS_AREA; gpa < SMBIOS_AREA_END; gpa += 256 )
    {
        uint8_t chunk[256];
        unsigned int i;

        if ( !copy_from_l3(v, chunk, gpa, sizeof(chunk)) )
        {
            gpa = (gpa & PAGE_MASK) + PAGE_SIZE - 256;
            continue;
        }

        for ( i = 0; i < sizeof(chunk); i += 16 )
        {
            uint8_t entry[31];

            if ( memcmp(chunk + i, "_SM_", 4) && memcmp(chunk + i, "_SM3_", 5) )
                continue;

            if ( ++anchors > SMBIOS_ANCHORS )
                return false;

            if ( !copy_from_l3(v, entry, gpa + i, 24) )
                continue;

            if ( !memcmp(entry, "_SM3_", 5) )
            {
                smbios->since_2_6 = true;
                smbios->len = SMBIOS_TABLE;
                memcpy(&smbios->table, entry + 0x10, 8);
                return true;
            }

            if ( copy_from_l3(v, entry, gpa + i, sizeof(entry)) &&
                 !memcmp(entry + 0x10, "_DMI_", 5) )
            {
                uint32_t address;
                uint16_t length;

                memcpy(&length, entry + 0x16, 2);
                memcpy(&address, entry + 0x18, 4);
                smbios->since_2_6 = entry[6] > 2 ||
                                    (entry[6] == 2 && entry[7] >= 6);
                smbios->len = length;
                smbios->table = address;
                return true;
            }
        }
    }

    return false;
}

/* The end of the strings that follow a structure's formatted part. */
static bool skip_strings(struct vcpu *v, paddr_t *gpa, paddr_t end)
{
    uint8_t last = 1;

    while ( *gpa < end )
    {
        uint8_t c;

        if ( !copy_from_l3(v, &c, (*gpa)++, 1) )
            return false;
        if ( !c && !last )
            return true;
        last = c;
    }

    return false;
}

static bool read_uuid(struct vcpu *v, uint8_t uuid[16])
{
    struct smbios smbios;
    paddr_t gpa, end;
    unsigned int i, j;

    if ( !find_smbios(v, &smbios) )
        return false;

    gpa = smbios.table;
    end = gpa + min(smbios.len, SMBIOS_TABLE);

    for ( i = 0; i < SMBIOS_STRUCTS && gpa + 4 <= end; i++ )
    {
        uint8_t head[4], raw[16];

        for ( j = 0; j < sizeof(head); j++ )
            if ( !copy_from_l3(v, &head[j], gpa + j, 1) )
                return false;

        if ( head[1] < sizeof(head) )
            return false;

        if ( head[0] == 1 && head[1] >= 0x18 )
        {
            /*
             * The first three fields are little endian since SMBIOS 2.6. Before
             * it did not say; Xen's firmware (2.4) takes RFC 4122's order.
             */
            static const uint8_t order[16] = {
                3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15
            };

            for ( j = 0; j < sizeof(raw); j++ )
                if ( !copy_from_l3(v, &raw[j], gpa + 8 + j, 1) )
                    return false;
            for ( j = 0; j < sizeof(raw); j++ )
                uuid[j] = raw[smbios.since_2_6 ? order[j] : j];
            return true;
        }

        gpa += head[1];
        if ( !skip_strings(v, &gpa, end) )
            return false;
    }

    return false;
}

/* All zeroes or ones mean that there is none (SMBIOS 7.2.1). */
static bool is_set(const uint8_t uuid[16])
{
    unsigned int i;

    for ( i = 1; i < 16; i++ )
        if ( uuid[i] != uuid[0] )
            return true;

    return uuid[0] != 0 && uuid[0] != 0xff;
}

/*
 * A user VM with this label was started anew: the one that had it before does
 * not run any more.
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
             now - old->last_run > SECONDS(1) )
            set_gone(old);
        spin_unlock(&old->lock);
    }
}

void vsb_vm_find_label(struct vcpu *v, struct vsb_vm *vm)
{
    struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    uint8_t uuid[16];
    s_time_t now = NOW();
    unsigned long flags;
    uint32_t search = 0;
    bool found, due;

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

    found = read_uuid(v, uuid) && is_set(uuid);

    spin_lock_irqsave(&vsb_vms_lock, flags);
    /* A reset, or another user VM in the slot: what was read is history. */
    if ( !live(vm) || vm->generation != cache->generation ||
         vm->label_search != search )
    {
        spin_unlock_irqrestore(&vsb_vms_lock, flags);
        return;
    }
    if ( found )
        supersede(vm, uuid, now);
    spin_lock(&vm->lock);

    vm->label_next = NOW() + LABEL_PERIOD;
    if ( !found && ++vm->label_tries < VSB_LABEL_TRIES )
    {
        spin_unlock(&vm->lock);
        spin_unlock_irqrestore(&vsb_vms_lock, flags);
        return;
    }

    vm->label_tries = VSB_LABEL_TRIES;
    if ( vm->uuid_valid && (!found || memcmp(vm->uuid, uuid, sizeof(uuid))) )
    {
        /* Another user VM on the same VMCB12: nothing of the old one stays. */
        vm->generation++;
        restart_streams(vm, vm->out_reset);
        vm->uuid_valid = false;
        cache->generation = vm->generation;
    }
    if ( found && !vm->uuid_valid )
    {
        memcpy(vm->uuid, uuid, sizeof(uuid));
        vm->uuid_valid = vm->record_due = true;
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
        if ( vm->state == VSB_RUNNING && now - vm->last_run > VSB_SILENT )
        {
            vm->state = VSB_SILENT_VM;
            vm->record_due = true;
        }
        /* A ring that L2 lost: a halted VM has no opportunity of its own. */
        vsb_doorbell_wake(vm);
        spin_unlock_irqrestore(&vm->lock, flags);
    }
}

void vsb_domain_relinquish(struct domain *d)
{
    unsigned int i;
    unsigned long flags;

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
