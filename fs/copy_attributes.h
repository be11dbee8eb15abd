/*
 * Owner, permissions, times and extended attributes of a copy. On the pool's threads.
 */
#ifndef AIO_FS_COPY_ATTRIBUTES_H
#define AIO_FS_COPY_ATTRIBUTES_H

#include <sys/stat.h>

/* Sets what the flags (of enum aio_file_copy_flags) say. status: of the source. Returns 0 or
 * -errno. */
int aio__copy_attributes(int from, int to, const struct stat *status, unsigned flags);

#endif
