#include "device/spec.h"

#include "system/locale.h"

#include <limits.h>

static bool is_digit(char character) { /* whatever the locale */
    return character >= '0' && character <= '9';
}

/* Reads a number, and moves *text to what follows it. False when *text does not begin with a
 * digit. */
static bool read_number(const char **text, long *number) {
    if (!is_digit(**text))
        return false;
    for (*number = 0; is_digit(**text); ++*text) {
        const int digit = **text - '0';
        *number = *number > (LONG_MAX - digit) / 10 ? LONG_MAX : 10 * *number + digit;
    }
    return true;
}

bool spec_numbers(const char *text, long *numbers, size_t count) {
    size_t read = 0;
    for (size_t n = 0; n < count; n++)
        numbers[n] = -1;
    while (read < count && read_number(&text, &numbers[read])) {
        read++;
        if (*text == '\0')
            return true;
        if (*text++ != ':')
            break;
    }
    for (size_t n = 0; n < read; n++)
        numbers[n] = -1;
    return false;
}

bool spec_is_part(const char *text, const char *name) {
    for (; *name; name++) {
        size_t same = 0;
        while (text[same] && locale_lower(text[same]) == locale_lower(name[same]))
            same++;
        if (!text[same])
            return true;
    }
    return false;
}
