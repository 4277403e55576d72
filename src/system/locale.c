#include "system/locale.h"

#include <string.h>

/* The "C" locale, for all categories. C libraries have one object for it, which takes no memory and
 * need not be freed. Where a library has none, newlocale may fail and this is 0, with which
 * uselocale() changes nothing. */
static locale_t plain(void) {
#if defined(LC_C_LOCALE)
    return LC_C_LOCALE;
#else
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
#endif
}

locale_t locale_begin(void) {
    return uselocale(plain());
}

void locale_end(locale_t before) {
    uselocale(before);
}

const char *locale_reason(int number) {
    const locale_t before = locale_begin();
    const char *reason = strerror(number);
    locale_end(before);
    return reason;
}

char locale_lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

bool locale_is_same(const char *one, const char *other, size_t length) {
    size_t same = 0;
    while (same < length && locale_lower(one[same]) == locale_lower(other[same]))
        same++;
    return same == length;
}
