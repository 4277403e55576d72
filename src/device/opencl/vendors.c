#include "device/opencl/vendors.h"

#include "system/file.h"
#include "system/hash.h"
#include "system/places.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#else
extern char **environ;
#endif

/* --- Finding them --- */

static bool is_icd(const char *path) {
    const size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".icd") == 0;
}

/* Adds the driver that `path` names. If memory is refused, the driver is left out. */
static void add(struct vendors *vendors, const char *path) {
    struct vendor *grown = realloc(vendors->list, (vendors->count + 1) * sizeof *vendors->list);
    if (!grown)
        return;
    vendors->list = grown;
    struct vendor *vendor = &vendors->list[vendors->count];
    vendor->library[0] = '\0';
    const int length = snprintf(vendor->path, sizeof vendor->path, "%s", path);
    if (is_icd(path))
        (void)file_read_line(path, vendor->library, sizeof vendor->library);
    else
        memcpy(vendor->library, vendor->path, sizeof vendor->library);
    vendors->count += length > 0 && (size_t)length < sizeof vendor->path;
}

/* Adds the driver that the file `name` of a folder names. */
static void add_of(struct vendors *vendors, const char *folder, const char *name) {
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length > 0 && (size_t)length < sizeof path)
        add(vendors, path);
}

static void add_folder(struct vendors *vendors, const char *folder) {
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (is_icd(entry->d_name))
            add_of(vendors, folder, entry->d_name);
    if (directory)
        closedir(directory);
}

/* The value of an environment variable. NULL where it is not set, or empty, which is the same to a
 * loader. */
static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Adds the drivers that `named` names. It is a folder of files NAME.icd. ocl-icd also takes a
 * single such file, which is in the folder `usual` if there is no slash in its name, or a library.
 */
static void add_named(struct vendors *vendors, const char *named, const char *usual) {
    const size_t before = vendors->count;
    if (is_folder(named)) {
        add_folder(vendors, named);
        return;
    }
    if (is_icd(named) && !strchr(named, '/'))
        add_of(vendors, usual, named);
    if (vendors->count == before || access(vendors->list[before].path, F_OK) != 0) {
        vendors->count = before;
        add(vendors, named);
    }
}

/* Adds the libraries `names`, which have a colon between them. Khronos's loader loads them besides
 * the drivers of the folder. */
static void add_libraries(struct vendors *vendors, const char *names) {
    while (*names) {
        char library[PATH_MAX];
        const size_t length = strcspn(names, ":");
        snprintf(library, sizeof library, "%.*s", (int)(length < PATH_MAX ? length : 0), names);
        if (library[0])
            add(vendors, library);
        names += length + (names[length] == ':');
    }
}

static int compare(const void *a, const void *b) {
    return strcmp(((const struct vendor *)a)->path, ((const struct vendor *)b)->path);
}

struct vendors vendors_find(void) {
    struct vendors vendors = {NULL, 0};
    const char *named = variable("OCL_ICD_VENDORS"), *libraries = variable("OCL_ICD_FILENAMES");
    const char *folder = variable("OPENCL_VENDOR_PATH"), *usual = "/etc/OpenCL/vendors";
    usual = folder ? folder : usual;
    add_named(&vendors, named ? named : usual, usual);
    if (libraries)
        add_libraries(&vendors, libraries);
    if (vendors.count > 0) /* else there is no list */
        qsort(vendors.list, vendors.count, sizeof *vendors.list, compare);
    return vendors;
}

void vendors_free(struct vendors *vendors) {
    free(vendors->list);
    *vendors = (struct vendors){NULL, 0};
}

/* --- Naming them --- */

void vendors_take_only(const struct vendor *vendor) {
    (void)setenv("OCL_ICD_VENDORS", vendor->path, 1); /* Khronos's loader finds no folder here */
    (void)setenv("OCL_ICD_FILENAMES", vendor->library, 1); /* ocl-icd does not read this one */
}

/* Gives the path of the folder for these drivers. The folder is named by a hash of their libraries,
 * so that all processes have the same one for the same drivers. */
static bool find_folder(const struct vendors *vendors, char path[PATH_MAX], size_t *given) {
    uint64_t hash = hash_start;
    char name[64];
    for (size_t v = 0; v < vendors->count; v++)
        hash = hash_on(hash, vendors->list[v].library, strlen(vendors->list[v].library) + 1);
    snprintf(name, sizeof name, "trainer/drivers/%016" PRIx64, hash);
    return places_cache(name, path, PATH_MAX, given);
}

/* Makes file `number` of the folder. Other processes may make it at the same time: it is either
 * whole or not there. */
static bool make_file(const char *folder, size_t number, const char *library) {
    char path[PATH_MAX], line[PATH_MAX];
    const struct file_part parts[] = {{library, strlen(library)}, {"\n", 1}};
    const int length = snprintf(path, sizeof path, "%s/%zu.icd", folder, number);
    if (length < 0 || (size_t)length >= sizeof path)
        return false;
    if (file_read_line(path, line, sizeof line) && strcmp(line, library) == 0)
        return true;
    return file_replace(path, parts, 2, NULL) == STATUS_OK;
}

bool vendors_make_folder(const struct vendors *vendors, char path[PATH_MAX]) {
    size_t given;
    bool made = find_folder(vendors, path, &given) && file_make_private_folder(path, given);
    for (size_t v = 0; v < vendors->count && made; v++)
        made = make_file(path, v, vendors->list[v].library);
    return made;
}

/* --- Knowing them again --- */

static void print_file(const char *path, FILE *file) {
    struct stat status;
    if (stat(path, &status) == 0)
        fprintf(file, "%s: %ju, %ju bytes, %jd s\n", path, (uintmax_t)status.st_ino,
            (uintmax_t)status.st_size, (intmax_t)status.st_mtime);
    else
        fprintf(file, "%s\n", path);
}

/* Whether `name` begins with the name of a variable that loaders or drivers read. The variables
 * that name vendors don't count, because the vendors' files are printed instead. */
static bool is_read(const char *name) {
    static const char *const begins[] = {"OCL_ICD_A", "OCL_ICD_P", "LD_LIBRARY_PATH=", "POCL_",
        "CUDA_", "NVIDIA_", "ROC", "HSA_", "HIP_", "GPU_", "RUSTICL_", "MESA_", "GALLIUM_",
        "LIBGL_", "NEOReadDebugKeys=", "ZE_", "CL_", "CONDA_PREFIX=", "HOME=", "XDG_CACHE_HOME="};
    for (size_t b = 0; b < sizeof begins / sizeof *begins; b++)
        if (strncmp(name, begins[b], strlen(begins[b])) == 0)
            return true;
    return false;
}

void vendors_print(const struct vendor *vendors, size_t count, FILE *file) {
    char line[64];
    for (size_t v = 0; v < count; v++) {
        print_file(vendors[v].path, file);
        print_file(vendors[v].library, file);
    }
    print_file("/etc/ld.so.cache", file); /* changes with each library that is installed */
    if (file_read_line("/proc/sys/kernel/random/boot_id", line, sizeof line)) /* new at each boot */
        fprintf(file, "%s\n", line);
    for (char **one = environ; *one; one++)
        if (is_read(*one))
            fprintf(file, "%s\n", *one);
}
