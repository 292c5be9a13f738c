/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: the glue to nested SVM. What it needs of the processor, and what
 * nested VMX would have to supply: the I/O exit's decoding and its completion
 * for L3, HLT, an exit presented to L2, and the identity at VM entry. The rest
 * of VSBypass does not know which of the two it is.
 *
 * References are to AMD64 Architecture Programmer's Manual, volume 2.
 */

#include "vsb.h"

#include <xen/init.h>

#include <asm/hvm/emulate.h>
#include <asm/hvm/hvm.h>
#include <asm/hvm/io.h>
#include <asm/hvm/nestedhvm.h>
#include <asm/hvm/support.h>
#include <asm/hvm/svm/emulate.h>
#include <asm/hvm/svm/nestedsvm.h>
#include <asm/hvm/svm/svm.h>
#include <asm/hvm/svm/vmcb.h>

/* EXITINFO1 of an I/O exit (15.10.2). */
#define IOIO_IN         (1u << 0)
#define IOIO_STRING     (1u << 2)
#define IOIO_SIZE(info) (((info) >> 4) & 7)
#define IOIO_SZ8        (1u << 4)
#define IOIO_A16        (1u << 7)
#define IOIO_PORT(info) ((uint16_t)((info) >> 16))

/* EXITINFO1 of an MSR exit (15.11); EOI of an x2APIC (16.11). */
#define MSR_WRITE       1u
#define X2APIC_EOI      0x80bu

/* Where every firmware of a PC has it. */
#define IOAPIC_PAGE     0xfec00u

/*
 * Xen leaves CR4.PSE clear, since it is ignored in long mode (5.3); operating
 * systems set it. QEMU's TCG flushes the TLB and the cache of jumps whenever the
 * bit changes, so at each VMRUN and each exit: an eighth of the time of an
 * access. To a processor it makes no difference.
 */
void __init vsb_svm_init(void)
{
    set_in_cr4(X86_CR4_PSE);
}

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
 * the handlers of the domain: in this one first, while L3 runs.
 */
static bool cf_check string_accept(const struct hvm_io_handler *handler,
                                   const ioreq_t *p)
{
    const struct vsb_vm *vm = vcpu_nestedhvm(current).nv_vsb.vm;

    return nestedhvm_vcpu_in_guestmode(current) && is_com1(p->addr, p->size) &&
           (!vm || vm->hooked);
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

    /* Several vCPUs of L2 can be here for the first time. */
    spin_lock(&string_handler_lock);

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

    spin_unlock(&string_handler_lock);

    return have;
}

/* INS or OUTS: see above. */
static bool string_exit(struct vcpu *v)
{
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

    if ( !vm || !have_string_handler(v->domain) ||
         !hvm_emulate_one_insn(x86_insn_is_portio, "shadow UART") )
        hvm_inject_hw_exception(X86_EXC_GP, 0);

    return true;
}

bool vsb_svm_access(struct vcpu *v, struct cpu_user_regs *regs, bool *settled)
{
    struct vmcb_struct *vmcb = v->arch.hvm.svm.vmcb;
    uint32_t info = vmcb->exitinfo1;
    unsigned int port = IOIO_PORT(info), size = IOIO_SIZE(info);
    unsigned int index = vcpu_nestedhvm(v).nv_vsb.index;
    bool in = info & IOIO_IN, follows;
    struct vsb_vm *vm;
    unsigned long flags;
    uint32_t val = 0xffffffff;

    if ( !vsb_enabled || !is_com1(port, size) || (info & IOIO_STRING) )
        return false;

    vm = vsb_vm_lock_current(v, &flags);
    if ( vm )
    {
        vm->count.exits_com1++;

        if ( unlikely(!vm->hooked) )
        {
            if ( !in && size == 1 )
                vsb_com1_follow(vm, port - VSB_COM1, regs->rax);
            spin_unlock_irqrestore(&vm->lock, flags);
            return false;
        }

        vm->vcpus[index].idle = false;
        if ( in && port == VSB_COM1 + VSB_UART_IIR &&
             !(regs->eflags & X86_EFLAGS_IF) )
            vsb_direct_iir_read(vm, index);
        val = access(vm, port, size, in, regs->eax, &follows);
        *settled = !follows || vsb_doorbell_settled(vm);
        spin_unlock_irqrestore(&vm->lock, flags);

        if ( !in )
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

    if ( in )
    {
        if ( size == 4 )
            regs->rax = val;
        else
            memcpy(&regs->rax, &val, size);
    }

    __update_guest_eip(regs, vmcb->exitinfo2 - vmcb->rip);
    /* A single step's #DB, which L2 intercepts. */
    if ( unlikely(vcpu_nestedhvm(v).nv_vmexit_pending) )
        *settled = false;

    return true;
}

/*
 * What to present to L2 at this opportunity. Where an interrupt server is told
 * of the line, that is none of it; true in @told: L0 has to hear of it.
 */
static enum vsb_ring next_ring(struct vsb_vm *vm, bool idle, bool *told)
{
    enum vsb_ring ring;

    if ( vsb_irq_by_doorbell() )
    {
        ring = vsb_doorbell_next(vm, idle);
        if ( ring != VSB_RING_LOWER || !vm->bell.direct )
            return ring;

        /* L2 has no line to lower. */
        vsb_doorbell_done(vm, ring);

        return vsb_doorbell_next(vm, idle);
    }

    if ( vsb_doorbell_settle(vm, idle) )
        *told = vsb_irq_mode == VSB_IRQ_NET;

    return vm->bell.hand_over ? VSB_RING_HAND_OVER : VSB_RING_NOTHING;
}

static bool hlt(struct vcpu *v, struct cpu_user_regs *regs)
{
    unsigned long flags;
    struct vsb_vm *vm;
    bool capture, ring, told = false;
    unsigned int len, index = vcpu_nestedhvm(v).nv_vsb.index;

    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
        return false;

    vm->count.exits_hlt++;
    if ( !(regs->eflags & X86_EFLAGS_IF) )
    {
        spin_unlock_irqrestore(&vm->lock, flags);
        return false;
    }
    /* It may be L2 who is told now, and L3 stay with L2 until it is woken. */
    if ( !vsb_irq_by_doorbell() )
        vm->vcpus[index].idle = true;
    ring = next_ring(vm, true, &told) != VSB_RING_NOTHING;
    capture = vm->hooked && vsb_halt_wanted(vm);
    spin_unlock_irqrestore(&vm->lock, flags);
    if ( told )
        vsb_link_kick(vm, true);

    if ( !ring && !capture )
        return false;

    /*
     * Whatever ends it, L3 goes on behind its HLT: a processor that takes an
     * interrupt exit in HLT does the same (15.2, RIP of an intercepted event).
     */
    len = svm_get_insn_len(v, INSTR_HLT);
    if ( !len )
        return true;
    __update_guest_eip(regs, len);

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

/* L3 wrote to an MSR: if it ends an interrupt that L2 does not know of. */
static bool eoi(struct vcpu *v, struct cpu_user_regs *regs,
                const struct vmcb_struct *vmcb)
{
    struct vsb_l3_vcpu *vcpu;
    struct vsb_vm *vm;
    unsigned long flags;
    unsigned int len;
    bool ours;

    if ( regs->ecx != X2APIC_EOI || vmcb->exitinfo1 != MSR_WRITE ||
         regs->eax || regs->edx )
        return false;

    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
        return false;

    vcpu = &vm->vcpus[vcpu_nestedhvm(v).nv_vsb.index];
    ours = vcpu->eoi_due;
    vcpu->eoi_due = false;
    spin_unlock_irqrestore(&vm->lock, flags);

    if ( !ours )
        return false;

    len = svm_get_insn_len(v, INSTR_WRMSR);
    if ( len )
        __update_guest_eip(regs, len);

    return true;
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

bool vsb_svm_vmexit(struct vcpu *v, struct cpu_user_regs *regs,
                    uint64_t exitcode)
{
    const struct vsb_vcpu *cache = &vcpu_nestedhvm(v).nv_vsb;
    struct vsb_vm *vm = cache->vm;
    struct vmcb_struct *vmcb = v->arch.hvm.svm.vmcb;

    if ( !vsb_enabled )
        return false;

    if ( vm && vm->generation != cache->generation )
        vm = NULL;

    /* Unlocked: nobody else has this vCPU run, and hence idle or not. */
    if ( vm )
        vm->vcpus[cache->index].idle = false;

    switch ( exitcode )
    {
    case VMEXIT_IOIO:
        return (vmcb->exitinfo1 & IOIO_STRING) &&
               is_com1(IOIO_PORT(vmcb->exitinfo1),
                       IOIO_SIZE(vmcb->exitinfo1)) && string_exit(v);

    case VMEXIT_HLT:
        return hlt(v, regs);

    case VMEXIT_MSR:
        if ( eoi(v, regs, vmcb) )
            return true;
        break;

    case VMEXIT_NPF:
        if ( unlikely(vmcb->exitinfo2 >> PAGE_SHIFT == IOAPIC_PAGE) )
            ioapic(v);
        break;
    }

    if ( vm )
        vm->count.exits_other++;

    return false;
}

void vsb_svm_vmentry(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct nestedvcpu *nv = &vcpu_nestedhvm(v);
    const struct vmcb_struct *n2vmcb = nv->nv_n2vmcx;
    struct vsb_l3_vcpu *vcpu;
    struct vsb_vm *vm;
    unsigned long flags;
    struct vsb_entry entry = {
        .vmcx = nv->nv_vvmcxaddr,
        .root = nestedhvm_paging_mode_hap(v)
                ? vcpu_nestedsvm(v).ns_vmcb_hostcr3 : 0,
        /* Initial processor state (14.1.3). */
        .at_reset = regs->rip == 0xfff0 && n2vmcb->cs.base == 0xffff0000 &&
                    !(v->arch.hvm.guest_cr[0] & X86_CR0_PE),
    };

    if ( !vsb_enabled )
        return;

    vsb_vm_identify(v, &entry);

    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
        return;

    vcpu = &vm->vcpus[nv->nv_vsb.index];
    /* L2 has something for it to do, if it was with L2 that it halted. */
    if ( !vsb_irq_by_doorbell() )
        vcpu->idle = false;
    if ( n2vmcb->event_inj.v &&
         n2vmcb->event_inj.type == X86_EVENTTYPE_EXT_INTR )
    {
        vcpu->vector = n2vmcb->event_inj.vector;
        vcpu->idle = vcpu->eoi_due = false;
    }
    if ( vcpu->in_flight )
    {
        vcpu->in_flight = false;
        /* Unless L2 has given L3 another state meanwhile, a reset's say. */
        if ( regs->rip == vcpu->rip && regs->rax == vcpu->shown_rax )
            regs->rax = vcpu->rax;
    }

    spin_unlock_irqrestore(&vm->lock, flags);
}

/* Can L3's context be replaced by an exit that it did not make? */
static bool can_present(struct vcpu *v, const struct cpu_user_regs *regs)
{
    const struct vmcb_struct *n2vmcb = vcpu_nestedhvm(v).nv_n2vmcx;

    return !n2vmcb->event_inj.v && !n2vmcb->exit_int_info.v &&
           !n2vmcb->int_stat.intr_shadow &&
           !(regs->eflags & X86_EFLAGS_TF) &&
           v->io.req.state == STATE_IOREQ_NONE &&
           (vcpu_nestedsvm(v).ns_general1_intercepts &
            GENERAL1_INTERCEPT_IOIO_PROT);
}

/* Would L3's processor take an interrupt with this vector now? */
static bool can_inject(const struct vcpu *v, const struct cpu_user_regs *regs,
                       uint8_t vector)
{
    const struct vmcb_struct *n2vmcb = vcpu_nestedhvm(v).nv_n2vmcx;

    return (regs->eflags & X86_EFLAGS_IF) && !n2vmcb->event_inj.v &&
           !n2vmcb->exit_int_info.v && !n2vmcb->int_stat.intr_shadow &&
           !n2vmcb->_vintr.fields.irq &&
           vector >> 4 > n2vmcb->_vintr.fields.tpr &&
           v->io.req.state == STATE_IOREQ_NONE;
}

bool vsb_svm_ring(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct vmcb_struct *n2vmcb = vcpu_nestedhvm(v).nv_n2vmcx;
    struct vsb_l3_vcpu *vcpu;
    struct vsb_vm *vm;
    enum vsb_ring ring;
    unsigned long flags;
    unsigned int index = vcpu_nestedhvm(v).nv_vsb.index;
    bool told = false;

    if ( !vsb_enabled )
        return false;

    vm = vsb_vm_lock_current(v, &flags);
    if ( !vm )
        return false;

    vcpu = &vm->vcpus[index];
    ring = next_ring(vm, vcpu->idle, &told);

    if ( ring == VSB_RING_RAISE && vcpu->idle && vsb_direct_known(vm, index) &&
         can_inject(v, regs, vm->direct.vector) )
    {
        n2vmcb->event_inj.raw = 0;
        n2vmcb->event_inj.v = true;
        n2vmcb->event_inj.type = X86_EVENTTYPE_EXT_INTR;
        n2vmcb->event_inj.vector = vm->direct.vector;
        vcpu->eoi_due = true;
        vcpu->idle = false;
        vsb_direct_done(vm);
        spin_unlock_irqrestore(&vm->lock, flags);
        return false;
    }

    if ( likely(ring == VSB_RING_NOTHING) || !can_present(v, regs) )
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

    /*
     * OUT of AL to IER, with the current RIP as that of the next instruction:
     * L2 completes it and has L3 go on where it was. The exit information of an
     * I/O exit is taken from n2vmcb, not from what is deferred.
     */
    n2vmcb->exitinfo1 = ((VSB_COM1 + VSB_UART_IER) << 16) | IOIO_A16 | IOIO_SZ8;
    n2vmcb->exitinfo2 = regs->rip;
    n2vmcb->nextrip = regs->rip;
    n2vmcb->guest_ins_len = 0;
    nestedsvm_vmexit_defer(v, VMEXIT_IOIO, n2vmcb->exitinfo1,
                           n2vmcb->exitinfo2);

    return true;
}

bool vsb_svm_vmmcall(struct vcpu *v, struct cpu_user_regs *regs,
                     unsigned int len)
{
    struct vsb_line line;

    if ( likely(regs->rax != VSB_ULTRACALL) ||
         vsb_irq_mode != VSB_IRQ_ULTRACALL || !vsb_enabled ||
         !nestedhvm_enabled(v->domain) || hvm_guest_x86_mode(v) != 8 ||
         hvm_get_cpl(v) != 3 || !(regs->eflags & X86_EFLAGS_IF) )
        return false;

    if ( vsb_ultracall_wait(v, &line) )
    {
        regs->rax = 0;
        regs->rdx = line.level;
        memcpy(&regs->rsi, line.uuid, 8);
        memcpy(&regs->rdi, line.uuid + 8, 8);
        __update_guest_eip(regs, len);
    }

    return true;
}
