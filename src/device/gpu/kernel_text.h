/* The text of the kernels (kernels/). The build makes it a part of the program (embed.cmake). */
#ifndef DEVICE_KERNEL_TEXT_H
#define DEVICE_KERNEL_TEXT_H

/* The text of a file of kernels by its name, such as "gemm.cl", with the text of the files that it
 * includes in their place. NULL when there is no file of that name. */
const char *kernel_text(const char *name);

#endif
