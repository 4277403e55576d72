#include "system/utf8.h"

#include <stdint.h>
#include <string.h>

/* As utf8_length, and gives the character. */
static size_t read_character(const char *text, uint32_t *character) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by number of bytes */
    const unsigned char *byte = (const unsigned char *)text;
    const size_t length = *byte < 0x80 ? 1 : *byte < 0xE0 ? 2 : *byte < 0xF0 ? 3 : 4;
    if ((*byte >= 0x80 && *byte < 0xC2) || *byte > 0xF4)
        return 0;
    uint32_t code = length == 1 ? *byte : *byte & (0x7Fu >> length);
    for (size_t more = 1; more < length; more++) {
        if ((byte[more] & 0xC0) != 0x80) /* the end of the text is none, either */
            return 0;
        code = code << 6 | (byte[more] & 0x3Fu);
    }
    *character = code;
    return code < least[length] || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF ? 0
                                                                                        : length;
}

size_t utf8_length(const char *text) {
    uint32_t character;
    return read_character(text, &character);
}

bool utf8_is(const char *text) {
    size_t length = 1;
    for (; *text && length > 0; text += length)
        length = utf8_length(text);
    return length > 0;
}

/* Whether a terminal takes the character for a command or for the end of a line, or the character
 * turns the direction of text. These are controls (U+0000 to U+001F, U+007F to U+009F), line and
 * paragraph separators (U+2028, U+2029), and marks of direction (U+061C, U+200E, U+200F, U+202A to
 * U+202E, U+2066 to U+2069). */
static bool is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x61C ||
           (code >= 0x200E && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

const char *utf8_show(const char *text, bool one_line, char *shown, size_t size) {
    size_t used = 0;
    for (size_t length; *text; text += length > 0 ? length : 1) {
        uint32_t code = 0;
        length = read_character(text, &code);
        const bool fine = length > 0 && !(one_line && is_control(code));
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
