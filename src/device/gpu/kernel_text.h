/* The text of the files in kernels/, which is part of the program; embed.cmake makes it so. */
#ifndef DEVICE_KERNEL_TEXT_H
#define DEVICE_KERNEL_TEXT_H

/* The text of one file by its name, such as "product.cl"; NULL when there is none of that name. */
const char *kernel_text(const char *name);

#endif
