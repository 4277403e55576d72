/* What this program was built from, and with what. CMake fills it in. */
#ifndef PROGRAM_VERSION_H
#define PROGRAM_VERSION_H

extern const char *const version_number; /* of the project */
/* Commit of this source's own repository; "unknown" without one. */
extern const char *const version_commit;
extern const char *const version_unknown;  /* why it is unknown, in git's words; else empty */
extern const char *const version_compiler; /* the compiler and its version */
extern const char *const version_flags;    /* of the build */

#endif
