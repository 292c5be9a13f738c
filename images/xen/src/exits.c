/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: what is done about an exit of L3, at an entry of it, and in between.
 * The same for every processor; what differs is behind struct vsb_arch.
 */

#include "vsb.h"

#include <asm/hvm/emulate.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/io.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/hvm/support.h>

/* The EOI register of an x2APIC. */
#define X2APIC_EOI      0x80bu

/* Where every firmware of a PC has it. */
#define IOAPIC_PAGE     0xfec00u

struct vsb_arch __ro_after_init vsb_arch;

static bool is_com1(unsigned int port, unsigned int size)
{
    return port < VSB_COM1 + VSB_COM1_PORTS && port + size > VSB_COM1;
}

/*
 * One access of @size bytes, which overlaps COM1, as bytes. Lanes beside COM1
 * are refused: they read as all ones, and nobody is told what was written.
 * @follows: whether there may be something to do for the doorbell.
 */
static uint32_t access(struct vsb_vm *vm, unsigned int port, unsigned int size,
                       bool in, uint32_t val, bool *follows)
{
    uint32_t result = 0;
    unsigned int i;

    *follows = in;

    for ( i = 0; i < size; i++, port++ )
    {
        unsigned int reg = port - VSB_COM1;
        uint8_t byte = 0xff;

        if ( reg >= VSB_COM1_PORTS )
            vm->count.refused_wide++;
        else if ( in )
            byte = vsb_com1_read(vm, reg);
        else
            *follows |= vsb_com1_write(vm, reg, val >> (i * 8));
        result |= (uint32_t)byte << (i * 8);
    }

    return result;
}

/*
 * INS and OUTS are emulated by Xen's instruction emulator, which ends up in
 * the handlers of the domain: in this one first. Whose port it is was decided by
 * string_exit(), once: the user VM may have become another since.
 */
static bool cf_check string_accept(const struct hvm_io_handler *handler,
                                   const ioreq_t *p)
{
    return vcpu_nestedhvm(current).nv_vsb.string && is_com1(p->addr, p->size);
}

static int string_access(uint64_t addr, uint32_t size, bool in, uint64_t *data)
{
    bool follows;
    unsigned long flags;
    struct vsb_vm *vm = vsb_vm_lock_current(current, &flags);

    if ( !vm )
    {
        *data = ~0ull;
        return X86EMUL_OKAY;
    }

    vm->count.string_accesses++;
    *data = access(vm, addr, size, in, *data, &follows);
    spin_unlock_irqrestore(&vm->lock, flags);
    if ( !in )
        vsb_link_kick(vm, false);

    return X86EMUL_OKAY;
}

static int cf_check string_read(const struct hvm_io_handler *handler,
                                uint64_t addr, uint32_t size, uint64_t *data)
{
    return string_access(addr, size, true, data);
}

static int cf_check string_write(const struct hvm_io_handler *handler,
                                 uint64_t addr, uint32_t size, uint64_t data)
{
    return string_access(addr, size, false, &data);
}

static const struct hvm_io_ops string_ops = {
    .accept = string_accept,
    .read = string_read,
    .write = string_write,
};

static DEFINE_SPINLOCK(string_handler_lock);

static bool have_string_handler(struct domain *d)
{
    struct hvm_io_handler *handlers = d->arch.hvm.io_handler;
    unsigned int i, nr;
    bool have = false;
    unsigned long flags;

    /* Several vCPUs of L2 can be here for the first time. */
    spin_lock_irqsave(&string_handler_lock, flags);

    nr = d->arch.hvm.io_handler_count;
    for ( i = 0; i < nr; i++ )
        have |= handlers[i].ops == &string_ops;

    /* The limit is a guest's to reach only through us: do not crash it. */
    if ( !have && nr < NR_IO_HANDLERS )
    {
        /*
         * Others look through the handlers without a lock: it has to be whole
         * before it counts.
         */
        handlers[nr].type = IOREQ_TYPE_PIO;
        handlers[nr].ops = &string_ops;
        smp_wmb();
        have = hvm_next_io_handler(d) == &handlers[nr];
    }

    spin_unlock_irqrestore(&string_handler_lock, flags);

    return have;
}

/* INS or OUTS: see above. */
static bool string_exit(struct vcpu *v)
{
    struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    unsigned long flags;
    struct vsb_vm *vm = vsb_vm_lock_current(v, &flags);
    bool hooked = true;

    if ( vm )
    {
        vm->count.exits_com1++;
        hooked = vm->hooked;
        spin_unlock_irqrestore(&vm->lock, flags);
        if ( !hooked )
            return false;
    }
    else
        vsb_count.accesses_refused++;

    cache->string = vm && have_string_handler(v->domain);
    if ( !cache->string ||
         !hvm_emulate_one_insn(x86_insn_is_portio, "shadow UART") )
        hvm_inject_hw_exception(X86_EXC_GP, 0);
    cache->string = false;

    return true;
}

bool vsb_io_exit(struct vcpu *v, struct cpu_user_regs *regs, uint64_t reason,
                 bool *settled)
{
    unsigned int index = vcpu_nestedhvm(v).nv_vsb.index;
    struct vsb_exit io;
    struct vsb_vm *vm;
    unsigned long flags;
    uint32_t val = 0xffffffff;
    bool follows;

    if ( !vsb_enabled )
        return false;

    alternative_vcall(vsb_arch.decode, v, reason, &io);
    if ( !is_com1(io.port, io.size) || io.string )
        return false;

    vm = vsb_vm_lock_current(v, &flags);
    if ( vm )
    {
        vm->count.exits_com1++;
        /* L3 goes on, or comes to L2 later, and not as it left before. */
        vm->vcpus[index].left.valid = false;

        if ( unlikely(!vm->hooked) )
        {
            if ( !io.in && io.size == 1 )
                vsb_com1_follow(vm, io.port - VSB_COM1, regs->rax);
            spin_unlock_irqrestore(&vm->lock, flags);
            return false;
        }

        vm->vcpus[index].idle = false;
        if ( io.in && io.port == VSB_COM1 + VSB_UART_IIR &&
             !(regs->eflags & X86_EFLAGS_IF) )
            vsb_direct_iir_read(vm, index);
        val = access(vm, io.port, io.size, io.in, regs->eax, &follows);
        *settled = !follows || vsb_doorbell_settled(vm);
        spin_unlock_irqrestore(&vm->lock, flags);

        if ( !io.in )
            vsb_link_kick(vm, false);
        if ( unlikely(vm->label_tries < VSB_LABEL_TRIES) )
        {
            /* Input that was held back for want of it may be there now. */
            vsb_vm_find_label(v, vm);
            *settled = false;
        }
    }
    else
    {
        /* There is no room to track the user VM: a dead port, no leak. */
        vsb_count.accesses_refused++;
        *settled = true;
    }

    if ( io.in )
    {
        if ( io.size == 4 )
            regs->rax = val;
        else
            memcpy(&regs->rax, &val, io.size);
    }

    alternative_call(vsb_arch.complete, v, regs, VSB_EXIT_IO);
    /* A single step's #DB, which L2 intercepts. */
    if ( unlikely(vcpu_nestedhvm(v).nv_vmexit_pending) )
        *settled = false;

    return true;
}

static bool hlt(struct vcpu *v, struct cpu_user_regs *regs)
{
    unsigned long flags;
    struct vsb_vm *vm;
    bool capture, ring, told;
    unsigned int index = vcpu_nestedhvm(v).nv_vsb.index;

    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
        return false;

    vm->count.exits_hlt++;
    vsb_com1_end_pause(vm, STIME_MAX);
    /* Blocked here, L3 would get what L2 has for it with L2's next interrupt. */
    if ( !(regs->eflags & X86_EFLAGS_IF) ||
         alternative_call(vsb_arch.ends_halt, v) )
    {
        spin_unlock_irqrestore(&vm->lock, flags);
        return false;
    }
    /* It may be L2 who is told now, and L3 stay with L2 until it is woken. */
    if ( !vsb_irq_by_doorbell() )
        vm->vcpus[index].idle = true;
    ring = vsb_doorbell_settle(vm, true, &told) != VSB_RING_NOTHING;
    capture = vm->hooked && vsb_halt_wanted(vm);
    spin_unlock_irqrestore(&vm->lock, flags);
    if ( told )
        vsb_link_kick(vm, true);

    if ( !ring && !capture )
        return false;

    /*
     * Whatever ends it, L3 goes on behind its HLT: a processor that takes an
     * interrupt exit in HLT does the same.
     */
    if ( !alternative_call(vsb_arch.complete, v, regs, VSB_EXIT_HLT) )
        return true;

    /* The slot may be another user VM's by now. */
    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
        return true;
    vm->vcpus[index].idle = true;

    if ( ring )
    {
        spin_unlock_irqrestore(&vm->lock, flags);
        return true;
    }

    vm->count.halts_captured++;
    vm->vcpus[index].halted = true;
    spin_unlock_irqrestore(&vm->lock, flags);

    if ( vsb_arch.halted )
        alternative_vcall(vsb_arch.halted, v);
    vcpu_nestedhvm(v).nv_vsb.halted = true;
    vcpu_block();

    /* Input may have come in between: then nobody saw that it is halted. */
    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
    {
        vcpu_unblock(v);
        return true;
    }
    vsb_doorbell_wake(vm);
    told = vsb_irq_mode == VSB_IRQ_NET && vsb_doorbell_line_due(vm);
    spin_unlock_irqrestore(&vm->lock, flags);
    if ( told )
        vsb_link_kick(vm, true);

    return true;
}

/* L3 ends an interrupt: if it is one that L2 does not know of. */
static bool eoi(struct vcpu *v, struct cpu_user_regs *regs,
                enum vsb_exit_kind kind)
{
    struct vsb_l3_vcpu *vcpu;
    struct vsb_vm *vm;
    unsigned long flags;
    bool ours;

    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
        return false;

    vcpu = &vm->vcpus[vcpu_nestedhvm(v).nv_vsb.index];
    ours = vcpu->eoi_due;
    vcpu->eoi_due = false;
    spin_unlock_irqrestore(&vm->lock, flags);

    if ( ours )
        alternative_call(vsb_arch.complete, v, regs, kind);

    return ours;
}

/* L3 wrote to its IOAPIC: an interrupt may have another vector now. */
static void ioapic(struct vcpu *v)
{
    unsigned long flags;
    struct vsb_vm *vm = vsb_vm_lock_current(v, &flags);

    if ( !vm )
        return;

    vsb_direct_forget(vm);
    spin_unlock_irqrestore(&vm->lock, flags);
}

bool vsb_vmexit(struct vcpu *v, struct cpu_user_regs *regs, uint64_t reason)
{
    const struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    struct vsb_vm *vm = cache->vm;
    struct vsb_exit exit;

    if ( !vsb_enabled )
        return false;

    alternative_vcall(vsb_arch.decode, v, reason, &exit);
    if ( vm && vm->generation != cache->generation )
        vm = NULL;

    /* Unlocked: nobody else has this vCPU run, and hence idle or not. */
    if ( vm )
    {
        vm->vcpus[cache->index].idle = false;
        vsb_watch_exit(v, regs, &vm->vcpus[cache->index].left, exit.kind);
        if ( unlikely(vm->label_early) )
            vsb_vm_find_label(v, vm);
    }

    switch ( exit.kind )
    {
    case VSB_EXIT_IO:
        return exit.string && is_com1(exit.port, exit.size) && string_exit(v);

    case VSB_EXIT_HLT:
        return hlt(v, regs);

    case VSB_EXIT_WRMSR:
        if ( regs->ecx != X2APIC_EOI || regs->eax || regs->edx )
            break;
        /* fall through */
    case VSB_EXIT_EOI:
        if ( eoi(v, regs, exit.kind) )
            return true;
        break;

    case VSB_EXIT_MEMORY:
        if ( unlikely(exit.gpa >> PAGE_SHIFT == IOAPIC_PAGE) )
            ioapic(v);
        break;

    case VSB_EXIT_DEBUG:
    case VSB_EXIT_INTERRUPT:
    case VSB_EXIT_OTHER:
        break;
    }

    if ( vm )
        vm->count.exits_other++;

    return false;
}

void vsb_vmentry(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct vsb_entry entry;
    struct vsb_l3_vcpu *vcpu;
    struct vsb_vm *vm;
    unsigned long flags;
    bool told;

    if ( !vsb_enabled )
        return;

    /* If its HLT was captured, it is L2 that had it go on. */
    vcpu_nestedhvm(v).nv_vsb.halted = false;

    alternative_vcall(vsb_arch.entry, v, regs, &entry);
    vsb_vm_identify(v, &entry);

    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
        return;

    vcpu = &vm->vcpus[vcpu_nestedhvm(v).nv_vsb.index];
    /* L2 has something for it to do, if it was with L2 that it halted. */
    if ( !vsb_irq_by_doorbell() )
        vcpu->idle = false;
    if ( entry.injects )
    {
        vcpu->vector = entry.vector;
        vcpu->idle = vcpu->eoi_due = false;
    }
    if ( vcpu->in_flight )
    {
        vcpu->in_flight = false;
        /* Unless L2 has given L3 another state meanwhile, a reset's say. */
        if ( regs->rip == vcpu->rip && regs->rax == vcpu->shown_rax )
            regs->rax = vcpu->rax;
    }
    told = vsb_watch_entry(v, regs, vm, &vcpu->left, &entry);

    spin_unlock_irqrestore(&vm->lock, flags);
    if ( unlikely(told) )
        vsb_link_kick(vm, true);
}

void vsb_leave_halt(struct vcpu *v)
{
    struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;

    if ( likely(!cache->halted) )
        return;

    cache->halted = false;
    if ( vsb_arch.resumed )
        alternative_vcall(vsb_arch.resumed, v);
}

bool vsb_opportunity(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    struct vsb_l3_vcpu *vcpu;
    struct vsb_vm *vm;
    enum vsb_ring ring;
    unsigned long flags;
    bool told;

    if ( !vsb_enabled )
        return false;

    if ( !test_bit(_VPF_blocked, &v->pause_flags) )
        vsb_leave_halt(v);

    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
        return false;

    vsb_com1_end_pause(vm, NOW());
    vcpu = &vm->vcpus[cache->index];
    ring = vsb_doorbell_settle(vm, vcpu->idle, &told);

    if ( ring == VSB_RING_RAISE && vcpu->idle &&
         vsb_direct_known(vm, cache->index) &&
         alternative_call(vsb_arch.can_inject, v, regs, vm->direct.vector) )
    {
        alternative_vcall(vsb_arch.inject, v, vm->direct.vector);
        vcpu->eoi_due = true;
        vcpu->idle = false;
        vsb_direct_done(vm);
        spin_unlock_irqrestore(&vm->lock, flags);
        return false;
    }

    if ( likely(ring == VSB_RING_NOTHING) ||
         !alternative_call(vsb_arch.can_present, v, regs) )
    {
        spin_unlock_irqrestore(&vm->lock, flags);
        if ( told )
            vsb_link_kick(vm, true);
        return false;
    }

    vm->count.doorbell_exits++;
    vsb_doorbell_done(vm, ring);

    vcpu->in_flight = true;
    vcpu->rax = regs->rax;
    vcpu->rip = regs->rip;
    regs->rax = (regs->rax & ~0xfful) |
                (ring == VSB_RING_RAISE ? VSB_UART_IER_THRE :
                 ring == VSB_RING_HAND_OVER ? vm->uart.ier : 0);
    vcpu->shown_rax = regs->rax;

    spin_unlock_irqrestore(&vm->lock, flags);

    alternative_vcall(vsb_arch.present, v, regs);

    return true;
}

bool vsb_hypercall(struct vcpu *v, struct cpu_user_regs *regs, bool *answered)
{
    struct vsb_line line;

    if ( likely(regs->rax != VSB_ULTRACALL) ||
         vsb_irq_mode != VSB_IRQ_ULTRACALL || !vsb_enabled ||
         !nestedhvm_enabled(v->domain) || hvm_guest_x86_mode(v) != 8 ||
         hvm_get_cpl(v) != 3 || !(regs->eflags & X86_EFLAGS_IF) )
        return false;

    *answered = vsb_ultracall_wait(v, &line);
    if ( *answered )
    {
        regs->rax = 0;
        regs->rdx = line.level;
        memcpy(&regs->rsi, line.uuid, 8);
        memcpy(&regs->rdi, line.uuid + 8, 8);
    }

    return true;
}
