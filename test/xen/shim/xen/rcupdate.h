/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_XEN_RCUPDATE_H
#define SHIM_XEN_RCUPDATE_H

#define rcu_read_lock(lock)     ((void)(lock))
#define rcu_read_unlock(lock)   ((void)(lock))

#endif /* SHIM_XEN_RCUPDATE_H */
