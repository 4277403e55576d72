/* The errors of OpenCL and CLBlast by their names. */
#ifndef DEVICE_OPENCL_STATUS_H
#define DEVICE_OPENCL_STATUS_H

#include "trainer/error.h"

/* "CL_OUT_OF_RESOURCES", "CLBlastInvalidDimension", ...; "unknown error" for a code that has no
 * name. CLBlast's own codes (-2049 to -1000) don't overlap with OpenCL's. */
const char *opencl_status_name(int code);

/* Fills the error: `call` gave `code`. Gives STATUS_DEVICE. `subject` is what the call was about (a
 * kernel, a number of bytes, a device); it may be empty. */
enum status opencl_failed(const char *call, int code, const char *subject, struct error *error);

#endif
