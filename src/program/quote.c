#include "program/quote.h"

#include <stdio.h>
#include <string.h>

const char *quote(const char *word, quoted_text quoted) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_@%+=:,./-";
    size_t used = 0;
    if (*word && !word[strspn(word, plain)]) {
        snprintf(quoted, sizeof(quoted_text), "%s", word);
        return quoted;
    }
    quoted[used++] = '\'';
    for (; *word && used + sizeof "'\\'''" <= sizeof(quoted_text); word++) {
        const char letter[] = {*word, '\0'};
        /* A single quote can't be written within single quotes, so they end before it and begin
         * again after it. */
        const char *shown = *word == '\'' ? "'\\''" : letter;
        memcpy(quoted + used, shown, strlen(shown));
        used += strlen(shown);
    }
    memcpy(quoted + used, "'", sizeof "'");
    return quoted;
}
