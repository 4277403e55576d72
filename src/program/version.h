/* What this program was built from and with; filled in by CMake. */
#ifndef PROGRAM_VERSION_H
#define PROGRAM_VERSION_H

extern const char *const version_number;   /* of the project */
extern const char *const version_commit;   /* of its own repository; "unknown" without one */
extern const char *const version_unknown;  /* why, as git has it; else empty */
extern const char *const version_compiler; /* and its version */
extern const char *const version_flags;    /* of the build */

#endif
