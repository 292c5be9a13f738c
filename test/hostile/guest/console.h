/* Where the guest says what it finds: the console of a Xen domain, else port 0xe9 of an emulator. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdint.h>

void set_up_console(void);
/* The words that the guest was started with. */
const char *command_line(void);

#endif
