/* The modules of MPIs: which of them is the launcher's, and where it is. */
#ifndef COMMUNICATOR_MODULES_H
#define COMMUNICATOR_MODULES_H

#include "communicator/launcher.h"
#include "communicator/module.h"

/* Which MPI to open: the one that is asked for, or that the launcher has, or the first there is.
 * STATUS_USAGE, saying what to install, where this build has no module for it. */
enum status modules_choose(const struct launcher *launcher, enum communicator_library asked,
    const char **name, struct error *error);

/* Opens the module of that name. It is never closed: MPI can't begin a second time. */
enum status modules_load(
    const char *name, const struct communicator_module **module, struct error *error);

#endif
