/* Opens a file of weights in all ranks. Only rank 0 need have it: the others get a copy of its
 * bytes, and read that. */
#include "checkpoint/open.h"
#include "system/file.h"
#include "system/locale.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 1 << 22 }; /* bytes that are sent at a time */

/* A file without a name, for the bytes to come. */
static enum status make_copy(int *descriptor, struct error *error) {
    FILE *file = tmpfile();
    *descriptor = file ? dup(fileno(file)) : -1;
    const int reason = errno;
    if (file)
        fclose(file);
    return *descriptor >= 0 ? STATUS_OK
                            : error_set(error, STATUS_FAILED,
                                  "a temporary file for the weights: %s", locale_reason(reason));
}

/* Sends the bytes of rank 0's file to all, or receives them. A failure of this rank alone is kept
 * until all bytes have come. */
static enum status send(struct communicator *communicator, const struct checkpoint *source,
    int copy, uint64_t bytes, char *piece, struct error *error) {
    enum status status = STATUS_OK, sent = STATUS_OK;
    struct error problem;
    for (uint64_t offset = 0; offset < bytes && sent == STATUS_OK; offset += PIECE) {
        const size_t count = bytes - offset < PIECE ? (size_t)(bytes - offset) : PIECE;
        if (source && status == STATUS_OK)
            status = checkpoint_read_at(source, offset, piece, count, error);
        sent = communicator_broadcast(communicator, piece, count, &problem);
        const int reason = !source && sent == STATUS_OK && status == STATUS_OK
                               ? file_write(copy, piece, count)
                               : 0;
        if (reason != 0)
            status = error_set(
                error, STATUS_FAILED, "a copy of the weights of rank 0: %s", locale_reason(reason));
    }
    return sent == STATUS_OK ? status : error_set(error, sent, "%s", problem.message);
}

/* The same, with all that is needed for it. */
static enum status share(struct communicator *communicator, const struct checkpoint *source,
    int *copy, struct error *error) {
    uint64_t bytes = source ? source->bytes : 0;
    char *piece = malloc(PIECE);
    enum status status = piece ? STATUS_OK : error_memory(error, "a piece of the weights", PIECE);
    if (status == STATUS_OK && !source)
        status = make_copy(copy, error);
    status = communicator_agree(communicator, status, error);
    if (status == STATUS_OK)
        status = communicator_broadcast(communicator, &bytes, sizeof bytes, error);
    if (status == STATUS_OK)
        status = communicator_agree(
            communicator, send(communicator, source, *copy, bytes, piece, error), error);
    free(piece);
    return status;
}

enum status checkpoint_open_together(struct communicator *communicator, const char *path,
    struct checkpoint **checkpoint, struct error *error) {
    *checkpoint = NULL;
    const bool reads = communicator_rank(communicator) == 0;
    enum status status = reads ? checkpoint_open(path, checkpoint, error) : STATUS_OK;
    if (communicator_ranks(communicator) == 1)
        return status;
    int copy = -1;
    status = communicator_agree(communicator, status, error);
    if (status == STATUS_OK)
        status = share(communicator, *checkpoint, &copy, error);
    if (status == STATUS_OK && !reads)
        status = checkpoint_open_descriptor(copy, path, checkpoint, error);
    else if (copy >= 0)
        close(copy);
    return communicator_agree(communicator, status, error);
}
