#include "progress.h"

#include "system/clock.h"

#include <unistd.h>

void progress_begin(
    struct progress *progress, FILE *file, bool quiet, size_t first, size_t epochs) {
    *progress = (struct progress){.first = first, .epochs = epochs, .start = clock_seconds()};
    if (!quiet && isatty(fileno(file)))
        progress->file = file;
}

void progress_show(struct progress *progress, size_t epoch, size_t batch, size_t batches) {
    enum { WIDTH = 30 };
    const double now = clock_seconds();
    if (!progress->file || now - progress->shown < 0.1 || progress->epochs == 0)
        return;
    progress->shown = now;
    progress->visible = true;
    const double done =
        ((double)epoch + (double)batch / (double)batches) / (double)progress->epochs;
    const int filled = (int)(done * WIDTH);
    fprintf(progress->file, "\r\033[K[%.*s%*s] epoch %zu of %zu", filled,
        "##############################", WIDTH - filled, "",
        epoch + 1 < progress->epochs ? epoch + 1 : progress->epochs, progress->epochs);
    const double now_done = done - (double)progress->first / (double)progress->epochs;
    if (now_done > 0.0)
        fprintf(progress->file, ", %.0f s left", (now - progress->start) * (1.0 - done) / now_done);
    fflush(progress->file);
}

void progress_hide(struct progress *progress) {
    if (progress->visible)
        fputs("\r\033[K", progress->file);
    progress->visible = false;
}
