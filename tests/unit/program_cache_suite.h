/* What the tests of the program cache share: a folder of their own, entries in it, and their files.
 */
#ifndef PROGRAM_CACHE_SUITE_H
#define PROGRAM_CACHE_SUITE_H

#include "device/program_cache.h"
#include "support.h"

enum { NOBODY = 65534, MEBIBYTE = 1024 * 1024 };

extern char folder[512]; /* where entries are */

/* A test with a cache of its own, which leaves nothing open. */
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
int set_up(void **state);
int tear_down(void **state);

void store(const char *key, const char *content);
bool loads(const char *key, const char *content); /* this content */
bool is_absent(const char *key);

const char *in_folder(const char *name); /* until the next call */
const char *path_of(const char *key);    /* of its file; the same */
int count_files(const char *of);         /* in a folder; -1: there is none */
bool exists(const char *path);
unsigned mode_of(const char *path);

/* As our own file: nothing about it but its bytes may be a reason not to load it. */
void write_bytes(const char *path, const void *bytes, size_t count);

uint64_t fnv1a(const void *bytes, size_t length);

#endif
