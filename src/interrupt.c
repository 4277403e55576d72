#include "interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

/* Of the process, as signals are. */
static atomic_int noted, deferred;

static void handle(int signal) {
    int none = 0;
    if (!atomic_load(&deferred) || !atomic_compare_exchange_strong(&noted, &none, signal))
        _exit(128 + signal);
}

void interrupt_catch(void) {
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP}, failing[] = {SIGPIPE, SIGXFSZ};
    struct sigaction before, action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    for (size_t s = 0; s < sizeof ending / sizeof *ending; s++)
        if (sigaction(ending[s], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(ending[s], &action, NULL);
    for (size_t s = 0; s < sizeof failing / sizeof *failing; s++)
        signal(failing[s], SIG_IGN);
}

void interrupt_defer(void) {
    atomic_store(&deferred, 1);
}

int interrupt_signal(void) {
    return atomic_load(&noted);
}
