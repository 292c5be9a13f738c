/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VSBypass: what its parts share. One file a subject:
 *
 *   init.c       what is started, and which processor it is
 *   exits.c      exits and entries of L3
 *   svm.c, vmx.c nested SVM and nested VMX, as exits.c needs them
 *   vm.c         which user VM is it: identification, slots, labels
 *   smbios.c     the UUID that L3's firmware has put into its memory
 *   com1.c       L3's accesses to COM1, and the streams behind the UART
 *   doorbell.c   when L2 has to raise IRQ 4, without an agent in L2
 *   direct.c     an idle L3's interrupt without L2, once its vector is known
 *   ultracall.c  the same told to an agent in L2 that waits in a call
 *   halt.c       which HLT of L3 is not reflected
 *   watch.c      what L2 does to an L3 that it watches
 *   link.c       the port to L0: bytes in and out, interrupts, timers
 *   protocol.c   what is said on it
 *   debug.c      the debug key
 *   uart16550.c, thre_probe.c, frame.c   pure; also tested on the host
 *
 * Locks, in this order: the link's lock, vsb_vms_lock (identification),
 * vm->lock (all else of one user VM). All are taken with interrupts off, since
 * input arrives in the link's interrupt.
 *
 * Everything that comes from L2, L3 or the link is hostile: indices are
 * checked, loops and tables bounded, and nothing is allocated.
 */

#ifndef VSB_H
#define VSB_H

#include <xen/lib.h>
#include <xen/sched.h>
#include <xen/spinlock.h>
#include <xen/time.h>
#include <xen/types.h>

#include <asm/hvm/vsb.h>

#include "thre_probe.h"
#include "uart16550.h"

#define VSB_MAX_VMS     32   /* user VMs of all L2 together */
#define VSB_MAX_VCPUS   16   /* of one user VM */
#define VSB_MAX_ROOTS   4    /* nested roots remembered of one user VM */

#define VSB_COM1        0x3f8u
#define VSB_COM1_PORTS  8u

/* Rings: powers of two. Output beyond the mark holds THRE back. */
#define VSB_OUT_RING    65536u
#define VSB_OUT_MARK    16384u
#define VSB_IN_RING     4096u

/* BREAKs that wait among the characters of the input ring. */
#define VSB_BREAKS      16u

/* The general registers stand first in Xen's structure, RDI last. */
#define VSB_GPRS (offsetof(struct cpu_user_regs, rdi) + sizeof(uint64_t))

/* Not run for this long: shown as silent, and L2 can have its slot for another. */
#define VSB_SILENT      SECONDS(10)

enum vsb_state
{
    VSB_FREE = 0,
    VSB_RUNNING = 1,        /* values as on the link */
    VSB_SILENT_VM = 2,
    VSB_GONE = 3,
};

enum vsb_halt_policy
{
    VSB_HALT_NEVER = 0,     /* values as on the link */
    VSB_HALT_ADAPTIVE = 1,
    VSB_HALT_ATTACHED = 2,
    VSB_HALT_ALWAYS = 3,
};

/* How L2 is made to raise IRQ 4. */
enum vsb_irq_mode
{
    VSB_IRQ_DOORBELL = 0,   /* values as on the link */
    VSB_IRQ_ULTRACALL = 1,
    VSB_IRQ_NET = 2,
    VSB_IRQ_DIRECT = 3,     /* the doorbell, but see direct.c */
};

/* Counters of a user VM, in the order in which the link reports them. */
struct vsb_vm_counters
{
    uint64_t exits_com1;
    uint64_t exits_hlt;
    uint64_t exits_other;   /* not serialised between vCPUs: may miss some */
    uint64_t bytes_out;
    uint64_t bytes_in;
    uint64_t rings;         /* IRQ line raised */
    uint64_t rerings;       /* of these: again, as L3 did not answer */
    uint64_t doorbell_exits;/* exits presented to L2, raising and lowering */
    uint64_t irq_asserts;   /* the UART's interrupt went from 0 to 1 */
    uint64_t halts_captured;
    uint64_t tx_overruns;   /* bytes lost: L3 ignored THRE for 48 kB */
    uint64_t rx_overruns;   /* bytes lost: L3 reset its FIFO */
    uint64_t refused_wide;  /* byte lanes outside COM1 of a straddling access */
    uint64_t string_accesses; /* elements of INS and OUTS, emulated */
    uint64_t probe_answers; /* Linux's THRE tests answered for the heartbeat */
    uint64_t vcpus;
    uint64_t lines_told;    /* to an interrupt server: the wanted level */
    uint64_t directs;       /* of the rings: injected here, without L2 */
    uint64_t directs_unanswered;
    uint64_t stepped;       /* see enum vsb_evidence: entries */
    uint64_t breakpoints;
    uint64_t rewritten;
};

/* What L2 can do to a user VM that leaves a trace which L1 sees: see watch.c. */
enum vsb_evidence
{
    VSB_STEPPED = 0,        /* bits in this order on the link */
    VSB_BREAKPOINTS = 1,
    VSB_REWRITTEN = 2,
    VSB_EVIDENCE = 3,
};

/* It is told as long as it goes on, and so much longer. */
#define VSB_EVIDENCE_FOR SECONDS(10)

/* An L3 vCPU as it was when L2 last got it. */
struct vsb_left
{
    bool valid;
    bool by_itself;         /* for nothing that it did */
    bool waits;             /* by HLT, which changes no register but RIP */
    bool set_dr;            /* by a MOV to or from a debug register */
    bool tf, dr7;           /* single-stepped itself, had breakpoints of its own */
    bool l2_steps, l2_breaks; /* since then: L2 does, has */
    uint64_t rip;
    uint8_t gprs[VSB_GPRS];
};

/* One vCPU of a user VM. */
struct vsb_l3_vcpu
{
    uint64_t vmcx;          /* address in L2 of its VMCB or VMCS */
    uint64_t mark;          /* written there: see vm.c. 0: this entry is free */
    struct vcpu *v;         /* L2's vCPU that ran it last */
    bool halted;            /* its HLT is captured: @v is blocked */
    bool idle;              /* since its last HLT: it has nothing to do */
    uint8_t vector;         /* of the last interrupt that L2 injected; 0: none */
    bool eoi_due;           /* of an interrupt that L2 does not know of */

    /* An exit that L3 did not make is with L2. */
    bool in_flight;
    uint64_t rax, rip;      /* L3's */
    uint64_t shown_rax;     /* what L2 was told */

    struct vsb_left left;
};

/* See doorbell.c. */
struct vsb_doorbell
{
    bool raised;            /* the IRQ line of L2's own UART */
    bool iir_read;          /* L3 has since read IIR, interrupts off */
    bool answered;          /* L3 has since read "no interrupt" from IIR */
    bool served;            /* the shadow UART's interrupt has since been 0 */
    bool asserted;          /* the shadow UART's interrupt, last seen */
    bool hand_over;         /* L2's UART has yet to get L3's IER */
    bool line_due;          /* an interrupt server has yet to hear of @raised */
    bool direct;            /* raised for L3 alone: L2's line is low */
    uint8_t rerings;        /* in a row, without an answer */
    s_time_t since;         /* raised, or asserted, at */
};

/* See direct.c. */
struct vsb_direct
{
    uint8_t vector, vcpu;   /* the vector and the index of the vCPU */
    uint8_t seen;           /* so often in a row; 0: not known */
    uint8_t failures;       /* in a row: nobody answered it */
};

struct vsb_vm
{
    spinlock_t lock;

    /* Identity: written under vsb_vms_lock and @lock, read under either. */
    enum vsb_state state;
    bool hooked;
    bool uuid_valid;
    uint8_t uuid[16];       /* RFC 4122 order; L2's word, so a label only */
    bool from_reset;        /* seen from its first instruction on */
    bool doubtful;          /* L3 could have written the label itself */
    bool grown;             /* got a vCPU long after it was born */
    s_time_t seen[VSB_EVIDENCE]; /* last; 0: not, or not for a while */
    s_time_t born;
    uint16_t domid;
    uint32_t generation;    /* of the slot */
    unsigned int nr_vcpus;
    struct vsb_l3_vcpu vcpus[VSB_MAX_VCPUS];
    uint64_t roots[VSB_MAX_ROOTS]; /* newest first; 0: none */
    s_time_t last_run;
    bool at_reset;          /* entered at the reset vector last time */

    /*
     * The label is looked for at COM1 accesses, not before this time, by one
     * vCPU at a time. label_search changes when one begins, and when what it
     * finds is not wanted any more. @label_early: at every exit, since the
     * firmware of a new VM runs, and what runs after it could write a label.
     */
#define VSB_LABEL_TRIES 60
    bool label_early;
    s_time_t label_next;
    unsigned int label_tries;
    uint32_t label_search;

    /* Shadow device. */
    struct vsb_uart uart;
    struct vsb_thre_probe probe;
    struct vsb_doorbell bell;
    struct vsb_direct direct;
    enum vsb_halt_policy halt_policy;
    uint16_t sessions;
    s_time_t last_input;
    bool heartbeat;         /* Linux's port is open, see thre_probe.h */
    s_time_t rx_paused;     /* nothing is received until then; 0: it is */

    /*
     * Streams. Positions count bytes since the generation began, modulo 2^32;
     * those of a ring are at most its size apart.
     */
    uint32_t out_acked, out_sent, out_end;
    uint32_t out_known;     /* sent once, if out_sent went back since */
    uint32_t out_reset;     /* out_end when the label came into doubt */
    uint32_t in_taken, in_next;
    uint32_t break_at[VSB_BREAKS]; /* before the character at this position */
    unsigned int breaks;
    s_time_t out_progress;  /* last ack that moved out_acked, or first send */
    s_time_t out_timeout;   /* resend after */
    s_time_t out_last;      /* the last frame of output */
    bool ack_due, record_due;
    uint16_t window_told;
    uint8_t out[VSB_OUT_RING];
    uint8_t in[VSB_IN_RING];

    struct vsb_vm_counters count;
};

/* Counters of all, in the order in which the link reports them. */
struct vsb_counters
{
    uint64_t frames_in, frames_bad_crc, frames_oversize, frames_bad_escape;
    uint64_t frames_stale, frames_unknown, frames_out, resends;
    uint64_t vms_seen, vms_refused, accesses_refused, uptime_ns;
    uint64_t ultracalls;    /* exits: not serialised, may miss some */
    uint64_t ultracall_waits; /* of these: the vCPU was blocked */
};

extern struct vsb_vm vsb_vms[VSB_MAX_VMS];
extern struct vsb_counters vsb_count;
extern bool vsb_enabled;
/* Else all of L3's COM1 is a dead port. */
extern bool vsb_link_up;
extern enum vsb_halt_policy vsb_halt_default;
extern enum vsb_irq_mode vsb_irq_mode;

static inline unsigned int vsb_slot(const struct vsb_vm *vm)
{
    return vm - vsb_vms;
}

/* vm.c */

/* What is known of an L3 vCPU when L2 enters it. */
struct vsb_entry
{
    uint64_t vmcx;
    uint64_t root;          /* 0: L2 does not use nested paging for it */
    uint64_t mark;          /* what is where vsb_arch.mark() writes */
    bool at_reset;          /* about to execute the reset vector */
    bool at_sipi;           /* about to execute what a startup IPI named */
    bool at_loader;         /* where Xen has its firmware begin: no paging */
    bool steps;             /* L2 has it exit behind each instruction */
    bool traps_int3;        /* L2 gets its breakpoint exceptions */
    bool injects;           /* L2 gives it an external interrupt: @vector */
    uint8_t vector;
};

/* Find or make the user VM that @v is about to run; updates v's cache. */
void vsb_vm_identify(struct vcpu *v, const struct vsb_entry *entry);
/* The user VM that @v runs, locked, or NULL. */
struct vsb_vm *vsb_vm_lock_current(struct vcpu *v, unsigned long *flags);
/*
 * After a reset the slot's label is in doubt until it has been read again:
 * what was typed for the one user VM must not reach another, nor what the other
 * one says be shown to the user of this one.
 */
static inline bool vsb_vm_label_in_doubt(const struct vsb_vm *vm)
{
    return vm->uuid_valid && vm->label_tries < VSB_LABEL_TRIES;
}
/* How far output may be sent. */
static inline uint32_t vsb_vm_out_limit(const struct vsb_vm *vm)
{
    return vsb_vm_label_in_doubt(vm) ? vm->out_reset : vm->out_end;
}
/* Look for the label that @vm lacks, at most now and then. @v runs it. Not locked. */
void vsb_vm_find_label(struct vcpu *v, struct vsb_vm *vm);

/* L0 asks for the slot back. Only that of a silent user VM. */
bool vsb_vm_forget(unsigned int slot, uint16_t generation);
/* Once a second: who went silent. */
void vsb_vm_housekeeping(s_time_t now);
void vsb_vm_init(void);

/* smbios.c: the UUID in the memory of L3, which @v runs. False: none is there. */
bool vsb_smbios_uuid(struct vcpu *v, uint8_t uuid[16]);

/* exits.c: hooks.h, with what of the processor they need. */

enum vsb_exit_kind
{
    VSB_EXIT_OTHER,
    VSB_EXIT_IO,
    VSB_EXIT_HLT,
    VSB_EXIT_WRMSR,
    VSB_EXIT_EOI,           /* L3 wrote to its xAPIC's EOI register */
    VSB_EXIT_MEMORY,        /* nested page fault, EPT violation */
    VSB_EXIT_DEBUG,         /* a move to or from a debug register */
    VSB_EXIT_INTERRUPT,     /* the machine's: L3 has done nothing */
};

struct vsb_exit
{
    enum vsb_exit_kind kind;
    union
    {
        /* VSB_EXIT_IO */
        struct
        {
            uint16_t port;
            uint8_t size;   /* in bytes */
            bool in, string;
        };
        paddr_t gpa;        /* VSB_EXIT_MEMORY: in L3 */
    };
};

/* One of SVM, one of VMX. Of L3's state it is the current vCPU's. */
struct vsb_arch
{
    /* Once, where there is a link. */
    void (*init)(void);
    /* What an exit with this number is. */
    void (*decode)(const struct vcpu *v, uint64_t reason,
                   struct vsb_exit *exit);
    /*
     * The instruction that exited is done: go behind it. False: it cannot be
     * read any more, and L3 has got an exception for it.
     */
    bool (*complete)(struct vcpu *v, struct cpu_user_regs *regs,
                     enum vsb_exit_kind kind);
    /* L2 enters L3. */
    void (*entry)(struct vcpu *v, const struct cpu_user_regs *regs,
                  struct vsb_entry *entry);
    /*
     * Write @mark into L2's VMCB or VMCS of the L3 vCPU that is entered, where L2
     * writes nothing but zeroes, when it makes one. NULL: there is no such place.
     */
    void (*mark)(struct vcpu *v, uint64_t mark);
    /* Can L3's context be replaced by an exit that it did not make? */
    bool (*can_present)(const struct vcpu *v, const struct cpu_user_regs *regs);
    /*
     * Such an exit: OUT of AL to IER, after which L2 has L3 go on at the current
     * RIP. May load L2's state.
     */
    void (*present)(struct vcpu *v, const struct cpu_user_regs *regs);
    /* Would L3 take an interrupt with this vector now? */
    bool (*can_inject)(const struct vcpu *v, const struct cpu_user_regs *regs,
                       uint8_t vector);
    void (*inject)(struct vcpu *v, uint8_t vector);
    /* L3's DR7. */
    unsigned long (*dr7)(const struct vcpu *v);
    /* Has L2 an interrupt for L3, or a wish to come by, that would end a HLT? */
    bool (*ends_halt)(const struct vcpu *v);
    /*
     * L3's HLT is captured: what would end it and needs L3 to run has to be done
     * otherwise, until L3 is about to run again. NULL: there is no such thing.
     */
    void (*halted)(struct vcpu *v);
    void (*resumed)(struct vcpu *v);
    /* Its domain dies: end what halted() began. NULL as above. */
    void (*relinquish)(struct vcpu *v);
};

/* Set before alternative_call() is patched: see init.c. */
extern struct vsb_arch vsb_arch;

extern const struct vsb_arch vsb_svm; /* svm.c */
extern const struct vsb_arch vsb_vmx; /* vmx.c */

/* watch.c: what exits.c tells it. */

/* L3 leaves, and may come to L2. Not locked: nobody else has this vCPU run. */
void vsb_watch_exit(struct vcpu *v, const struct cpu_user_regs *regs,
                    struct vsb_left *left, enum vsb_exit_kind kind);
/* L2 enters it. True: L0 is to hear of it (vsb_link_kick()). vm->lock is held. */
bool vsb_watch_entry(struct vcpu *v, const struct cpu_user_regs *regs,
                     struct vsb_vm *vm, struct vsb_left *left,
                     const struct vsb_entry *entry);
/* Once a second, vm->lock held: what L2 has ceased to do. */
void vsb_watch_housekeeping(struct vsb_vm *vm, s_time_t now);

/* com1.c: with vm->lock held. */

uint8_t vsb_com1_read(struct vsb_vm *vm, unsigned int reg);
/* False: a character like the one before it, of which nothing follows. */
bool vsb_com1_write(struct vsb_vm *vm, unsigned int reg, uint8_t val);
/*
 * L3 wrote @val to L2's UART: unless it is a character the shadow UART follows,
 * so that it is set up as L3 wants when it is shadowed again.
 */
void vsb_com1_follow(struct vsb_vm *vm, unsigned int reg, uint8_t val);
/* Power on, or reset of the user VM. Streams go on. */
void vsb_com1_reset(struct vsb_vm *vm);
/* The streams moved: fill the FIFO, set the transmitter's state. */
void vsb_com1_update(struct vsb_vm *vm);
/* The pause after a reset of the receiver is over. */
void vsb_com1_unpause(struct vsb_vm *vm);
static inline void vsb_com1_end_pause(struct vsb_vm *vm, s_time_t now)
{
    if ( unlikely(vm->rx_paused) && now >= vm->rx_paused )
        vsb_com1_unpause(vm);
}
/* A BREAK of L0, behind the input that came before. False: too many wait. */
bool vsb_com1_break(struct vsb_vm *vm);
/* Console input of L0. Returns the number of bytes taken. */
unsigned int vsb_com1_input(struct vsb_vm *vm, const uint8_t *data,
                            unsigned int len);
static inline unsigned int vsb_com1_window(const struct vsb_vm *vm)
{
    return VSB_IN_RING - (vm->in_next - vm->in_taken);
}

/* doorbell.c: with vm->lock held. */

/* What to write to IER of L2's UART. */
enum vsb_ring
{
    VSB_RING_NOTHING,
    VSB_RING_LOWER,
    VSB_RING_RAISE,
    VSB_RING_HAND_OVER,     /* L3's own */
};

void vsb_doorbell_reset(struct vsb_vm *vm);
/* Follow the UART's interrupt output after something changed. */
void vsb_doorbell_update(struct vsb_vm *vm);
/* L3 read @iir from IIR. */
void vsb_doorbell_iir_read(struct vsb_vm *vm, uint8_t iir);
/*
 * What to do at this opportunity. @idle: L3 has nothing else to do. Nothing
 * changes before vsb_doorbell_done().
 */
enum vsb_ring vsb_doorbell_next(const struct vsb_vm *vm, bool idle);
void vsb_doorbell_done(struct vsb_vm *vm, enum vsb_ring ring);
/* Nothing is to be done, or told, while L3 runs on. */
bool vsb_doorbell_settled(const struct vsb_vm *vm);
/*
 * An opportunity: what needs no exit to L2 is done at once, what does is
 * returned. @told: L0 has to hear of something (vsb_link_kick()).
 */
enum vsb_ring vsb_doorbell_settle(struct vsb_vm *vm, bool idle, bool *told);
/* Something changed while L3 may not be running: see to it that it is done. */
void vsb_doorbell_wake(struct vsb_vm *vm);
/* The server has yet to hear of this VM's line, and can be told whose it is. */
static inline bool vsb_doorbell_line_due(const struct vsb_vm *vm)
{
    return vm->bell.line_due && vm->uuid_valid && vm->hooked &&
           (vm->state == VSB_RUNNING || vm->state == VSB_SILENT_VM);
}
/* It hears of it now. Returns the level. */
bool vsb_doorbell_tell_line(struct vsb_vm *vm);
/*
 * Shadow COM1, or leave it to L2. L3's driver knows of no change: whichever
 * UART it talks to from now on has to have its interrupts enabled as it wants.
 */
void vsb_doorbell_hook(struct vsb_vm *vm, bool on);

/* Without an agent in L2. */
static inline bool vsb_irq_by_doorbell(void)
{
    return vsb_irq_mode == VSB_IRQ_DOORBELL || vsb_irq_mode == VSB_IRQ_DIRECT;
}

/* direct.c: with vm->lock held. */

/* What is known belongs to another boot of L3. */
void vsb_direct_reset(struct vsb_vm *vm);
/* L3 may have given IRQ 4 another vector. */
void vsb_direct_forget(struct vsb_vm *vm);
/* L3's vCPU @index is about to read IIR with interrupts off. */
void vsb_direct_iir_read(struct vsb_vm *vm, unsigned int index);
/* vm->direct.vector can be injected into vCPU @index, if that is idle. */
bool vsb_direct_known(const struct vsb_vm *vm, unsigned int index);
/* It was: VSB_RING_RAISE is done. */
void vsb_direct_done(struct vsb_vm *vm);
/* It had no effect. */
void vsb_direct_unanswered(struct vsb_vm *vm);

/* halt.c: with vm->lock held. */

bool vsb_halt_wanted(const struct vsb_vm *vm);
/* L2's vCPU is in this vCPU of the user VM, whether it runs or not. */
bool vsb_entered(const struct vsb_vm *vm, const struct vsb_l3_vcpu *vcpu);
/*
 * The HLT of this vCPU is captured, and L2's vCPU still is in it: it may have
 * been woken for an interrupt of L2, and not have run this vCPU since.
 */
bool vsb_halted(const struct vsb_vm *vm, const struct vsb_l3_vcpu *vcpu);

/* ultracall.c */

/* In RAX: "VSBypass", as bytes in memory. */
#define VSB_ULTRACALL 0x7373617079425356ull

struct vsb_line
{
    uint8_t uuid[16];
    bool level;
};

/*
 * A vCPU of L2 asks whose line is to change. True: @line says so. Else there is
 * nothing to say, and the vCPU is blocked until there is, or until L2 has an
 * interrupt for it; it then asks again.
 */
bool vsb_ultracall_wait(struct vcpu *v, struct vsb_line *line);
/* Wake whoever waits for this VM's line. With vm->lock held. */
void vsb_ultracall_wake(const struct vsb_vm *vm);

/* link.c */

/* Whether there is to be a link. */
bool vsb_link_wanted(void);
/* Returns whether there is one. */
bool vsb_link_start(void);
/* The VM has output, an answer or a record to send. No lock held. */
void vsb_link_kick(struct vsb_vm *vm, bool urgent);

/* protocol.c: with the link's lock held. */

/* Build the next frame's payload; its length, or 0 if there is none. */
unsigned int vsb_protocol_next(uint8_t *payload);
/* A frame arrived. */
void vsb_protocol_receive(const uint8_t *payload, unsigned int len);
/* Whether L0 wants no guest to run now: for a second at most, unless it asks again. */
bool vsb_protocol_holds(s_time_t now);
/* Resend what was not acknowledged in time. True if there is such. */
bool vsb_protocol_timeouts(s_time_t now);
void vsb_protocol_init(void);

#endif /* VSB_H */
