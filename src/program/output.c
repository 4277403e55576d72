#include "program/output.h"

#include "system/file.h"
#include "system/locale.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum status output_open(struct output *output, struct error *error) {
    *output = (struct output){.file = open_memstream(&output->text, &output->length)};
    output->descriptor = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (output->descriptor < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return error_set(
            error, STATUS_FAILED, "can't keep standard output: %s", locale_reason(errno));
    return output->file ? STATUS_OK : error_memory(error, "what is printed", BUFSIZ);
}

void output_mute(struct output *output) {
    output->muted = true;
}

void output_flush(struct output *output) {
    errno = 0;
    /* `file` prints to memory. That fails when memory is refused, and then the text is not
     * whole. */
    int reason = fflush(output->file) != 0 || ferror(output->file) ? (errno ? errno : ENOMEM) : 0;
    if (output->muted)
        reason = 0;
    else if (reason == 0 && output->length > 0)
        reason = file_write(output->descriptor, output->text, output->length);
    rewind(output->file); /* the next output overwrites what was written */
    if (output->unprinted == 0)
        output->unprinted = reason;
}

enum status output_close(struct output *output, struct error *error) {
    if (output->file) {
        output_flush(output);
        fclose(output->file);
    }
    if (output->descriptor > STDERR_FILENO)
        close(output->descriptor);
    free(output->text);
    return output->unprinted == 0
               ? STATUS_OK
               : error_set(error, STATUS_FAILED, "can't write standard output: %s",
                     locale_reason(output->unprinted));
}
