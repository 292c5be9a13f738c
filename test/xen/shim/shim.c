/* SPDX-License-Identifier: GPL-2.0-only */
/* See shim.h. */

#include "shim.h"

#include <xen/random.h>
#include <xen/version.h>

#include <asm/hvm/emulate.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/io.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/hvm/support.h>

#define HELD_MAX 4

bool vsb_enabled __attribute__((weak)) = true;
bool vsb_link_up __attribute__((weak)) = true;

s_time_t shim_now;
unsigned int shim_kicks, shim_reads;
uint8_t shim_memory[SHIM_MEMORY];
void (*shim_on_read)(paddr_t address, unsigned int len);
struct vcpu *shim_current;
struct domain *shim_domains;
int domlist_read_lock;
struct shim_processor shim_cpu;
void (*shim_on_block)(void);
void (*shim_on_emulate)(void);

const struct shim_backend *shim_backend;

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

bool spin_is_locked(const spinlock_t *lock)
{
    return lock->held;
}

bool spin_trylock(spinlock_t *lock)
{
    if ( lock->held )
        return false;
    spin_lock(lock);

    return true;
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
    shim_current->pause_flags |= 1ul << _VPF_blocked;
    if ( shim_on_block )
        shim_on_block();
}

void vcpu_unblock(struct vcpu *v)
{
    v->shim_unblocked++;
    v->shim_blocked = false;
    v->pause_flags &= ~(1ul << _VPF_blocked);
}

void vcpu_kick(struct vcpu *v)
{
    v->shim_kicked++;
}

struct cpu_user_regs *guest_cpu_user_regs(void)
{
    return &shim_cpu.regs;
}

void init_timer(struct timer *timer, void (*function)(void *data), void *data,
                unsigned int cpu)
{
    CHECK(!timer->function && function);
    *timer = (struct timer){ .function = function, .data = data, .cpu = cpu };
}

void migrate_timer(struct timer *timer, unsigned int cpu)
{
    CHECK(timer->function);
    timer->cpu = cpu;
}

void set_timer(struct timer *timer, s_time_t expires)
{
    CHECK(timer->function && !timer->shim_killed);
    timer->expires = expires;
    timer->shim_active = true;
    shim_cpu.halted++;
}

bool timer_is_active(const struct timer *timer)
{
    return timer->shim_active;
}

void stop_timer(struct timer *timer)
{
    timer->shim_active = false;
    shim_cpu.resumed++;
}

/* It waits for one that runs. */
void kill_timer(struct timer *timer)
{
    CHECK(timer->function && !held_count && !irqs_off);
    timer->shim_active = false;
    timer->shim_killed = true;
}

/* Not of the sequence that a test's events come from. */
unsigned int get_random(void)
{
    static unsigned int state;

    return state += 0x9e3779b9;
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

bool nestedhvm_paging_mode_hap(const struct vcpu *v)
{
    CHECK(v);

    return !shim_cpu.no_hap;
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

int hvm_guest_x86_mode(struct vcpu *v)
{
    CHECK(v);

    return shim_cpu.mode;
}

unsigned int hvm_get_cpl(struct vcpu *v)
{
    CHECK(v);

    return shim_cpu.cpl;
}

void hvm_inject_hw_exception(unsigned int vector, int errcode)
{
    CHECK(vector == X86_EXC_GP && !errcode);
    shim_cpu.exceptions++;
}

struct hvm_io_handler *hvm_next_io_handler(struct domain *d)
{
    CHECK(d->arch.hvm.io_handler_count < NR_IO_HANDLERS);

    return &d->arch.hvm.io_handler[d->arch.hvm.io_handler_count++];
}

bool x86_insn_is_portio(void)
{
    return true;
}

/* The exit under way, and its operand. */
static struct vsb_exit exit_now;
static uint32_t operand;

/* The first handler that accepts it, as in Xen. */
bool hvm_emulate_one_insn(hvm_emulate_validate_t *validate, const char *descr)
{
    struct domain *d = shim_current->domain;
    ioreq_t p = { .addr = exit_now.port, .size = exit_now.size };
    unsigned int i;

    CHECK(validate() && descr && exit_now.string && !held_count && !irqs_off);
    if ( shim_on_emulate )
        shim_on_emulate();
    for ( i = 0; i < d->arch.hvm.io_handler_count; i++ )
    {
        const struct hvm_io_handler *handler = &d->arch.hvm.io_handler[i];
        uint64_t data = operand;
        int rc;

        CHECK(handler->type == IOREQ_TYPE_PIO);
        if ( !handler->ops->accept(handler, &p) )
            continue;

        rc = exit_now.in ? handler->ops->read(handler, p.addr, p.size, &data)
                         : handler->ops->write(handler, p.addr, p.size, data);
        CHECK(rc == X86EMUL_OKAY);
        operand = data;

        return true;
    }

    return false;
}

static void decode(const struct vcpu *v, uint64_t reason, struct vsb_exit *exit)
{
    CHECK(v == shim_current && reason == (uint64_t)exit_now.kind);
    *exit = exit_now;
}

static bool complete(struct vcpu *v, struct cpu_user_regs *regs,
                     enum vsb_exit_kind kind)
{
    CHECK(v == shim_current && kind == exit_now.kind && !held_count);
    if ( shim_cpu.unreadable )
        return false;
    regs->rip++;
    shim_cpu.completed++;

    return true;
}

static struct vsb_entry entry_now;

/* What is in L2's VMCB12s, each at its address; as many as a test can have. */
#define VMCBS_MAX 4096
static struct
{
    const struct domain *d;
    uint64_t vmcx, mark;
} vmcbs[VMCBS_MAX];

static uint64_t *mark_of(const struct vcpu *v, uint64_t vmcx)
{
    unsigned int i;

    for ( i = 0; vmcbs[i].d; i++ )
    {
        CHECK(i < VMCBS_MAX - 1);
        if ( vmcbs[i].d == v->domain && vmcbs[i].vmcx == vmcx )
            return &vmcbs[i].mark;
    }

    vmcbs[i].d = v->domain;
    vmcbs[i].vmcx = vmcx;

    return &vmcbs[i].mark;
}

static void mark(struct vcpu *v, uint64_t mark)
{
    CHECK(v == shim_current && mark);
    *mark_of(v, entry_now.vmcx) = mark;
}

void shim_new_vmcb(const struct vcpu *v, uint64_t vmcx)
{
    *mark_of(v, vmcx) = 0;
}

void shim_identify(struct vcpu *v, const struct vsb_entry *entry)
{
    shim_current = v;
    entry_now = *entry;
    entry_now.mark = *mark_of(v, entry->vmcx);
    vsb_vm_identify(v, &entry_now);
}

static void entry(struct vcpu *v, const struct cpu_user_regs *regs,
                  struct vsb_entry *entry)
{
    CHECK(v == shim_current && regs == &shim_cpu.regs);
    *entry = entry_now;
}

static bool can_present(const struct vcpu *v, const struct cpu_user_regs *regs)
{
    CHECK(v == shim_current);

    return !shim_cpu.busy && !(regs->eflags & X86_EFLAGS_TF);
}

static void present(struct vcpu *v, const struct cpu_user_regs *regs)
{
    CHECK(v == shim_current && regs == &shim_cpu.regs && !held_count);
    shim_cpu.presented++;
}

static bool can_inject(const struct vcpu *v, const struct cpu_user_regs *regs,
                       uint8_t vector)
{
    CHECK(v == shim_current && vector);

    return !shim_cpu.busy && (regs->eflags & X86_EFLAGS_IF);
}

static void inject(struct vcpu *v, uint8_t vector)
{
    CHECK(v == shim_current);
    shim_cpu.injected++;
    shim_cpu.vector = vector;
}

static unsigned long dr7(const struct vcpu *v)
{
    CHECK(v == shim_current);

    return shim_cpu.dr7;
}

static bool ends_halt(const struct vcpu *v)
{
    CHECK(v == shim_current);

    return shim_cpu.ends_halt;
}

static void halted(struct vcpu *v)
{
    CHECK(v == shim_current);
    shim_cpu.halted++;
}

static void resumed(struct vcpu *v)
{
    CHECK(v == shim_current);
    shim_cpu.resumed++;
}

static void init(void)
{
}

static const struct vsb_arch shim_arch = {
    .init = init,
    .decode = decode,
    .complete = complete,
    .entry = entry,
    .mark = mark,
    .can_present = can_present,
    .present = present,
    .can_inject = can_inject,
    .inject = inject,
    .dr7 = dr7,
    .ends_halt = ends_halt,
    .halted = halted,
    .resumed = resumed,
};

uint64_t shim_begin_exit(struct vcpu *v, const struct vsb_exit *exit)
{
    shim_current = v;
    exit_now = *exit;

    return shim_backend ? shim_backend->exit(v, exit) : exit->kind;
}

static bool io(struct vcpu *v, const struct vsb_exit *exit, uint32_t *val)
{
    struct cpu_user_regs *regs = &shim_cpu.regs;
    uint64_t reason = shim_begin_exit(v, exit);
    bool settled = false, ours;

    operand = *val;
    if ( !exit->string )
        regs->rax = *val;
    ours = vsb_io_exit(v, regs, reason, &settled) ||
           vsb_vmexit(v, regs, reason);
    CHECK(ours || !settled);
    *val = exit->string ? operand : regs->eax;

    return ours;
}

bool shim_io(struct vcpu *v, unsigned int port, unsigned int size, bool in,
             uint32_t *val)
{
    struct vsb_exit exit = {
        .kind = VSB_EXIT_IO, .port = port, .size = size, .in = in,
    };

    return io(v, &exit, val);
}

bool shim_string(struct vcpu *v, unsigned int port, unsigned int size, bool in,
                 uint32_t *val)
{
    struct vsb_exit exit = {
        .kind = VSB_EXIT_IO, .port = port, .size = size, .in = in,
        .string = true,
    };

    return io(v, &exit, val);
}

void shim_instruction(const struct vsb_exit *exit, uint32_t val)
{
    exit_now = *exit;
    operand = val;
}

uint8_t shim_in(struct vcpu *v, unsigned int reg)
{
    uint32_t val = 0;

    CHECK(shim_io(v, VSB_COM1 + reg, 1, true, &val));

    return val;
}

void shim_out(struct vcpu *v, unsigned int reg, uint8_t byte)
{
    uint32_t val = byte;

    CHECK(shim_io(v, VSB_COM1 + reg, 1, false, &val));
}

void shim_type(struct vsb_vm *vm)
{
    unsigned long flags;

    spin_lock_irqsave(&vm->lock, flags);
    vsb_com1_input(vm, (const uint8_t *)"x", 1);
    vsb_doorbell_wake(vm);
    spin_unlock_irqrestore(&vm->lock, flags);
}

static bool other_exit(struct vcpu *v, struct vsb_exit exit)
{
    uint64_t reason = shim_begin_exit(v, &exit);

    return vsb_vmexit(v, &shim_cpu.regs, reason);
}

bool shim_hlt(struct vcpu *v)
{
    shim_cpu.regs.eflags |= X86_EFLAGS_IF;

    return other_exit(v, (struct vsb_exit){ .kind = VSB_EXIT_HLT });
}

bool shim_wrmsr(struct vcpu *v, uint32_t msr, uint64_t val)
{
    shim_cpu.regs.rcx = msr;
    shim_cpu.regs.rax = (uint32_t)val;
    shim_cpu.regs.rdx = val >> 32;

    return other_exit(v, (struct vsb_exit){ .kind = VSB_EXIT_WRMSR });
}

bool shim_eoi(struct vcpu *v)
{
    return other_exit(v, (struct vsb_exit){ .kind = VSB_EXIT_EOI });
}

bool shim_fault(struct vcpu *v, paddr_t gpa)
{
    return other_exit(v, (struct vsb_exit){
                             .kind = VSB_EXIT_MEMORY, .gpa = gpa });
}

void shim_leave(struct vcpu *v, enum vsb_exit_kind kind)
{
    CHECK(!other_exit(v, (struct vsb_exit){ .kind = kind }));
}

void shim_enter(struct vcpu *v, const struct vsb_entry *entry, uint8_t vector)
{
    shim_current = v;
    entry_now = *entry;
    entry_now.mark = *mark_of(v, entry->vmcx);
    entry_now.injects = vector;
    entry_now.vector = vector;
    v->arch.hvm.nvcpu.nv_guestmode = true;
    if ( shim_backend )
        shim_backend->enter(v, &entry_now);
    vsb_vmentry(v, &shim_cpu.regs);
}

unsigned int shim_opportunity(struct vcpu *v)
{
    bool presented;

    shim_current = v;
    if ( shim_backend )
        shim_backend->before_opportunity(v);
    presented = vsb_opportunity(v, &shim_cpu.regs);
    if ( shim_backend )
        shim_backend->after_opportunity(v);
    if ( !presented )
        return SHIM_NO_EXIT;

    return (uint8_t)shim_cpu.regs.rax;
}

/* link.c, where it is there, takes its lock in this call. */
__attribute__((weak)) void vsb_link_kick(struct vsb_vm *vm, bool urgent)
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
    memset(vmcbs, 0, sizeof(vmcbs));
    shim_domains = NULL;
    vsb_halt_default = VSB_HALT_ADAPTIVE;
    vsb_irq_mode = VSB_IRQ_DOORBELL;
    shim_on_read = NULL;
    shim_on_block = shim_on_emulate = NULL;
    shim_kicks = shim_reads = 0;
    shim_cpu = (struct shim_processor){ .mode = 8, .cpl = 3 };
    shim_cpu.regs.eflags = X86_EFLAGS_IF;
    shim_cpu.regs.rip = 0x1000;
    vsb_arch = shim_backend ? *shim_backend->arch : shim_arch;
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
