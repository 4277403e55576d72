#include "utf8.h"

#include <stdint.h>
#include <string.h>

size_t utf8_length(const char *text) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by the number of bytes */
    const unsigned char *byte = (const unsigned char *)text;
    const size_t length = *byte < 0x80 ? 1 : *byte < 0xE0 ? 2 : *byte < 0xF0 ? 3 : 4;
    if ((*byte >= 0x80 && *byte < 0xC2) || *byte > 0xF4)
        return 0;
    uint32_t code = length == 1 ? *byte : *byte & (0x7Fu >> length);
    for (size_t more = 1; more < length; more++) {
        if ((byte[more] & 0xC0) != 0x80) /* the text's end is none, either */
            return 0;
        code = code << 6 | (byte[more] & 0x3Fu);
    }
    return code < least[length] || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF ? 0
                                                                                        : length;
}

bool utf8_is(const char *text) {
    size_t length = 1;
    for (; *text && length > 0; text += length)
        length = utf8_length(text);
    return length > 0;
}

/* From U+0000 to U+001F, and from U+007F to U+009F. */
static bool is_control(const char *character) {
    const unsigned char first = (unsigned char)character[0], second = (unsigned char)character[1];
    return first < 0x20 || first == 0x7F || (first == 0xC2 && second < 0xA0);
}

const char *utf8_show(const char *text, bool one_line, char *shown, size_t size) {
    size_t used = 0;
    for (size_t length; *text; text += length > 0 ? length : 1) {
        length = utf8_length(text);
        const bool fine = length > 0 && !(one_line && is_control(text));
        if (used + (fine ? length : 1) >= size)
            break;
        if (fine)
            memcpy(shown + used, text, length);
        else
            shown[used] = '?';
        used += fine ? length : 1;
    }
    shown[used] = '\0';
    return shown;
}
