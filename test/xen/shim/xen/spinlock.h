/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spinlocks that check their use: a lock is not taken twice, locks are taken
 * in the order of their ranks, and all with interrupts off. A violation aborts.
 */

#ifndef SHIM_XEN_SPINLOCK_H
#define SHIM_XEN_SPINLOCK_H

#include <xen/types.h>

enum shim_rank
{
    SHIM_RANK_NONE,     /* spin_lock_init() was forgotten */
    SHIM_RANK_LINK,     /* the test's, in the place of link.c's */
    SHIM_RANK_STATIC,   /* DEFINE_SPINLOCK(): vsb_vms_lock */
    SHIM_RANK_DYNAMIC,  /* spin_lock_init(): vm->lock */
};

typedef struct
{
    enum shim_rank rank;
    bool held;
} spinlock_t;

#define DEFINE_SPINLOCK(name) spinlock_t name = { .rank = SHIM_RANK_STATIC }

void spin_lock_init(spinlock_t *lock);
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
bool spin_trylock(spinlock_t *lock);
bool spin_is_locked(const spinlock_t *lock);
unsigned long shim_irqsave(void);
void shim_irqrestore(unsigned long flags);

#define spin_lock_irqsave(lock, flags) \
    do { (flags) = shim_irqsave(); spin_lock(lock); } while ( 0 )
#define local_irq_save(flags)       ((flags) = shim_irqsave())
#define local_irq_restore(flags)    shim_irqrestore(flags)
#define spin_unlock_irqrestore(lock, flags) \
    do { spin_unlock(lock); shim_irqrestore(flags); } while ( 0 )

#endif /* SHIM_XEN_SPINLOCK_H */
