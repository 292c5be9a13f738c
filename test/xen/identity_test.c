/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which user VM is it (vm.c): L2 is played by the test, with pages for roots
 * and VMCB12s that it uses again as KVM does, and with L3's memory.
 */

#include "frame.h"
#include "shim.h"
#include "tap.h"

#include <asm/hvm/nestedhvm.h>

#define L1_VM       0x02
#define VM_HOOKED   0x01
#define VM_UUID     0x02
#define VM_DOUBTFUL 0x04
#define L0_HELLO    0x81
#define L0_DATA     0x83
#define L0_BREAK    0x88

/* Pages of L2. */
#define ROOT(n)     (0x100000ull + (n) * 0x1000)
#define VMCB(n)     (0x900000ull + (n) * 0x1000)

static struct domain l2 = { .domain_id = 1 }, other_l2 = { .domain_id = 2 };
static struct vcpu cpus[VSB_MAX_VCPUS + 4];

static void reset(void)
{
    unsigned int i;

    shim_reset();
    for ( i = 0; i < ARRAY_SIZE(cpus); i++ )
        cpus[i] = (struct vcpu){ .domain = &l2 };
}

/* @v executes VMRUN. The user VM that it is found to be, or NULL. */
static struct vsb_vm *enter(struct vcpu *v, const struct vsb_entry *entry)
{
    struct vsb_vm *vm;
    unsigned long flags;

    shim_now += MICROSECS(100);
    shim_identify(v, entry);
    v->arch.hvm.nvcpu.nv_guestmode = true;

    vm = vsb_vm_lock_current(v, &flags);
    if ( vm )
        spin_unlock_irqrestore(&vm->lock, flags);

    return vm;
}

/* L3 runs for a moment, and L2 is back. */
static struct vsb_vm *run(struct vcpu *v, uint64_t vmcx, uint64_t root,
                          bool at_reset)
{
    struct vsb_vm *vm = enter(v, &(struct vsb_entry){
        .vmcx = vmcx, .root = root, .at_reset = at_reset,
    });

    v->arch.hvm.nvcpu.nv_guestmode = false;

    return vm;
}

/* The same, for a processor that another one has started. */
static struct vsb_vm *run_ap(struct vcpu *v, uint64_t vmcx, uint64_t root)
{
    struct vsb_vm *vm = enter(v, &(struct vsb_entry){
        .vmcx = vmcx, .root = root, .at_sipi = true,
    });

    v->arch.hvm.nvcpu.nv_guestmode = false;

    return vm;
}

/* A user VM starts, with one vCPU. */
static struct vsb_vm *boot(struct vcpu *v, uint64_t vmcx, uint64_t root)
{
    struct vsb_vm *vm = run(v, vmcx, root, true);

    run(v, vmcx, root, false);

    return vm;
}

static void pass(s_time_t time)
{
    s_time_t end = shim_now + time;

    for ( ; shim_now < end; shim_now += MILLISECS(250) )
        shim_housekeeping();
}

/*
 * L3's firmware has written SMBIOS tables with this UUID, or none if it is 0:
 * an entry point of version 2.8, a BIOS structure with strings, then the
 * system's.
 */
static void firmware(uint8_t uuid)
{
    static const uint8_t bios[] = { 0, 8, 0, 0, 1, 2, 0, 0, 'a', 0, 'b', 0, 0 };
    uint8_t *entry = shim_memory + 0xf5a30, *table = shim_memory + 0xe0000;

    memset(shim_memory + 0xe0000, 0, 0x20000);
    if ( !uuid )
        return;

    memcpy(entry, "_SM_", 4);
    entry[6] = 2;
    entry[7] = 8;
    memcpy(entry + 0x10, "_DMI_", 5);
    vsb_put16(entry + 0x16, 0x200);
    vsb_put32(entry + 0x18, 0xe0000);

    memcpy(table, bios, sizeof(bios));
    table += sizeof(bios);
    table[0] = 1;
    table[1] = 0x1b;
    memset(table + 8, uuid, 16);
    table[0x1b] = table[0x1c] = 0;
}

static bool labelled(const struct vsb_vm *vm, uint8_t uuid)
{
    unsigned int i;

    for ( i = 0; i < 16; i++ )
        if ( vm->uuid[i] != uuid )
            return false;

    return vm->uuid_valid;
}

/* An access of L3 to COM1, after which the label may be looked for. */
static void find_label(struct vcpu *v, struct vsb_vm *vm)
{
    shim_now += SECONDS(1);
    vm->last_run = shim_now;
    vsb_vm_find_label(v, vm);
}

static void send(uint8_t type, const struct vsb_vm *vm, uint32_t head,
                 const char *text)
{
    uint8_t payload[VSB_FRAME_PAYLOAD] = { type, vm ? vsb_slot(vm) : 0xff };

    vsb_put16(payload + 2, vm ? vm->generation : 0);
    vsb_put32(payload + 4, head);
    memcpy(payload + 8, text, strlen(text));
    shim_receive(payload, 8 + strlen(text));
}

static void com1_write(struct vsb_vm *vm, unsigned int reg, uint8_t val)
{
    unsigned long flags;

    spin_lock_irqsave(&vm->lock, flags);
    vsb_com1_write(vm, reg, val);
    spin_unlock_irqrestore(&vm->lock, flags);
}

static uint8_t com1_read(struct vsb_vm *vm, unsigned int reg)
{
    unsigned long flags;
    uint8_t val;

    spin_lock_irqsave(&vm->lock, flags);
    val = vsb_com1_read(vm, reg);
    spin_unlock_irqrestore(&vm->lock, flags);

    return val;
}

/* What L3 can read of its input now. */
static unsigned int com1_text(struct vsb_vm *vm, char *text, unsigned int max)
{
    unsigned int n = 0;

    while ( n < max && (com1_read(vm, VSB_UART_LSR) & VSB_UART_LSR_DR) )
        text[n++] = com1_read(vm, VSB_UART_RBR);

    return n;
}

/* L0 takes all records, and all output. */
static void drain(void)
{
    uint8_t payload[VSB_FRAME_PAYLOAD];
    unsigned int i;

    send(L0_HELLO, NULL, 1, "");
    while ( shim_next(payload) )
        ;
    for ( i = 0; i < VSB_MAX_VMS; i++ )
        vsb_vms[i].out_acked = vsb_vms[i].out_sent;
}

static void known_pages(void)
{
    struct vsb_vm *vm, *b;
    uint32_t generation;

    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    tap_ok(vm && vm->state == VSB_RUNNING && vm->generation == 1 &&
           vm->nr_vcpus == 1, "a new VMCB12 and root: a new user VM");
    tap_ok(shim_kicks == 1, "it is announced at once");
    tap_ok(run(&cpus[3], VMCB(0), ROOT(0), false) == vm &&
           vm->vcpus[0].v == &cpus[3], "L2 moves it to another CPU");

    tap_ok(run(&cpus[0], VMCB(0), ROOT(1), false) == vm &&
           run(&cpus[0], VMCB(0), ROOT(2), false) == vm &&
           run(&cpus[0], VMCB(0), ROOT(3), false) == vm &&
           run(&cpus[0], VMCB(0), ROOT(4), false) == vm &&
           vm->nr_vcpus == 1, "a root replaced, again and again: the same");
    tap_ok(run(&cpus[1], VMCB(1), ROOT(4), false) == vm && vm->nr_vcpus == 2,
           "a vCPU added on the newest root");
    tap_ok(run_ap(&cpus[2], VMCB(2), ROOT(1)) == vm && vm->nr_vcpus == 3,
           "a processor started on an older root");
    generation = vm->generation;
    b = run(&cpus[3], VMCB(3), ROOT(0), false);
    tap_ok(b && b != vm && vm->generation == generation &&
           vm->state == VSB_RUNNING, "a root forgotten is another's");
    tap_ok(run(&cpus[0], VMCB(0), ROOT(4), false) == vm,
           "and the first is still itself");
    tap_ok(boot(&cpus[0], VMCB(0), 0) == vm, "no root, known VMCB12: itself");
    tap_ok(boot(&cpus[1], VMCB(8), 0) != boot(&cpus[2], VMCB(9), 0),
           "without nested paging each VMCB12 is on its own");

    cpus[9].domain = &other_l2;
    vm = run(&cpus[9], VMCB(0), ROOT(4), false);
    tap_ok(vm && vm->domid == 2 && vm != run(&cpus[0], VMCB(0), ROOT(4), false),
           "the same addresses in another L2 are another user VM");
}

static void recycled(void)
{
    struct vsb_vm *a, *b, *c;
    uint32_t generation;
    unsigned int i;

    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    pass(SECONDS(2));
    b = run(&cpus[1], VMCB(1), ROOT(0), true);
    tap_ok(b && b != a && a->state == VSB_SILENT_VM && a->record_due,
           "a boot processor on a known root: a new user VM, the old is silent");
    tap_ok(run(&cpus[0], VMCB(0), ROOT(5), false) == a &&
           a->state == VSB_RUNNING && a->generation == 1,
           "which is itself if it had only lost its root");
    tap_ok(run(&cpus[2], VMCB(2), ROOT(0), false) == b,
           "the root is the new one's");

    /* A dies, and B gets its pages. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    run(&cpus[1], VMCB(1), ROOT(0), false);
    pass(SECONDS(2));
    b = boot(&cpus[0], VMCB(2), ROOT(1));
    tap_ok(b != a, "another user VM boots on pages of its own");
    shim_new_vmcb(&cpus[1], VMCB(1));
    c = run(&cpus[1], VMCB(1), ROOT(1), false);
    tap_ok(c == b && b->nr_vcpus == 2 && a->state == VSB_RUNNING,
           "its second vCPU on a VMCB12 of the dead one: its own");
    shim_new_vmcb(&cpus[1], VMCB(0));
    c = run_ap(&cpus[1], VMCB(0), ROOT(1));
    tap_ok(c == b && b->nr_vcpus == 3 && a->state == VSB_GONE && a->record_due,
           "when its last VMCB12 is another's, the dead one is gone");

    /* All of it at once. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    shim_new_vmcb(&cpus[0], VMCB(0));
    b = boot(&cpus[0], VMCB(0), ROOT(0));
    tap_ok(b != a && a->state == VSB_GONE && b->nr_vcpus == 1 && !b->doubtful,
           "a new VMCB12 at the address of one, on its root: a new user VM");
    for ( i = 0; i < 500; i++ )
    {
        /* So many a second, and no more. */
        pass(MILLISECS(250));
        drain();
        shim_new_vmcb(&cpus[0], VMCB(0));
        c = boot(&cpus[0], VMCB(0), ROOT(0));
        if ( c == b || b->state != VSB_GONE || c->doubtful )
            break;
        b = c;
    }
    tap_ok(i == 500 && vsb_count.vms_refused == 0 && vsb_slot(b) < 3,
           "five hundred come and go on the same pages, each a new one");

    /* A replaces its root by a page that was B's, and B is dead. */
    reset();
    b = boot(&cpus[1], VMCB(1), ROOT(1));
    run(&cpus[2], VMCB(2), ROOT(1), false);
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    pass(SECONDS(2));
    run(&cpus[0], VMCB(0), ROOT(0), false);
    tap_ok(run(&cpus[0], VMCB(0), ROOT(1), false) == a,
           "a new root which was a dead user VM's");
    tap_ok(b->state == VSB_SILENT_VM, "the dead one is silent");
    tap_ok(run(&cpus[3], VMCB(3), ROOT(1), false) == a,
           "so that the next vCPU on that root finds the living one");

    /* An old root of a VM that lives, used by a new one. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    run(&cpus[0], VMCB(0), ROOT(1), false);
    generation = a->generation;
    b = boot(&cpus[1], VMCB(1), ROOT(0));
    tap_ok(b != a && a->state == VSB_RUNNING && a->generation == generation,
           "a boot processor on an old root of a VM that lives");
    tap_ok(run(&cpus[2], VMCB(2), ROOT(0), false) == b &&
           run(&cpus[3], VMCB(3), ROOT(1), false) == a,
           "each keeps the root that it uses");
    tap_ok(run(&cpus[0], VMCB(0), ROOT(0), false) == a &&
           run(&cpus[2], VMCB(2), ROOT(0), false) == b,
           "never does a vCPU change its user VM with its root");

    /* A vCPU on the root of a VM that has ended. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    run(&cpus[0], VMCB(0), ROOT(1), false);
    pass(SECONDS(2));
    b = run(&cpus[1], VMCB(1), ROOT(1), false);
    c = run_ap(&cpus[2], VMCB(2), ROOT(0));
    tap_ok(b != a && c != a && a->nr_vcpus == 1,
           "a vCPU on a root of a VM that does not run is none of it");

    /* KVM of Linux 5.10: a root for real mode, and the boot processor not there. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    b = run_ap(&cpus[1], VMCB(1), ROOT(1));
    tap_ok(b != a, "a processor started on a root of its own");
    tap_ok(run(&cpus[1], VMCB(1), ROOT(0), false) == a && b->state == VSB_GONE &&
           a->nr_vcpus == 2, "is its VM's as soon as it shares the root");
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    b = run_ap(&cpus[1], VMCB(1), ROOT(1));
    tap_ok(run(&cpus[0], VMCB(0), ROOT(1), false) == a && b->state == VSB_GONE &&
           run(&cpus[1], VMCB(1), ROOT(1), false) == a && a->nr_vcpus == 2,
           "or as soon as that shares its own");
}

/*
 * Root of B has written A's UUID into its tables, and starts at the reset vector:
 * by INIT, by a triple fault, or by a jump.
 */
static void take_over(s_time_t silence, uint64_t root)
{
    struct vsb_vm *a, *b, *after;
    uint8_t payload[VSB_FRAME_PAYLOAD];
    bool told = false;
    char text[8];

    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x21);
    find_label(&cpus[0], a);
    b = boot(&cpus[1], VMCB(1), ROOT(1));
    firmware(0x22);
    find_label(&cpus[1], b);
    drain();
    send(L0_DATA, a, 0, "for A");
    send(L0_DATA, b, 0, "for B");
    pass(silence);

    firmware(0x21);
    after = run(&cpus[1], VMCB(1), root, true);
    run(&cpus[1], VMCB(1), root, false);
    find_label(&cpus[1], after);
    tap_ok(after == b && b->doubtful && b->generation == 2,
           "A's label in B after %u s: B, with a doubtful label",
           (unsigned int)(silence / SECONDS(1)));
    com1_write(b, VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    tap_ok(!com1_text(b, text, sizeof(text)), "nothing typed for either is read");
    tap_ok(a->state != VSB_GONE && labelled(a, 0x21) && !a->doubtful,
           "A is who it was");
    tap_ok(run(&cpus[0], VMCB(0), ROOT(0), false) == a && a->generation == 1 &&
           a->state == VSB_RUNNING, "also when it runs again");

    while ( shim_next(payload) )
        if ( payload[0] == L1_VM && payload[1] == vsb_slot(b) )
            told |= payload[5] == (VM_HOOKED | VM_UUID | VM_DOUBTFUL);
    tap_ok(told, "L0 is told of the doubt");

    /* It does not help to bring the old one back. */
    firmware(0x22);
    run(&cpus[1], VMCB(1), root, true);
    run(&cpus[1], VMCB(1), root, false);
    find_label(&cpus[1], b);
    tap_ok(b->doubtful, "the doubt stays");
}

static void identity(void)
{
    struct vsb_vm *a, *b, *vms[VSB_MAX_VMS];
    unsigned int i;

    take_over(SECONDS(0), ROOT(1));
    take_over(SECONDS(2), ROOT(1));
    take_over(SECONDS(12), ROOT(1));
    /* KVM frees the root, and builds another one. */
    take_over(SECONDS(2), ROOT(2));
    take_over(SECONDS(2), ROOT(0));

    /* Before any label was found. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    run(&cpus[0], VMCB(0), ROOT(0), true);
    firmware(0x21);
    find_label(&cpus[0], a);
    tap_ok(labelled(a, 0x21) && a->doubtful,
           "a first label after a reset is doubtful");

    reset();
    a = run(&cpus[0], VMCB(0), ROOT(0), false);
    firmware(0x21);
    find_label(&cpus[0], a);
    tap_ok(labelled(a, 0x21) && a->doubtful,
           "so is one of a VM that was restored, or has migrated");

    /* A processor without a place for marks: by addresses alone. */
    reset();
    vsb_arch.mark = NULL;
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x22);
    find_label(&cpus[0], a);
    tap_ok(labelled(a, 0x22) && !a->doubtful, "without marks: a label");
    firmware(0x21);
    b = boot(&cpus[0], VMCB(0), ROOT(0));
    find_label(&cpus[0], b);
    tap_ok(b == a && b->doubtful && b->generation == 2,
           "another one on the same VMCB12 is doubtful, whoever brings it");

    /* Xen as L2 has its firmware begin in protected mode. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    b = enter(&cpus[1], &(struct vsb_entry){
        .vmcx = VMCB(1), .root = ROOT(0), .at_loader = true,
    });
    firmware(0x21);
    find_label(&cpus[1], b);
    tap_ok(b != a && labelled(b, 0x21) && !b->doubtful,
           "where Xen's firmware begins a new user VM does, on any root");
    run(&cpus[0], VMCB(0), ROOT(0), false);
    tap_ok(enter(&cpus[0], &(struct vsb_entry){
               .vmcx = VMCB(0), .root = ROOT(1), .at_loader = true,
           }) == a, "but not when a known one comes there");

    /* L1 has no room for the label of a VM that waits to be woken. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x22);
    find_label(&cpus[0], a);
    pass(SECONDS(11));
    tap_ok(vsb_vm_forget(vsb_slot(a), 1), "a silent VM is forgotten");
    firmware(0x21);
    b = run(&cpus[0], VMCB(0), ROOT(0), true);
    run(&cpus[0], VMCB(0), ROOT(0), false);
    find_label(&cpus[0], b);
    tap_ok(b != a && b->doubtful, "and is back with another label: doubtful");

    /* The firmware's label is read before what it boots can change it. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    shim_now += MILLISECS(20);
    shim_fault(&cpus[0], 0xfee00000);
    firmware(0x22);
    shim_now += MILLISECS(20);
    shim_fault(&cpus[0], 0xfee00000);
    firmware(0x21);
    find_label(&cpus[0], a);
    tap_ok(labelled(a, 0x22) && !a->doubtful, "the firmware's label counts");
    i = shim_reads;
    shim_now += SECONDS(1);
    shim_fault(&cpus[0], 0xfee00000);
    tap_ok(shim_reads == i, "found, it is not looked for at every exit");
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    shim_now += SECONDS(61);
    shim_fault(&cpus[0], 0xfee00000);
    i = shim_reads;
    shim_now += SECONDS(1);
    shim_fault(&cpus[0], 0xfee00000);
    tap_ok(shim_reads == i, "nor when no firmware can be running any more");

    reset();
    shim_cpu.no_hap = true;
    a = boot(&cpus[0], VMCB(0), 0);
    firmware(0x21);
    find_label(&cpus[0], a);
    tap_ok(!a->uuid_valid, "without nested paging there is no label");

    /* The same label twice. */
    reset();
    cpus[2].domain = &other_l2;
    firmware(0x21);
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    find_label(&cpus[0], a);
    b = boot(&cpus[2], VMCB(0), ROOT(0));
    find_label(&cpus[2], b);
    tap_ok(a != b && labelled(a, 0x21) && labelled(b, 0x21) &&
           a->state == VSB_RUNNING && a->domid != b->domid,
           "in two L2: two user VMs");
    b = boot(&cpus[1], VMCB(1), ROOT(1));
    find_label(&cpus[1], b);
    tap_ok(a->state == VSB_SILENT_VM && labelled(b, 0x21) &&
           run(&cpus[0], VMCB(0), ROOT(0), false) == a &&
           a->state == VSB_RUNNING && labelled(a, 0x21) && !a->doubtful &&
           b->state == VSB_RUNNING && !b->doubtful,
           "in one: so long as both run, both have it");

    /* Who is added late. */
    reset();
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    run_ap(&cpus[1], VMCB(1), ROOT(0));
    tap_ok(!a->grown, "a processor started at boot");
    shim_now += SECONDS(301);
    run(&cpus[0], VMCB(0), ROOT(0), false);
    run(&cpus[0], VMCB(0), ROOT(1), false);
    tap_ok(!a->grown, "a new root long after it: nothing to tell");
    run(&cpus[2], VMCB(2), ROOT(1), false);
    tap_ok(a->grown && a->nr_vcpus == 3 && a->record_due,
           "a new vCPU long after it: told");

    /* The slots are divided. */
    reset();
    l2.next_in_list = &other_l2;
    shim_domains = &l2;
    cpus[2].domain = &other_l2;
    for ( i = 0; i < VSB_MAX_VMS / 2; i++ )
        vms[i] = boot(&cpus[0], VMCB(i), ROOT(i));
    tap_ok(vms[i - 1] && !boot(&cpus[0], VMCB(i), ROOT(i)),
           "of two L2, one gets half of the slots");
    for ( i = 0; i < VSB_MAX_VMS / 2; i++ )
        vms[VSB_MAX_VMS / 2 + i] = boot(&cpus[2], VMCB(i), ROOT(i));
    tap_ok(vms[VSB_MAX_VMS - 1] && !boot(&cpus[2], VMCB(i), ROOT(i)),
           "the other one the other half");
    drain();
    pass(SECONDS(11));
    for ( i = 0; i < VSB_MAX_VMS; i++ )
        boot(&cpus[2], VMCB(100 + i), ROOT(100 + i));
    for ( i = 0; i < VSB_MAX_VMS / 2; i++ )
        if ( vms[i]->generation != 1 || vms[i]->domid != 1 )
            break;
    tap_ok(i == VSB_MAX_VMS / 2, "nor does it get those of its silent VMs");
    l2.next_in_list = NULL;
}

static void limits(void)
{
    struct vsb_vm *vms[VSB_MAX_VMS], *vm;
    unsigned int i, distinct = 0;

    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    for ( i = 1; i < VSB_MAX_VCPUS; i++ )
        distinct += run(&cpus[i], VMCB(i), ROOT(0), false) == vm;
    tap_ok(distinct == VSB_MAX_VCPUS - 1 && vm->nr_vcpus == VSB_MAX_VCPUS,
           "%u vCPUs", VSB_MAX_VCPUS);
    tap_ok(!run(&cpus[i], VMCB(i), ROOT(0), false) &&
           cpus[i].arch.hvm.nvcpu.nv_vsb.refused &&
           vm->nr_vcpus == VSB_MAX_VCPUS, "one more is refused");
    tap_ok(run(&cpus[0], VMCB(0), ROOT(0), false) == vm &&
           !run(&cpus[i], VMCB(i), ROOT(0), false) &&
           vm->state == VSB_RUNNING, "and does not disturb the others");

    reset();
    for ( i = 0, distinct = 0; i < VSB_MAX_VMS; i++ )
    {
        vms[i] = boot(&cpus[0], VMCB(i), ROOT(i));
        distinct |= 1u << vsb_slot(vms[i]);
    }
    tap_ok(distinct == ~0u, "%u user VMs, each in its slot", VSB_MAX_VMS);
    for ( i = 0; i < 3; i++ )
        vm = run(&cpus[1], VMCB(100 + i), ROOT(100 + i), i == 0);
    tap_ok(!vm && cpus[1].arch.hvm.nvcpu.nv_vsb.refused &&
           vsb_count.vms_refused == 3 &&
           vsb_count.vms_seen == VSB_MAX_VMS + 3,
           "more are refused, and counted");
    for ( i = 0, distinct = 0; i < VSB_MAX_VMS; i++ )
        distinct += run(&cpus[2], VMCB(i), ROOT(i), false) == vms[i] &&
                    vms[i]->generation == 1;
    tap_ok(distinct == VSB_MAX_VMS, "nobody was mixed up by that");

    drain();
    pass(SECONDS(11));
    run(&cpus[2], VMCB(4), ROOT(4), false);
    tap_ok(vms[3]->state == VSB_SILENT_VM && vms[4]->state == VSB_RUNNING,
           "who does not run for 10 s is silent");
    tap_ok(vsb_vm_forget(3, 1) && vms[3]->state == VSB_GONE &&
           !vsb_vm_forget(4, 1) && !vsb_vm_forget(5, 2) &&
           !vsb_vm_forget(VSB_MAX_VMS, 1),
           "L0 can have a silent one forgotten, no other");
    drain();
    vm = boot(&cpus[1], VMCB(100), ROOT(100));
    tap_ok(vm == vms[3] && vm->generation == 2, "its slot is used again");
    vm = boot(&cpus[1], VMCB(101), ROOT(101));
    tap_ok(vm == vms[0] && vm->generation == 2,
           "without a free one, that of who is silent for longest");
    tap_ok(run(&cpus[0], VMCB(0), ROOT(0), false) != vm,
           "who comes back then is a new user VM");

    /* In a captured HLT a VM is not entered, and still runs. */
    reset();
    for ( i = 0; i < VSB_MAX_VMS; i++ )
        vms[i] = boot(&cpus[i % 2], VMCB(i), ROOT(i));
    enter(&cpus[2], &(struct vsb_entry){ .vmcx = VMCB(7), .root = ROOT(7) });
    vms[7]->vcpus[0].halted = true;
    drain();
    for ( i = 0; i < 15; i++ )
    {
        pass(SECONDS(1));
        distinct = run(&cpus[0], VMCB(30), ROOT(30), false) == vms[30];
    }
    for ( i = 0; i < VSB_MAX_VMS; i++ )
        run(&cpus[1], VMCB(200 + i), ROOT(200 + i), true);
    tap_ok(vms[7]->state == VSB_RUNNING && vms[7]->generation == 1,
           "a halted user VM keeps its slot when others need one");
}

static void labels(void)
{
    struct vsb_vm *vm, *twin;
    uint8_t payload[VSB_FRAME_PAYLOAD];
    unsigned int n, i;
    char text[64];

    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    find_label(&cpus[0], vm);
    tap_ok(!vm->uuid_valid, "no firmware yet: no label");
    n = shim_reads;
    vsb_vm_find_label(&cpus[0], vm);
    tap_ok(shim_reads == n, "it is not looked for at every access");
    firmware(0x11);
    find_label(&cpus[0], vm);
    tap_ok(labelled(vm, 0x11) && vm->generation == 1, "the firmware's UUID");
    n = shim_reads;
    find_label(&cpus[0], vm);
    tap_ok(shim_reads == n, "found once, it is not looked for again");

    /* The order of the bytes is that in which a UUID is printed. */
    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x11);
    for ( i = 0; i < 16; i++ )
        shim_memory[0xe0000 + 13 + 8 + i] = i;
    find_label(&cpus[0], vm);
    tap_ok(!memcmp(vm->uuid, "\3\2\1\0\5\4\7\6\10\11\12\13\14\15\16\17", 16),
           "little endian fields are turned");

    /* Xen's firmware: SMBIOS 2.4, which has no little endian fields. */
    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x11);
    shim_memory[0xf5a30 + 7] = 4;
    for ( i = 0; i < 16; i++ )
        shim_memory[0xe0000 + 13 + 8 + i] = i;
    find_label(&cpus[0], vm);
    tap_ok(!memcmp(vm->uuid, "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16),
           "before SMBIOS 2.6 there are none");

    /* SMBIOS 3: 64 bit entry point. */
    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x12);
    memset(shim_memory + 0xf5a30, 0, 31);
    memcpy(shim_memory + 0xf0ff0 - 0x10, "_SM3_", 5);
    vsb_put64(shim_memory + 0xf0ff0, 0xe0000);
    find_label(&cpus[0], vm);
    tap_ok(labelled(vm, 0x12), "64 bit entry point");

    /* Reset. */
    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x21);
    find_label(&cpus[0], vm);
    drain();
    com1_write(vm, VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    send(L0_DATA, vm, 0, "secret, and more than a FIFO");
    send(L0_BREAK, vm, 1, "");
    tap_ok(com1_text(vm, text, 3) == 3 && !memcmp(text, "sec", 3),
           "input is read");
    run(&cpus[0], VMCB(0), ROOT(0), true);
    run(&cpus[0], VMCB(0), ROOT(0), false);
    send(L0_DATA, vm, 28, "more");
    com1_write(vm, VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    tap_ok(!com1_text(vm, text, sizeof(text)),
           "after a reset no input until the label is read");
    find_label(&cpus[0], vm);
    n = com1_text(vm, text, sizeof(text));
    tap_ok(vm->generation == 1 && n == 4 && !memcmp(text, "more", 4),
           "the same label: the user VM and its streams go on, "
           "without what was typed before");

    drain();
    send(L0_DATA, vm, 32, "hidden");
    send(L0_BREAK, vm, 1, "");
    run(&cpus[0], VMCB(0), ROOT(0), true);
    run(&cpus[0], VMCB(0), ROOT(0), false);
    run(&cpus[1], VMCB(1), ROOT(0), false);
    send(L0_DATA, vm, 38, "typed");
    send(L0_BREAK, vm, 1, "");
    firmware(0x22);
    com1_write(vm, VSB_UART_THR, 'B');
    tap_ok(vm->out_end - vsb_vm_out_limit(vm) == 1,
           "what is said while the label is in doubt is held back");
    find_label(&cpus[0], vm);
    com1_write(vm, VSB_UART_FCR, VSB_UART_FCR_ENABLE);
    tap_ok(vm->generation == 2 && labelled(vm, 0x22) &&
           vm->in_taken == vm->in_next && vm->out_end - vm->out_sent == 1,
           "another label: a new generation with its own output only");
    tap_ok(vm->doubtful, "and in doubt");
    vm->out_acked = vm->out_sent = vm->out_known = vm->out_end;
    payload[0] = L0_DATA;
    payload[1] = vsb_slot(vm);
    vsb_put16(payload + 2, 1);
    vsb_put32(payload + 4, vm->in_next);
    payload[8] = 'x';
    com1_text(vm, text, sizeof(text));
    shim_receive(payload, 9);
    tap_ok(vsb_count.frames_stale == 1 && !com1_text(vm, text, sizeof(text)),
           "what L0 sends to the old generation is refused");

    /* The same again, step by step: nothing typed before is read. */
    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x21);
    find_label(&cpus[0], vm);
    drain();
    send(L0_DATA, vm, 0, "hidden");
    run(&cpus[0], VMCB(0), ROOT(0), true);
    run(&cpus[1], VMCB(1), ROOT(0), false);
    send(L0_DATA, vm, 6, "typed");
    send(L0_BREAK, vm, 1, "");
    firmware(0x22);
    find_label(&cpus[0], vm);
    tap_ok(!com1_text(vm, text, sizeof(text)) &&
           !(com1_read(vm, VSB_UART_LSR) & VSB_UART_LSR_BI),
           "nothing typed before, no BREAK either, is read under the new label");
    tap_ok(run(&cpus[0], VMCB(0), ROOT(0), false) == vm &&
           run(&cpus[1], VMCB(1), ROOT(0), false) == vm,
           "the vCPUs are known");

    /* The label does not come back. */
    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x21);
    find_label(&cpus[0], vm);
    run(&cpus[0], VMCB(0), ROOT(0), true);
    send(L0_DATA, vm, 0, "typed");
    firmware(0);
    for ( i = 0; i < VSB_LABEL_TRIES + 5; i++ )
        find_label(&cpus[0], vm);
    tap_ok(!vm->uuid_valid && vm->generation == 2 && vm->doubtful &&
           !com1_text(vm, text, sizeof(text)),
           "a label that does not come back: a new generation, in doubt");
    n = shim_reads;
    find_label(&cpus[0], vm);
    tap_ok(shim_reads == n, "in the end it is not looked for any more");

    /* Killed and started again, on new pages. */
    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x31);
    find_label(&cpus[0], vm);
    pass(SECONDS(3));
    twin = boot(&cpus[1], VMCB(1), ROOT(1));
    find_label(&cpus[1], twin);
    tap_ok(twin != vm && vm->state == VSB_SILENT_VM && labelled(twin, 0x31),
           "killed and started again: the old one is silent at once");

    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x31);
    find_label(&cpus[0], vm);
    twin = boot(&cpus[1], VMCB(1), ROOT(1));
    shim_now += SECONDS(1);
    run(&cpus[0], VMCB(0), ROOT(0), false);
    find_label(&cpus[1], twin);
    tap_ok(labelled(twin, 0x31) && vm->state == VSB_RUNNING,
           "but not one that ran within the last second");
}

static void relinquished(void)
{
    struct vsb_vm *a, *b;
    unsigned int i;
    bool pointers = false;

    reset();
    cpus[1].domain = &other_l2;
    a = boot(&cpus[0], VMCB(0), ROOT(0));
    run(&cpus[2], VMCB(1), ROOT(0), false);
    b = boot(&cpus[1], VMCB(0), ROOT(0));
    vsb_domain_relinquish(&l2);
    for ( i = 0; i < VSB_MAX_VCPUS; i++ )
        pointers |= a->vcpus[i].v != NULL;
    tap_ok(a->state == VSB_GONE && a->record_due && !pointers,
           "L2 dies: its user VMs are gone");
    tap_ok(b->state == VSB_RUNNING, "another L2's are not");
    vsb_domain_relinquish(&l2);
    tap_ok(b->state == VSB_RUNNING, "once more: nothing happens");
    memset(&cpus[0], 0xee, sizeof(cpus[0]));
    memset(&cpus[2], 0xee, sizeof(cpus[2]));
    pass(SECONDS(1));
    send(L0_DATA, a, 0, "late");
    tap_ok(true, "nobody looks at its vCPUs after that");
}

/* While the table is read, the VM becomes another one's slot. */
static struct vsb_vm *victim;

static void steal_slot(paddr_t address, unsigned int len)
{
    (void)address;
    (void)len;
    shim_on_read = NULL;
    vsb_domain_relinquish(&l2);
    drain();
    cpus[5].domain = &other_l2;
    run(&cpus[5], VMCB(50), ROOT(50), true);
}

/* While one vCPU searches, L3 changes its UUID and has another one search. */
static void search_twice(paddr_t address, unsigned int len)
{
    (void)address;
    (void)len;
    shim_on_read = NULL;
    find_label(&cpus[1], victim);
    firmware(0x45);
}

/* While the table is read, L2 resets the user VM, which is another one then. */
static void reset_l3(paddr_t address, unsigned int len)
{
    (void)address;
    (void)len;
    shim_on_read = NULL;
    run(&cpus[0], VMCB(0), ROOT(0), true);
}

/* While it is read for the last time, what L3 says is not for its old user. */
static bool sent_in_search;

static void say_something(paddr_t address, unsigned int len)
{
    (void)address;
    (void)len;
    com1_write(victim, VSB_UART_THR, 'x');
    sent_in_search |= vsb_vm_out_limit(victim) != victim->out_reset;
}

static void searches(void)
{
    struct vsb_vm *vm;
    unsigned int i;

    reset();
    victim = vm = boot(&cpus[0], VMCB(0), ROOT(0));
    run(&cpus[1], VMCB(1), ROOT(0), false);
    vm->out_end = vm->out_sent = vm->out_acked = vm->out_known = 5 * VSB_OUT_RING;
    firmware(0x44);
    shim_on_read = search_twice;
    find_label(&cpus[0], vm);
    tap_ok(vm->generation == 1 && vm->out_end - vm->out_acked <= VSB_OUT_RING,
           "nothing of the ring's past is sent: %u bytes",
           vm->out_end - vm->out_acked);
    find_label(&cpus[0], vm);
    tap_ok(vm->uuid_valid && vm->generation == 1, "one vCPU searches at a time");

    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x46);
    find_label(&cpus[0], vm);
    run(&cpus[0], VMCB(0), ROOT(0), true);
    run(&cpus[0], VMCB(0), ROOT(0), false);
    shim_on_read = reset_l3;
    find_label(&cpus[0], vm);
    tap_ok(vsb_vm_label_in_doubt(vm), "what was read before a reset says nothing");
    find_label(&cpus[0], vm);
    tap_ok(!vsb_vm_label_in_doubt(vm) && labelled(vm, 0x46), "read after it, it does");

    reset();
    victim = vm = boot(&cpus[0], VMCB(0), ROOT(0));
    firmware(0x47);
    find_label(&cpus[0], vm);
    run(&cpus[0], VMCB(0), ROOT(0), true);
    firmware(0);
    sent_in_search = false;
    shim_on_read = say_something;
    for ( i = 0; i < VSB_LABEL_TRIES; i++ )
        find_label(&cpus[0], vm);
    tap_ok(!sent_in_search && vm->generation == 2,
           "the label is in doubt until the last search is over");
}

static void grow_table(paddr_t address, unsigned int len)
{
    (void)len;
    if ( address >= 0xe0000 && address < 0xf0000 )
        shim_memory[(address & 0xfffff) | 1] ^= 0xff;
}

/*
 * Reads that one search costs at most: the area in chunks, the table byte by
 * byte, and the UUID. Each one walks L2's page table with L3 stopped.
 */
#define READS_MAX (256 + 2 * 16 + 4096 + 64 * 4 + 16)

static unsigned int search(struct vsb_vm *vm)
{
    shim_reads = 0;
    find_label(&cpus[0], vm);

    return shim_reads;
}

static void hostile_tables(void)
{
    struct vsb_vm *vm;
    unsigned int i, n, most = 0, seed;

    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    for ( i = 0xf0000; i < 0x100000; i += 16 )
        memcpy(shim_memory + i, "_SM_", 4);
    n = search(vm);
    tap_ok(n <= READS_MAX && !vm->uuid_valid,
           "entry points everywhere: %u reads", n);

    firmware(0x41);
    shim_memory[0xe0001] = 3;
    n = search(vm);
    tap_ok(n <= READS_MAX && !vm->uuid_valid, "a length of 3: %u reads", n);

    firmware(0x41);
    shim_memory[0xe0001] = 0;
    n = search(vm);
    tap_ok(n <= READS_MAX && !vm->uuid_valid, "a length of 0: %u reads", n);

    firmware(0x41);
    memset(shim_memory + 0xe0000, 4, 0x8000);
    vsb_put16(shim_memory + 0xf5a30 + 0x16, 0xffff);
    n = search(vm);
    tap_ok(n <= READS_MAX && !vm->uuid_valid,
           "strings without an end: %u reads", n);

    for ( i = 0; i < 0x8000; i += 6 )
        memcpy(shim_memory + 0xe0000 + i, "\2\4\0\0\0", 6);
    n = search(vm);
    tap_ok(n <= READS_MAX && !vm->uuid_valid,
           "structures without an end: %u reads", n);

    firmware(0x41);
    shim_memory[0xe0000 + 13 + 1] = 0x17;
    n = search(vm);
    tap_ok(!vm->uuid_valid, "a system structure too short for a UUID");

    firmware(0x41);
    vsb_put16(shim_memory + 0xf5a30 + 0x16, 10);
    search(vm);
    tap_ok(!vm->uuid_valid, "a table that ends before the UUID");

    for ( i = 0; i < 16; i++ )
    {
        static const uint64_t tables[] = {
            ~0ull, ~0ull - 3, ~0ull - 4095, 0xfffff, SHIM_MEMORY - 1,
            SHIM_MEMORY, 1ull << 63, 0xffffffff, 0xfffff000,
        };

        firmware(0);
        memcpy(shim_memory + 0xf0000, "_SM3_", 5);
        vsb_put64(shim_memory + 0xf0010, tables[i % ARRAY_SIZE(tables)]);
        n = search(vm);
        most = n > most ? n : most;
    }
    tap_ok(most <= READS_MAX && !vm->uuid_valid,
           "tables at the ends of memory: %u reads", most);

    firmware(0x41);
    shim_on_read = grow_table;
    n = search(vm);
    tap_ok(n <= READS_MAX, "a table that changes while it is read: %u reads", n);
    shim_on_read = NULL;

    for ( seed = 1, most = 0; seed <= 40; seed++ )
    {
        shim_seed(seed);
        vm->label_tries = 0;
        vm->uuid_valid = false;
        firmware(0x41);
        for ( i = 0xe0000; i < 0xe1000; i++ )
            if ( shim_chance(seed * 2) )
                shim_memory[i] = shim_chance(50) ? shim_random() % 8
                                                 : shim_random();
        n = search(vm);
        most = n > most ? n : most;
    }
    tap_ok(most <= READS_MAX, "random tables: at most %u reads", most);

    reset();
    vm = boot(&cpus[0], VMCB(0), ROOT(0));
    victim = vm;
    firmware(0x42);
    shim_on_read = steal_slot;
    find_label(&cpus[0], vm);
    tap_ok(victim->domid == 2 && victim->state == VSB_RUNNING &&
           !victim->uuid_valid && victim->generation == 2,
           "a slot that changes hands meanwhile does not get the label");
}

int main(void)
{
    known_pages();
    recycled();
    identity();
    limits();
    labels();
    relinquished();
    searches();
    hostile_tables();

    return tap_done();
}
