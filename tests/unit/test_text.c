/* Text that comes from anywhere: what is UTF-8, how anything else is shown, how a word stands in a
 * command line, which numbers a device has there, which word was meant, and how text is put
 * together. */
#include "device/spec.h"
#include "program/quote.h"
#include "support.h"
#include "system/nearest.h"
#include "system/text.h"
#include "system/utf8.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- UTF-8 --- */

static void test_characters(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } characters[] = {{"a", 1}, {"\x7F", 1}, {"\xC2\x80", 2}, {"ü", 2}, {"\xDF\xBF", 2},
        {"\xE0\xA0\x80", 3}, {"€", 3}, {"\xED\x9F\xBF", 3}, {"\xEE\x80\x80", 3},
        {"\xF0\x90\x80\x80", 4}, {"\xF4\x8F\xBF\xBF", 4},
        /* no start; too long; halves of a pair; too much; cut off; something else within */
        {"\x80", 0}, {"\xBF", 0}, {"\xC0\x80", 0}, {"\xC1\xBF", 0}, {"\xE0\x9F\xBF", 0},
        {"\xED\xA0\x80", 0}, {"\xED\xB0\x80", 0}, {"\xED\xBF\xBF", 0}, {"\xF0\x8F\xBF\xBF", 0},
        {"\xF4\x90\x80\x80", 0}, {"\xF5\x80\x80\x80", 0}, {"\xFF", 0}, {"\xC3", 0}, {"\xE2\x82", 0},
        {"\xF0\x90\x80", 0}, {"\xC3z", 0}, {"\xE2\x82z", 0}};
    for (size_t c = 0; c < sizeof characters / sizeof *characters; c++) {
        assert_int_equal(utf8_length(characters[c].text), characters[c].length);
        assert_int_equal(utf8_is(characters[c].text), characters[c].length > 0);
    }
    assert_true(utf8_is(""));
    assert_false(utf8_is("fine, then \xE9"));
}

static void check_shown(const char *text, bool one_line, size_t size, const char *expected) {
    char shown[64];
    memset(shown, '#', sizeof shown);
    assert_ptr_equal(utf8_show(text, one_line, shown, size), shown);
    assert_string_equal(shown, expected);
    for (size_t i = size; i < sizeof shown; i++) /* nothing behind its place */
        assert_int_equal(shown[i], '#');
    assert_true(utf8_is(shown));
}

static void test_shown(void **state) {
    (void)state;
    check_shown("caf\xE9 ü€", false, 64, "caf? ü€");
    check_shown("a\nb\tc\x1B[1m\x7F\xC2\x85", true, 64, "a?b?c?[1m??");
    check_shown("a\nb", false, 64, "a\nb");
    /* what turns text around, and what ends lines and paragraphs: the first and last of each row,
     * and their neighbours, which are shown */
    check_shown("\u061C\u200E\u200F\u2028\u2029\u202A\u202E\u2066\u2069", true, 64, "?????????");
    check_shown("\u061C\u202E", false, 64, "\u061C\u202E");
    check_shown("\u061B\u061D\u200D\u2010\u2027\u202F\u2065\u206A", true, 64,
        "\u061B\u061D\u200D\u2010\u2027\u202F\u2065\u206A");
    check_shown("\x1F \x7E\xC2\x80\xC2\x9F\xC2\xA0", true, 64, "? \x7E??\xC2\xA0");
    check_shown("aü€", false, 1, "");
    check_shown("aü€", false, 3, "a"); /* cut between characters */
    check_shown("aü€", false, 4, "aü");
    check_shown("aü€", false, 6, "aü");
    check_shown("aü€", false, 7, "aü€");
    check_shown("\xE2\x82", false, 64, "??");
}

/* --- A word in a command line --- */

/* What a shell makes of it is the word. */
static void test_quoted(void **state) {
    (void)state;
    static const char *const words[] = {"plain", "a/b-c_d.e", "", "two words", "it's", "''",
        "$HOME", "`id`", "a\nb", "*", "[br] (c++) & {x}; !y | <z> \\ \"q\" #h ~", "-n",
        "caf\xC3\xA9 \xE9"};
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        quoted_text quoted;
        char command[512], said[64] = "";
        snprintf(command, sizeof command, "printf '%%s' %s", quote(words[w], quoted));
        FILE *shell = popen(command, "r");
        assert_non_null(shell);
        said[fread(said, 1, sizeof said - 1, shell)] = '\0';
        assert_int_equal(pclose(shell), 0);
        assert_string_equal(said, words[w]);
    }
    quoted_text quoted;
    assert_string_equal(quote("weights/a.safetensors", quoted), "weights/a.safetensors");
}

/* --- Which device --- */

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool are;
        long first, second;
    } cases[] = {{"0", true, 0, -1}, {"3:12", true, 3, 12}, {"007:0", true, 7, 0},
        {"99999999999999999999", true, LONG_MAX, -1}, {"", false, -1, -1}, {"1:", false, -1, -1},
        {":1", false, -1, -1}, {"1:2:3", false, -1, -1}, {"0x1", false, -1, -1},
        {"0.1", false, -1, -1}, {"1 2", false, -1, -1}, {"-1", false, -1, -1},
        {"0:1x", false, -1, -1}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        long numbers[2] = {7, 7};
        assert_int_equal(spec_numbers(cases[c].text, numbers, 2), cases[c].are);
        assert_int_equal(numbers[0], cases[c].first);
        assert_int_equal(numbers[1], cases[c].second);
    }
}

/* --- A word that was meant --- */

static void test_nearest(void **state) {
    (void)state;
    static const char *const words[] = {"auto", "gpu", "cuda", "opencl", "cpu", "reference"};
    static const struct {
        const char *word, *meant;
    } pairs[] = {{"cuad", "cuda"}, {"CUDA", "cuda"}, {"cud", "cuda"}, {"cudaa", "cuda"},
        {"opencI", "opencl"}, {"openlc", "opencl"}, {"refrence", "reference"},
        {"referense", "reference"}, {"cpi", "cpu"}, {"gpi", "gpu"}, {"", NULL}, {"x", NULL},
        {"vulkan", NULL}, {"metal", NULL}, {"c", NULL}, {"opencl:0:0:0:0:0:0", NULL}};
    char long_word[5000];
    memset(long_word, 'a', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(nearest(long_word, words, 6));
    assert_null(nearest("cuda", words, 0));
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
        const char *found = nearest(pairs[p].word, words, 6);
        if (pairs[p].meant)
            assert_string_equal(found ? found : "nothing", pairs[p].meant);
        else
            assert_null(found);
    }
}

/* --- Put together --- */

static void test_appended(void **state) {
    (void)state;
    char text[8];
    memset(text, '#', sizeof text);
    text[0] = '\0';
    text_append(text, 7, "%s", "");
    assert_string_equal(text, "");
    text_append(text, 7, "%s%d", "ab", 1);
    assert_string_equal(text, "ab1");
    text_append(text, 7, ", %s", "cd"); /* one letter too many */
    assert_string_equal(text, "ab1, c");
    text_append(text, 7, "more"); /* it is full */
    assert_string_equal(text, "ab1, c");
    assert_int_equal(text[7], '#');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_quoted),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_appended),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
