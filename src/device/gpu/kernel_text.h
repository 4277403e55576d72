/* The text of the kernels (kernels/), which is part of the program; embed.cmake makes it so. */
#ifndef DEVICE_KERNEL_TEXT_H
#define DEVICE_KERNEL_TEXT_H

/* The text of a file of kernels by its name, such as "gemm.cl", with that of what it includes. NULL
 * when there is none of that name. */
const char *kernel_text(const char *name);

#endif
