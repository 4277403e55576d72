#include "trainer/error.h"

#include "system/locale.h"

#include <stdarg.h>
#include <stdio.h>

enum status error_set(struct error *error, enum status status, const char *format, ...) {
    if (error) {
        const locale_t before = locale_begin();
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        locale_end(before);
    }
    return status;
}

enum status error_memory(struct error *error, const char *what, unsigned long long bytes) {
    return error_set(error, STATUS_FAILED, "out of memory: %llu bytes for %s", bytes, what);
}
