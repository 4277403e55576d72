/* Text that does not depend on the locale of the process: "0.5" and not "0,5", and the system's
 * reasons in English. */
#ifndef SYSTEM_LOCALE_H
#define SYSTEM_LOCALE_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

/* From locale_begin() to locale_end(), the calling thread reads and writes numbers as the "C"
 * locale does. Other threads, and the locale of the process, stay as they are. locale_end takes
 * what locale_begin returned. */
locale_t locale_begin(void);
void locale_end(locale_t before);

/* The system's words for an errno, in English and ASCII. */
const char *locale_reason(int number);

/* Makes a letter from A to Z lower case, and leaves anything else as it is. tolower() would not do:
 * in a Turkish locale tolower('I') need not be 'i', and bytes beyond ASCII may be letters. */
char locale_lower(char letter);

/* Whether the first `length` letters of both are the same, in upper or lower case. */
bool locale_is_same(const char *one, const char *other, size_t length);

#endif
