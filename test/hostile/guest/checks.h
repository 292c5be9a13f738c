/* What nested SVM owes this guest, a few lines each. */
#ifndef CHECKS_H
#define CHECKS_H

#include "machine.h"

/* All of them, as TAP. Shadowed: the hypervisor takes COM1 of the guest's guest. */
void run_checks(bool shadowed);

#endif
