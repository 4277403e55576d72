/* A communicator of a module that is open, whichever that is. */
#ifndef COMMUNICATOR_CREATE_H
#define COMMUNICATOR_CREATE_H

#include "communicator/launcher.h"
#include "communicator/module.h"

/* communicator_open, once the launcher and the module are known. */
enum status communicator_create(const struct communicator_module *module,
    const struct launcher *launcher, const struct communicator_options *options,
    struct communicator **communicator, struct error *error);

#endif
