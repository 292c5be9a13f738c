/*
 * A system in L2 that does nothing but try the nested virtualization that it is given: what it owes is checked (checks.c), what
 * it must bear is thrown at it (mutate.c). The command line says which.
 */
#include "checks.h"
#include "console.h"
#include "machine.h"
#include "mutate.h"
#include "svm.h"

/* The value behind a word of the command line. */
static uint64_t number_of(const char *word, uint64_t otherwise)
{
    const char *at;

    for (at = command_line(); *at != '\0'; at++) {
        const char *here = at, *there = word;

        while (*there != '\0' && *here == *there) {
            here++;
            there++;
        }
        if (*there == '\0') {
            uint64_t value = 0;

            for (; *here >= '0' && *here <= '9'; here++) {
                value = value * 10 + (uint64_t)(*here - '0');
            }
            return value;
        }
    }
    return otherwise;
}

int main(void)
{
    struct campaign campaign;

    set_up_console();
    set_up_traps();
    if (!set_up_svm()) {
        end("# this processor has no SVM");
    }
    campaign.seed = number_of("seed=", 1);
    campaign.first = number_of("first=", 0);
    campaign.cases = number_of("cases=", 0);
    campaign.told = number_of("told=", 1000);
    campaign.second_cpu = number_of("flip=", 0) == 1;
    campaign.tcg = number_of("tcg=", 0) == 1;
    if (campaign.cases > 0) {
        run_mutations(&campaign);
    } else {
        run_checks(number_of("shadowed=", 0) == 1);
    }
    end(NULL);
}
