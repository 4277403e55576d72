#include "output.h"

#include "system/file.h"
#include "system/locale.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum status output_begin(struct output *output, struct error *error) {
    *output = (struct output){0};
    output->file = open_memstream(&output->text, &output->length);
    return output->file ? STATUS_OK : error_memory(error, "what is printed", BUFSIZ);
}

void output_end(struct output *output) {
    if (output->file)
        fclose(output->file);
    free(output->text);
}

void output_flush(struct output *output) {
    errno = 0;
    /* What is printed to memory fails where there is no more of it, and is then not whole. */
    int reason = fflush(output->file) != 0 || ferror(output->file) ? (errno ? errno : ENOMEM) : 0;
    if (reason == 0 && output->length > 0)
        reason = file_write(STDOUT_FILENO, output->text, output->length);
    rewind(output->file); /* and what is there is printed over */
    if (output->unprinted == 0)
        output->unprinted = reason;
}

enum status output_check(struct output *output, struct error *error) {
    output_flush(output);
    return output->unprinted == 0
               ? STATUS_OK
               : error_set(error, STATUS_FAILED, "can't write standard output: %s",
                     locale_reason(output->unprinted));
}
