#include "program/progress.h"

#include "program/terminal.h"
#include "system/clock.h"
#include "system/text.h"

#include <string.h>

void progress_begin(
    struct progress *progress, FILE *file, bool quiet, double first, size_t epochs) {
    *progress = (struct progress){.first = first, .epochs = epochs, .start = clock_seconds()};
    if (!quiet && terminal_has_codes(fileno(file)))
        progress->file = file;
}

/* Makes the line, of at most `columns` letters: a bar, if there is room for one, and words. */
static void compose(char *line, size_t size, int columns, double done, const char *words) {
    enum { SHORTEST = 5, LONGEST = 30 };
    /* Without the bar's two ends and a space. */
    const int available = columns - (int)strlen(words) - 3;
    const int length = available < LONGEST ? available : LONGEST;
    const int filled = (int)(done * length);
    if (length < SHORTEST)
        snprintf(line, size, "%.*s", columns, words);
    else
        snprintf(line, size, "[%.*s%*s] %s", filled, "##############################",
            length - filled, "", words);
}

void progress_show(struct progress *progress, size_t epoch, size_t batch, size_t batches) {
    const double now = clock_seconds();
    if (!progress->file || now - progress->shown < 0.1 || progress->epochs == 0)
        return;
    progress->shown = now;
    progress->visible = true;
    const double done = (double)epoch + (double)batch / (double)batches;
    const double now_done = done - progress->first, all = (double)progress->epochs;
    char line[160], words[96];
    snprintf(words, sizeof words, "epoch %zu of %zu",
        epoch + 1 < progress->epochs ? epoch + 1 : progress->epochs, progress->epochs);
    if (now_done > 0.0)
        text_append(words, sizeof words, ", %.0f s left",
            (now - progress->start) * (all - done) / now_done);
    /* The last column stays free: a letter there would begin another line, which progress_hide does
     * not clear. */
    compose(line, sizeof line, terminal_columns(fileno(progress->file)) - 1, done / all, words);
    fprintf(progress->file, "\r\033[K%s", line);
    fflush(progress->file);
}

void progress_hide(struct progress *progress) {
    if (progress->visible)
        fputs("\r\033[K", progress->file);
    progress->visible = false;
}
