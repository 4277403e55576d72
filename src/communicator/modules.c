#include "communicator/modules.h"

#include "system/text.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The modules of this build, by their library's name. */
static const char *const built[] = {TRAINER_MPI_MODULES NULL};
/* Why it has none; empty: it has some. */
static const char lacking[] = TRAINER_LACKS_MPI;

static bool is_built(enum communicator_library library) {
    bool found = false;
    for (size_t m = 0; built[m]; m++)
        found = found || strcmp(built[m], communicator_library_names[library]) == 0;
    return found;
}

enum status modules_choose(const struct launcher *launcher, enum communicator_library asked,
    const char **name, struct error *error) {
    const enum communicator_library wanted = asked != COMMUNICATOR_AUTO ? asked : launcher->library;
    const bool may_be_another = asked == COMMUNICATOR_AUTO && !launcher->only;
    *name = is_built(wanted) ? communicator_library_names[wanted]
            : may_be_another ? built[0]
                             : NULL;
    if (*name)
        return STATUS_OK;
    return error_set(error, STATUS_USAGE,
        "this process is one of those that %s has started, but this build has no %s for them: %s; "
        "--communicator none makes them runs that have nothing to do with each other",
        launcher->name, communicator_library_names[wanted],
        lacking[0] ? lacking : "install it (Debian: libopenmpi-dev, libmpich-dev) and build again");
}

/* Opens a module's file in a folder or where its modules are installed from there; adds to `error`
 * why not. Open MPI's own plug-ins look for its functions among those that everybody sees. */
static void *open_near(const char *folder, const char *file, struct error *error) {
    static const char *const places[] = {"", "/trainer", TRAINER_MODULES_FROM_PROGRAM};
    void *handle = NULL;
    for (size_t p = 0; p < sizeof places / sizeof *places && !handle; p++) {
        char path[2 * PATH_MAX];
        snprintf(path, sizeof path, "%s%s/%s", folder, places[p], file);
        handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        if (!handle && access(path, F_OK) == 0) /* else there is nothing to be said */
            text_append(error->message, sizeof error->message, "%s; ", dlerror());
    }
    return handle;
}

/* The folder of a file; empty where the path has none. */
static const char *folder_of(char *path) {
    char *slash = strrchr(path, '/');
    *(slash ? slash : path) = '\0';
    return path;
}

/* Beside the library, if it is shared, or the program; or where it was to be installed. */
static void *open_module(const char *file, struct error *error) {
    char path[PATH_MAX] = "";
    Dl_info library;
    error->message[0] = '\0';
    if (dladdr(built, &library) && library.dli_fname)
        snprintf(path, sizeof path, "%s", library.dli_fname);
    void *handle = *folder_of(path) ? open_near(path, file, error) : NULL;
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    if (!handle && *folder_of(path))
        handle = open_near(path, file, error);
    return handle ? handle : open_near(TRAINER_MODULES_FOLDER, file, error);
}

enum status modules_load(
    const char *name, const struct communicator_module **module, struct error *error) {
    char file[64];
    struct error problem;
    snprintf(file, sizeof file, "trainer_%s.so", name);
    void *handle = open_module(file, &problem);
    if (!handle)
        return error_set(error, STATUS_FAILED,
            "the module for this launcher's MPI can't be opened: %s%s belongs beside the program, "
            "or in %s; --communicator none does without it",
            problem.message, file, TRAINER_MODULES_FOLDER);
    *module = dlsym(handle, MODULE_SYMBOL_NAME);
    if (!*module || (*module)->version != MODULE_VERSION)
        return error_set(
            error, STATUS_FAILED, "%s: it is not of this build; build and install again", file);
    return STATUS_OK;
}
