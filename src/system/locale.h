/* Text that is the same whatever locale the process has set: "0.5" and not "0,5", and the system's
 * reasons in English. */
#ifndef SYSTEM_LOCALE_H
#define SYSTEM_LOCALE_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

/* From here to locale_end(), with what this gave, the calling thread reads and writes numbers as
 * the "C" locale has them. Other threads, and what the process has set, are not touched. */
locale_t locale_begin(void);
void locale_end(locale_t before);

/* The system's words for an errno, as ASCII. */
const char *locale_reason(int number);

/* A letter from A to Z in lower case, and anything else as it is. In a Turkish locale tolower('I')
 * need not be 'i', and bytes beyond ASCII may be letters. */
char locale_lower(char letter);

/* Whether the first `length` letters of both are the same, in upper or lower case. */
bool locale_is_same(const char *one, const char *other, size_t length);

#endif
